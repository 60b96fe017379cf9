"""Which orders to remove a member are taken."""

from dataclasses import replace

import pytest
from cluster_views import NOW, Slot, view
from etcd_lifecycle.model import Override
from etcd_lifecycle.overriding import refusal

SEEN = view(Slot(), Slot("dead"), Slot())


def order(member):
    return Override(member, "alice", "because", NOW + 60)


@pytest.mark.parametrize("member", ["i-2", "102", "66"])
def test_a_member_is_named_by_its_name_or_its_id(member):
    assert refusal(SEEN, order(member)) is None


@pytest.mark.parametrize(
    ("seen", "member", "told"),
    [
        (SEEN, "i-9", "i-9 names 0 members; there are i-1 (65), i-2 (66), i-3 (67)"),
        (view(Slot()), "i-1", "the last voter"),
        (replace(SEEN, quorate=False), "i-2", "no quorum answers"),
    ],
)
def test_what_cannot_be_is_refused(seen, member, told):
    assert told in refusal(seen, order(member))


def test_a_learner_beside_the_last_voter_may_go():
    assert refusal(view(Slot(), Slot("silent")), order("i-2")) is None
