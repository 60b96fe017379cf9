"""What the wiring by hand of before tells the function, and what it cannot."""

import pytest
from etcd_lifecycle.environment import ConfigurationError
from index import settings

BEFORE = {
    "CLUSTER_NAME": "main",
    "REGION": "eu-central-1",
    "CONTROL_PLANE_ASG_NAME": "main-control-plane",
}
FOUND = {
    "QUORATE_CLUSTER": "main",
    "QUORATE_GROUP": "main-control-plane",
    "QUORATE_JOIN": "instance",
    "QUORATE_TERMINATE_HOOK": "main-etcd-cleanup",
}


def test_the_variables_of_before_are_understood():
    assert settings(BEFORE, "main") == FOUND


def test_the_functions_own_win():
    own = dict.fromkeys(FOUND, "other")

    assert settings({**BEFORE, **own}, "main") == {}


def test_a_group_that_nobody_names_is_left_to_be_missed():
    assert "QUORATE_GROUP" not in settings({}, "main")


def test_another_name_is_refused():
    with pytest.raises(ConfigurationError, match="but the code was made for 'other'"):
        settings(BEFORE, "other")


@pytest.mark.parametrize("own", [{}, {"QUORATE_TABLE": "main-etcd-members"}])
def test_the_table_of_the_members_is_refused(own):
    with pytest.raises(ConfigurationError, match="make one with the keys pk and sk"):
        settings({**BEFORE, "ETCD_TABLE_NAME": "main-etcd-members", **own}, "main")


def test_beside_a_table_of_its_own_it_may_be_named_still():
    own = {"ETCD_TABLE_NAME": "main-etcd-members", "QUORATE_TABLE": "quorate"}

    assert settings({**BEFORE, **own}, "main") == FOUND
