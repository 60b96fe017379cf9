"""Which member runs on which instance takes two attributes that agree."""

from dataclasses import replace

import pytest
from cluster_views import (
    GONE,
    Slot,
    address,
    instance_id,
    member_id,
    view,
    with_instance,
    with_member,
)
from etcd_lifecycle.identity import identify

THREE = view(Slot(), Slot(), Slot())


def numbers(identities):
    """Which instance has which member, both by their places."""
    return {
        int(key.removeprefix("i-")): one.id - member_id(0)
        for key, one in identities.members.items()
    }


def orphans(identities):
    return [one.id - member_id(0) for one in identities.orphans]


def test_a_member_belongs_to_the_instance_whose_address_and_name_it_has():
    found = identify(THREE)

    assert numbers(found) == {1: 1, 2: 2, 3: 3}
    assert found.orphans == ()
    assert found.contradictions == ()


def test_the_recorded_id_is_as_good_as_the_name():
    seen = with_member(THREE, 2, name="named-by-hand")

    assert numbers(identify(replace(seen, recorded={"i-2": member_id(2)}))) == {1: 1, 2: 2, 3: 3}


def test_the_address_alone_is_not_enough_for_a_member_that_has_started():
    found = identify(with_member(THREE, 2, name="somebody", status=None))

    assert numbers(found) == {1: 1, 3: 3}
    assert orphans(found) == [2]


def test_a_stranger_that_answers_at_the_address_of_an_instance_is_a_contradiction():
    found = identify(with_member(THREE, 2, name="somebody"))

    assert len(found.contradictions) == 1
    assert "i-2" in found.contradictions[0]


def test_the_name_of_one_instance_at_the_address_of_another_is_a_contradiction():
    found = identify(with_member(THREE, 2, name="i-3", status=None))

    assert found.contradictions != ()
    assert any("i-2" in one for one in found.contradictions)


def test_a_member_whose_name_and_address_disagree_is_a_contradiction():
    found = identify(with_member(THREE, 2, host="192.0.2.99"))

    assert numbers(found) == {1: 1, 3: 3}
    assert "by name" in found.contradictions[0]
    assert "192.0.2.99" in found.contradictions[0]


def test_a_recorded_member_at_another_address_is_a_contradiction():
    seen = with_member(THREE, 2, name="", host="192.0.2.99", status=None)
    found = identify(replace(seen, recorded={"i-2": member_id(2)}))

    assert len(found.contradictions) == 1


def test_a_learner_that_has_never_started_belongs_to_the_instance_at_its_address():
    seen = view(Slot(), Slot("unstarted", "Pending:Wait"), recorded={})

    assert numbers(identify(seen)) == {1: 1, 2: 2}


def test_a_learner_that_is_recorded_for_another_instance_is_not_adopted():
    seen = view(Slot(), Slot("unstarted", "Pending:Wait"), recorded={"i-9": member_id(2)})
    found = identify(seen)

    assert numbers(found) == {1: 1}
    assert orphans(found) == [2]
    assert found.contradictions == ()


def test_a_voter_that_has_never_started_is_not_adopted():
    seen = with_member(view(Slot(), Slot("dead"), Slot()), 2, name="")

    assert orphans(identify(seen)) == [2]


def test_a_member_whose_instance_is_not_in_the_group_is_an_orphan():
    found = identify(view(Slot(), Slot(), Slot("dead", GONE)))

    assert orphans(found) == [3]
    assert found.contradictions == ()


def test_an_instance_that_has_the_address_of_a_dead_orphan_is_not_mistaken_for_it():
    seen = view(Slot(), Slot(), Slot("dead", GONE), Slot(None, "Pending:Wait"))
    found = identify(with_instance(seen, 4, address=address(3)))

    assert instance_id(4) not in found.members
    assert orphans(found) == [3]
    assert found.contradictions == ()


def test_an_instance_whose_address_nobody_tells_has_the_member_of_its_name():
    found = identify(with_instance(THREE, 2, address=None))

    assert numbers(found) == {1: 1, 2: 2, 3: 3}
    assert found.contradictions == ()


@pytest.mark.parametrize("recorded", [{}, {"i-9": member_id(2)}])
def test_an_instance_whose_address_nobody_tells_adopts_no_learner(recorded):
    seen = view(Slot(), Slot("unstarted", GONE), Slot(None, "Pending:Wait"), recorded=recorded)
    found = identify(with_instance(seen, 3, address=None))

    assert numbers(found) == {1: 1}
    assert found.contradictions == ()
