"""When a recovery is refused, and what an order to recover makes of the cluster."""

import io
from dataclasses import replace
from types import SimpleNamespace

import pytest
from cluster_views import (
    CLUSTER_ID,
    NOW,
    POLICY,
    Slot,
    address,
    instance,
    instance_id,
    joined,
    status,
    view,
)
from etcd_lifecycle.etcd_answers import StatusReport
from etcd_lifecycle.etcd_errors import Refused
from etcd_lifecycle.journal import Records
from etcd_lifecycle.model import (
    NO_LEADER,
    CompleteHook,
    HandOverJoin,
    HookResult,
    JoinConfiguration,
    RecordCluster,
    RestoreOrder,
    Seed,
    SeedCluster,
    Stop,
    Transition,
    Wait,
)
from etcd_lifecycle.observe import Answers, without_retired
from etcd_lifecycle.operation_context import OperationContext
from etcd_lifecycle.plan import plan
from etcd_lifecycle.recovery import MOST_BUMP, OrderRequest, Recovery, Remains, refusal
from etcd_lifecycle.refusal import RefusedError
from etcd_lifecycle.telemetry import Telemetry

LOST = 0xDEAD
NEW = 0xBEEF
ORDER = RestoreOrder("s3://backups/main/1.db", 1000, LOST)
ORDERED = Seed("", generation=1, restore=ORDER, retired=(LOST,))
LAUNCHING = Slot(None, "Pending:Wait")
OLD = Slot(None, "InService")


class TestRefusal:
    """An order is only followed when it is certain that no quorum is left."""

    SEEN = replace(view(Slot("dead"), Slot("dead"), Slot()), quorate=False)
    REMAINS = Remains(alive={address(3): 500}, ended={address(2): "refused"})
    REQUEST = OrderRequest(
        snapshot=ORDER.snapshot,
        snapshot_revision=450,
        bump_revision=1000,
        generation=0,
        operator="alice",
    )

    def test_a_lost_quorum_is_no_reason_to_refuse(self):
        assert refusal(self.SEEN, self.REMAINS, self.REQUEST) is None

    def test_nor_is_it_that_nobody_is_left(self):
        assert refusal(self.SEEN, Remains(), self.REQUEST) is None

    @pytest.mark.parametrize("changes", [{"quorate": True}, {"seed": None}, {"seed": Seed("i-1")}])
    def test_a_cluster_that_lives_or_never_lived_is(self, changes):
        assert refusal(replace(self.SEEN, **changes), self.REMAINS, self.REQUEST)

    def test_a_member_that_follows_a_leader_is(self):
        told = refusal(self.SEEN, replace(self.REMAINS, led=(address(3),)), self.REQUEST)
        assert told == f"{address(3)} follows a leader: there may be a quorum; look again"

    def test_a_member_out_of_reach_is_unless_the_person_answers_for_it(self):
        remains = replace(self.REMAINS, unknown={address(1): "no answer in time"})
        assert "(192.0.2.1: no answer in time)" in refusal(self.SEEN, remains, self.REQUEST)
        assert refusal(self.SEEN, remains, replace(self.REQUEST, unreachable_are_lost=True)) is None

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"generation": 1}, "look again"),
            ({"bump_revision": 50}, "it was 500 at least"),
            ({"bump_revision": MOST_BUMP + 1}, "must be raised by 1 to"),
            ({"snapshot": "https://backups/1.db"}, "no address of an object"),
            ({"snapshot": "s3://backups/it's.db"}, "copy it to another"),
        ],
    )
    def test_an_order_that_does_not_fit_is(self, changes, told):
        assert told in refusal(self.SEEN, self.REMAINS, replace(self.REQUEST, **changes))

    def test_an_order_that_stands_is_replaced_by_another(self):
        seen = replace(self.SEEN, seed=ORDERED)
        assert refusal(seen, self.REMAINS, replace(self.REQUEST, generation=1)) is None


class Book:
    """Stands for the journal and for what is remembered; notes what is written, in its order."""

    def __init__(self, seed, *, takes=True):
        self.seed = seed
        self.takes = takes
        self.written = []

    def load(self):
        return Records(seed=self.seed)

    def record(self, entry):
        self.written.append(entry.outcome)

    def order_recovery(self, *_):
        return self._change("the order")

    def cancel_recovery(self, *_):
        return self._change("no order")

    def _change(self, what):
        if self.takes:
            self.written.append(what)
        return self.takes


class TestJournal:
    """Whatever becomes of an order, the journal tells who gave it."""

    @staticmethod
    def recovery(book):
        def refuses():
            raise Refused(None, "nothing listens")

        seen = replace(TestRefusal.SEEN, seed=book.seed)
        return Recovery(
            OperationContext(
                group=SimpleNamespace(describe=lambda: None),
                observer=SimpleNamespace(look=lambda *_: seen),
                endpoints=SimpleNamespace(at=lambda _: SimpleNamespace(status=refuses)),
                journal=book,
                policy=POLICY,
                telemetry=Telemetry("main", stream=io.StringIO()),
                lease_seconds=30,
                sleep=lambda _: None,
            )
        )

    @staticmethod
    def lease(*, held=True):
        return SimpleNamespace(renew=lambda: held)

    def test_an_order_is_told_before_a_run_that_dies_can_leave_it_behind(self):
        book = Book(TestRefusal.SEEN.seed)
        self.recovery(book).order(TestRefusal.REQUEST, self.lease())
        assert book.written == ["ordered", "the order"]

    @pytest.mark.parametrize(
        ("takes", "held", "told"),
        [(False, True, "changed in between"), (True, False, "another run took over")],
    )
    def test_so_is_that_nothing_came_of_it(self, takes, held, told):
        book = Book(TestRefusal.SEEN.seed, takes=takes)
        with pytest.raises(RefusedError, match=told):
            self.recovery(book).order(TestRefusal.REQUEST, self.lease(held=held))
        assert book.written == ["ordered", "refused"]

    def test_an_order_that_is_not_safe_is_not_told(self):
        book = Book(TestRefusal.SEEN.seed)
        request = replace(TestRefusal.REQUEST, generation=1)
        with pytest.raises(RefusedError, match="look again"):
            self.recovery(book).order(request, self.lease())
        assert book.written == []

    def test_that_it_is_taken_back_is_told_before_as_well(self):
        book = Book(ORDERED)
        self.recovery(book).cancel("alice")
        assert book.written == ["taken back", "no order"]

    def test_unless_it_stands_on_that_is_told_too(self):
        book = Book(ORDERED, takes=False)
        with pytest.raises(RefusedError, match="changed in between"):
            self.recovery(book).cancel("alice")
        assert book.written == ["taken back", "refused"]


def decide(seen):
    return plan(seen, POLICY, NOW)


def ordered(*slots, **changes):
    changes = {"seed": ORDERED, "quorate": False, "cluster_id": None, **changes}
    return view(*slots, leader=None, **changes)


class TestPlan:
    """What follows from an order."""

    JOIN = JoinConfiguration(
        "i-2", "i-2=http://192.0.2.2:2380", "existing", "main@1", ORDER.snapshot, 1000
    )

    def test_an_instance_at_its_launch_is_chosen_although_old_ones_are_in_service(self):
        decision = decide(ordered(OLD, LAUNCHING))
        assert decision.action == SeedCluster("i-2", replaces=ORDERED)
        assert "with the data of s3://backups/main/1.db" in decision.reason

    def test_it_starts_with_the_snapshot_and_must_not_start_empty(self):
        seen = ordered(OLD, LAUNCHING, seed=replace(ORDERED, instance_id="i-2"))
        assert decide(seen).action == HandOverJoin("i-2", self.JOIN)

    def test_one_that_was_told_to_join_the_lost_cluster_is_given_up(self):
        join = replace(self.JOIN, initial_cluster_token="main", snapshot="", bump_revision=0)
        seen = ordered(OLD, LAUNCHING, joins={"i-2": join})
        assert decide(seen).action == CompleteHook("i-2", Transition.LAUNCHING, HookResult.ABANDON)

    def test_without_one_the_plan_says_whom_to_terminate(self):
        decision = decide(ordered(OLD, OLD))
        assert decision.action == Wait()
        assert "terminate i-1, i-2" in decision.reason

    def test_an_old_instance_that_goes_is_let_go(self):
        decision = decide(ordered(Slot(None, "Terminating:Wait"), LAUNCHING))
        assert decision.action == CompleteHook("i-1", Transition.TERMINATING, HookResult.CONTINUE)

    def test_the_new_cluster_is_recorded_once_its_first_member_answers(self):
        seed = replace(ORDERED, instance_id="i-1")
        seen = view(Slot(instance="Pending:Wait"), seed=seed, cluster_id=NEW)
        assert decide(seen).action == RecordCluster("i-1", NEW)

    def test_no_other_cluster_is(self):
        seen = view(Slot(instance="InService"), LAUNCHING, seed=ORDERED, cluster_id=NEW)
        assert decide(seen).action == SeedCluster("i-2", replaces=ORDERED)

    def test_afterwards_others_join_with_the_new_token(self):
        seed = Seed("i-1", CLUSTER_ID, generation=1, retired=(LOST,))
        seen = view(Slot(), Slot("unstarted", "Pending:Wait"), seed=seed)
        join = decide(seen).action.join
        assert (join.initial_cluster_token, join.snapshot) == ("main@1", "")

    def test_a_voter_with_an_old_token_stays(self):
        seen = joined(view(Slot(), Slot(), Slot(instance="Pending:Wait", reads=True)), 3)
        seed = Seed("i-1", CLUSTER_ID, generation=2)
        assert decide(replace(seen, seed=seed)).action == CompleteHook(
            "i-3", Transition.LAUNCHING, HookResult.CONTINUE
        )


class TestRetired:
    """What answers for a cluster that was replaced."""

    SEED = Seed("i-1", NEW, generation=1, retired=(LOST,))

    @staticmethod
    def answers(leader=NO_LEADER):
        def report(cluster_id, leader):
            return StatusReport(cluster_id, 7, learner=False, status=status(leader))

        return Answers({address(1): report(NEW, 7), address(2): report(LOST, leader)}, {})

    def test_is_set_apart_and_named(self):
        left, risen = without_retired(self.answers(), self.SEED, [instance(1), instance(2)])
        assert list(left.reports) == [address(1)]
        assert left.silent == {
            address(2): "it belongs to the cluster dead, which a recovery replaces: terminate its "
            "instance"
        }
        assert risen == ()

    def test_with_its_quorum_back_it_is_a_reason_to_stop(self):
        left, risen = without_retired(self.answers(9), self.SEED, [instance(1), instance(2)])
        assert risen == (address(2),)
        assert "recover --cancel" in left.silent[address(2)]
        seen = view(Slot(), foreign=risen)
        assert decide(seen).action == Stop()

    def test_but_not_if_it_is_going_anyhow(self):
        going = [instance(1), instance(2, "Terminating:Wait")]
        assert without_retired(self.answers(9), self.SEED, going)[1] == ()

    def test_of_a_cluster_that_was_never_replaced_there_is_none(self):
        answers = self.answers()
        seed = Seed(instance_id(1), NEW)
        assert without_retired(answers, seed, [instance(1)]) == (answers, ())
        assert without_retired(answers, None, [instance(1)]) == (answers, ())
