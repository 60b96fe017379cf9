"""When a member may be defragmented, and which one is next."""

import pytest
from cluster_views import Slot, member_id, view
from etcd_lifecycle.maintenance import next_member, objection

MAX_LAG = 1000
SETTLED = view(Slot(), Slot(), Slot())


def test_a_settled_cluster_is_no_reason_against_it():
    assert objection(SETTLED, MAX_LAG) is None


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
