"""What is remembered of a view, since no service tells for how long it has been so."""

import pytest
from cluster_views import GONE, NOW, Slot, instance_id, member_id, view
from etcd_lifecycle.journal import Records
from etcd_lifecycle.observe import _waiting


@pytest.mark.parametrize(
    ("slot", "instance_waits", "member_waits"),
    [
        (Slot(), False, False),
        (Slot("dead"), False, False),
        (Slot(instance="Terminating:Wait"), True, False),
        (Slot("dead", GONE), False, True),
        (Slot(None, "Pending:Wait"), True, False),
        (Slot("unstarted", "Pending:Wait"), True, True),
        # From when it was added until its instance serves, a vote makes no difference.
        (Slot("healthy", "Pending:Wait"), True, True),
        (Slot("silent", "InService"), False, True),
    ],
)
def test_what_waits_is_what_a_deadline_counts_for(slot, instance_waits, member_waits):
    waiting = _waiting(view(Slot(), Slot(), slot), Records())

    expected = {instance_id(3): instance_waits, str(member_id(3)): member_waits}
    assert sorted(waiting) == sorted(key for key, waits in expected.items() if waits)


def test_without_a_quorum_what_is_known_of_members_still_holds():
    seen = view(Slot("dead"), Slot("dead"), Slot(instance="Terminating:Wait"))
    known = Records(first_seen={str(member_id(9)): NOW, instance_id(9): NOW})

    assert _waiting(seen, known) == [instance_id(3), str(member_id(9))]
