"""A view that was recorded leads to the same decision when it is read again."""

import json
import typing
from dataclasses import replace

import pytest
from cluster_views import NOW, POLICY, Slot, joined, view
from etcd_lifecycle.model import (
    Action,
    AddLearner,
    ClusterView,
    CompleteHook,
    Decision,
    HandOverJoin,
    HookResult,
    JoinConfiguration,
    Notice,
    NoticeKind,
    Override,
    Policy,
    PrepareRemoval,
    Promote,
    RecordCluster,
    RemoveMember,
    Seed,
    SeedCluster,
    SnapshotFailure,
    SnapshotPolicy,
    Stop,
    StoredSnapshot,
    TakeSnapshot,
    TerminateRetained,
    TransferLeadership,
    Transition,
    Wait,
)
from etcd_lifecycle.plan import plan
from etcd_lifecycle.view_json import (
    JsonFormatError,
    Recording,
    decision_from_json,
    decision_to_json,
    digest,
    recording_from_json,
    recording_to_json,
    view_from_json,
    view_to_json,
)

FULL = joined(
    view(
        Slot(),
        Slot("alarmed", "Terminating:Wait", waited=7),
        Slot(),
        Slot("unstarted", "Pending:Wait"),
        Slot(None, "Warmed:Stopped"),
        desired=3,
        foreign=("192.0.2.9",),
        silent={"192.0.2.8": "refused"},
        snapshot=StoredSnapshot("main/1.db", 2**63 - 1, 4096, NOW - 1, NOW),
        snapshot_failure=SnapshotFailure(NOW, "no bucket"),
        notices={"i-1": Notice(NoticeKind.INTERRUPTION, NOW)},
        override=Override("i-2", "somebody", "it is broken", NOW + 60),
        retains=True,
    ),
    4,
)

ACTIONS = [
    SeedCluster("i-1", Seed("i-9")),
    HandOverJoin("i-1", JoinConfiguration("i-1", "i-1=http://192.0.2.1:2380", "new", "main")),
    RecordCluster("i-1", 2**64 - 1),
    AddLearner("i-1", "192.0.2.1"),
    Promote(1),
    TransferLeadership(1, 2**64 - 1),
    TakeSnapshot(1),
    PrepareRemoval("i-1", 2**64 - 1),
    RemoveMember(1),
    CompleteHook("i-1", Transition.LAUNCHING, HookResult.ABANDON),
    TerminateRetained("i-1"),
    Wait(soon=True),
    Stop(),
]


def through_text(value):
    return json.loads(json.dumps(value, allow_nan=False))


@pytest.mark.parametrize("seen", [FULL, ClusterView("main", 0), view(Slot(), Slot("dead"), Slot())])
def test_a_view_comes_back_as_it_was(seen):
    assert view_from_json(through_text(view_to_json(seen))) == seen


def test_every_kind_of_action_comes_back_as_it_was():
    assert {type(one) for one in ACTIONS} == set(typing.get_args(Action))
    for action in ACTIONS:
        decision = Decision(action, "because", "1 >= 1")
        form = through_text(decision_to_json(decision))
        assert form["action"]["kind"] == type(action).__name__
        assert decision_from_json(form) == decision


def test_a_recording_decides_the_same_again():
    seen = view(Slot(), Slot(), Slot("dead", "Terminating:Wait"), desired=3)
    policy = Policy(launch_deadline=7, snapshots=SnapshotPolicy(interval=60))
    read = recording_from_json(through_text(recording_to_json(Recording(seen, policy, NOW))))

    assert (read.view, read.policy, read.now) == (seen, policy, NOW)
    assert plan(read.view, read.policy, read.now) == plan(seen, policy, NOW)


def test_ids_are_texts_so_that_no_reader_rounds_them():
    form = view_to_json(view(Slot(), cluster_id=2**64 - 1, recorded={"i-1": 2**63 + 1}))

    assert form["cluster_id"] == "18446744073709551615"
    assert form["members"][0]["id"] == "101"
    assert form["members"][0]["status"]["raft_index"] == "50000"
    assert form["recorded"] == {"i-1": "9223372036854775809"}
    assert form["desired"] == 1


def test_what_was_recorded_without_a_newer_attribute_can_be_read():
    form = view_to_json(ClusterView("main", 3))
    for name in list(form):
        if name not in {"format", "cluster", "desired"}:
            del form[name]

    assert view_from_json(form) == ClusterView("main", 3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 2}, "format is 2"),
        ({"desired": "three"}, "desired must be a whole number"),
        ({"desired": True}, "desired must be a whole number"),
        ({"desired": 1.5}, "desired must be a whole number"),
        ({"cluster": None}, "cluster must be a text, not null"),
        ({"quorate": 1}, "quorate must be true or false"),
        ({"instances": {}}, "instances must be an array"),
        ({"instances": [7]}, r"instances\[0\] must be an object"),
        ({"instances": [{"id": "i-1", "state": "x"}]}, r"instances\[0\].address is absent"),
        ({"silent": []}, "silent must be an object"),
        ({"first_seen": {"i-1": float("nan")}}, "first_seen.i-1 must be a finite number"),
        ({"first_seen": {"i-1": "1"}}, "first_seen.i-1 must be a finite number"),
        ({"weather": "fine"}, "weather is nothing that ClusterView has"),
    ],
)
def test_another_form_is_refused_and_the_error_says_where(change, told):
    with pytest.raises(JsonFormatError, match=told):
        view_from_json({**view_to_json(FULL), **change})


@pytest.mark.parametrize("value", [None, [], "text", 7])
def test_what_is_no_object_is_refused(value):
    with pytest.raises(JsonFormatError, match="the document must be an object"):
        view_from_json(value)


@pytest.mark.parametrize("absent", ["cluster", "desired"])
def test_what_has_no_default_must_be_there(absent):
    form = view_to_json(FULL)
    del form[absent]

    with pytest.raises(JsonFormatError, match=f"{absent} is absent"):
        view_from_json(form)


def test_an_unknown_action_and_an_unknown_choice_are_refused():
    form = decision_to_json(Decision(Wait(), "because", "1"))
    with pytest.raises(JsonFormatError, match=r"action.kind must be one of AddLearner, "):
        decision_from_json({**form, "action": {"kind": "Reboot"}})

    recording = recording_to_json(Recording(FULL, Policy(snapshots=SnapshotPolicy()), NOW))
    recording["policy"]["snapshots"]["on_failure"] = "shrug"
    with pytest.raises(JsonFormatError, match=r"policy.snapshots.on_failure must be one of"):
        recording_from_json(recording)


def test_the_default_policy_comes_back_as_it_was():
    form = through_text(recording_to_json(Recording(FULL, POLICY, NOW)))

    assert recording_from_json(form).policy == POLICY


def test_a_digest_tells_views_apart():
    seen = view(Slot(), Slot(), Slot("dead"))
    digests = {digest(seen), digest(replace(seen, desired=5)), digest(view(Slot()))}

    assert digest(replace(seen)) == digest(seen)
    assert len(digests) == 3
    assert all(len(one) == 16 for one in digests)
