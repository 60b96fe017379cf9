"""What a view tells of trouble."""

from dataclasses import replace

import pytest
from cluster_views import GONE, NOW, POLICY, Slot, member_id, view
from etcd_lifecycle.model import SnapshotPolicy, StoredSnapshot
from etcd_lifecycle.vitals import take_vitals

SETTLED = view(Slot(), Slot(), Slot())
BACKED_UP = replace(POLICY, snapshots=SnapshotPolicy())
SNAPSHOT = StoredSnapshot("key", 42, 1000, taken=NOW - 61, stored=NOW - 60)


def vitals(seen, policy=POLICY):
    return take_vitals(seen, policy, NOW)


def test_there_is_no_trouble_in_a_settled_cluster():
    assert vitals(SETTLED).oldest_learner == 0
    assert vitals(SETTLED).refusals == 0


def test_a_learner_is_as_old_as_it_was_first_seen():
    joins = view(Slot(), Slot("lagging", "Pending:Wait"))
    seen = replace(joins, first_seen={str(member_id(2)): NOW - 90})
    assert vitals(seen).oldest_learner == 90


def test_an_instance_that_waits_is_no_learner():
    seen = replace(view(Slot(), Slot(None, "Pending:Wait")), first_seen={"i-2": NOW - 90})
    assert vitals(seen).oldest_learner == 0


@pytest.mark.parametrize(
    ("slots", "refusals"),
    [
        # A healthy majority remains.
        ([Slot(), Slot(), Slot(instance="Terminating:Wait")], 0),
        ([Slot(), Slot(), Slot("dead", GONE)], 0),
        # One of two others is dead.
        ([Slot(), Slot("dead"), Slot(instance="Terminating:Wait")], 1),
        # Without a quorum nobody can be removed, which is another trouble.
        ([Slot(), Slot("dead", GONE), Slot("dead", GONE)], 0),
        # Two go at once, and are held: each is counted on while the other one goes.
        ([Slot(), Slot(instance="Terminating:Wait"), Slot(instance="Terminating:Wait")], 0),
        # The last one is let go when no member is wanted any more.
        ([Slot(instance="Terminating:Wait")], 0),
    ],
)
def test_who_cannot_be_removed_safely_is_counted(slots, refusals):
    assert vitals(view(*slots)).refusals == refusals


@pytest.mark.parametrize(
    ("slots", "unwell"),
    [
        ([Slot(), Slot(), Slot()], 0),
        ([Slot(), Slot(), Slot("dead")], 1),
        ([Slot(), Slot(), Slot("alarmed")], 1),
        ([Slot(), Slot(), Slot("dead", "Pending:Wait")], 1),
        # Something is done about these.
        ([Slot(), Slot(), Slot("dead", "Terminating:Wait")], 0),
        ([Slot(), Slot(), Slot("dead", GONE)], 0),
        ([Slot(), Slot(), Slot("silent", "Pending:Wait")], 0),
    ],
)
def test_voters_that_nothing_is_done_about_are_counted(slots, unwell):
    assert vitals(view(*slots)).unwell == unwell


def test_the_last_snapshot_has_an_age_where_snapshots_are_wanted():
    seen = replace(SETTLED, snapshot=SNAPSHOT)
    assert vitals(seen, BACKED_UP).snapshot_age == 60
    assert vitals(seen).snapshot_age is None
    assert vitals(SETTLED, BACKED_UP).snapshot_age is None
