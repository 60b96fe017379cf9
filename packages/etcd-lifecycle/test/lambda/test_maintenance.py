"""When a member may be defragmented, which one is next, and that nothing is done without the lease."""

import io

import pytest
from cluster_views import POLICY, Slot, address, member_id, status, view
from etcd_lifecycle.etcd_answers import StatusReport
from etcd_lifecycle.maintenance import Maintenance, next_member, objection
from etcd_lifecycle.operation_context import OperationContext
from etcd_lifecycle.refusal import RefusedError
from etcd_lifecycle.telemetry import Telemetry

MAX_LAG = 1000
SETTLED = view(Slot(), Slot(), Slot())


def test_a_settled_cluster_is_no_reason_against_it():
    assert objection(SETTLED, MAX_LAG) is None


def test_nor_is_an_instance_in_the_warm_pool():
    assert objection(view(Slot(), Slot(), Slot(), Slot(None, "Warmed:Stopped")), MAX_LAG) is None


def test_nor_is_the_alarm_that_it_is_to_mend():
    assert objection(view(Slot("alarmed"), Slot("alarmed"), Slot("alarmed")), MAX_LAG) is None


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (view(Slot(), Slot("dead"), Slot("dead")), "no quorum answers"),
        (view(Slot(), Slot(), Slot("dead")), "i-3 is not well"),
        (view(Slot(), Slot(), Slot("synced")), "i-3 catches up"),
        (view(Slot(), Slot(), Slot(), Slot("unstarted", "Pending:Wait")), "i-4 come or go"),
        (view(Slot(), Slot(), Slot(instance="Terminating:Wait")), "i-3 come or go"),
        (view(Slot(), Slot(), Slot(instance="Terminating:Proceed")), "i-3 come or go"),
        (view(Slot(), Slot(), Slot(behind=MAX_LAG + 1)), "i-3 is behind the leader"),
        (view(Slot(), Slot(), Slot(), leader=None), "no leader on which they agree"),
    ],
)
def test_what_is_not_settled_is(seen, told):
    assert told in objection(seen, MAX_LAG)


def test_a_member_with_other_data_than_the_rest_is():
    assert "CORRUPT stands for i-2" in objection(SETTLED, MAX_LAG, {member_id(2)})


@pytest.mark.parametrize("leader", [1, 2, 3])
def test_each_member_comes_once_and_the_leader_last(leader):
    seen = view(Slot(), Slot(), Slot(), leader=leader)
    done: list[int] = []
    while following := next_member(seen, done):
        done.append(following.id)
    others = [member_id(n) for n in (1, 2, 3) if n != leader]
    assert done == [*others, member_id(leader)]


def test_when_the_leader_has_moved_to_one_that_is_done_the_old_one_is_next():
    seen = view(Slot(), Slot(), Slot(), leader=1)
    moved = view(Slot(), Slot(), Slot(), leader=2)
    done = [member_id(2), member_id(3)]
    assert next_member(seen, done).id == next_member(moved, done).id == member_id(1)


class Scene:
    """Stands for all that a defragmentation works with, and writes down what it is asked, in order."""

    def __init__(self, *, ours=True):
        self.ours = ours
        self.log = []
        self.context = OperationContext(
            group=self,
            observer=self,
            endpoints=self,
            journal=self,
            policy=POLICY,
            telemetry=Telemetry("main", stream=io.StringIO()),
            lease_seconds=30,
        )

    def defragment_one(self, done):
        return Maintenance(self.context).defragment("alice", done, self, lambda: 60.0)

    def describe(self):
        self.log.append("describe")

    def look(self, _group, _now):
        self.log.append("look")
        return SETTLED

    def renew(self):
        self.log.append("renew")
        return self.ours

    def record(self, entry):
        self.log.append(entry.action)

    def at(self, host):
        return Endpoint(host, self.log)


class Endpoint:
    """Stands for the member at an address."""

    def __init__(self, host, log):
        self.host = host
        self.log = log

    def standing_alarms(self):
        return ()

    def transfer_leadership(self, target):
        self.log.append(("transfer", target))

    def defragment(self, _timeout):
        self.log.append(("defragment", self.host))

    def status(self):
        return StatusReport(0, 0, learner=False, status=status(member_id(1)))


def test_the_lease_is_renewed_after_the_look_and_before_anything_is_done():
    scene = Scene()
    answer = scene.defragment_one({member_id(2), member_id(3)})

    assert answer["member"]["name"] == "i-1"
    assert scene.log == [
        *("describe", "look", "renew"),
        ("transfer", member_id(2)),
        ("defragment", address(1)),
        f"Defragment(member_id={member_id(1)})",
    ]


@pytest.mark.parametrize("done", [set(), {member_id(2), member_id(3)}])
def test_nothing_is_done_when_the_lease_was_lost_during_the_look(done):
    scene = Scene(ours=False)
    with pytest.raises(RefusedError, match="another run"):
        scene.defragment_one(done)

    assert scene.log == ["describe", "look", "renew"]
