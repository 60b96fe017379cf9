"""What is remembered of a view, since no service tells for how long it has been so."""

import pytest
from cluster_views import GONE, NOW, POLICY, Slot, instance_id, member_id, view
from etcd_lifecycle.etcd_answers import MemberList, StatusReport
from etcd_lifecycle.journal import Records
from etcd_lifecycle.observe import (
    PROGRESS_SECONDS,
    REMOVAL_SECONDS,
    Observer,
    _waiting,
    progress,
    under_way,
)


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


@pytest.mark.parametrize(
    ("kind", "age", "reckoned"),
    [
        ("healthy", REMOVAL_SECONDS - 1, True),
        ("healthy", REMOVAL_SECONDS + 1, False),
        # It may hang, and hold the request.
        ("dead", 100 * REMOVAL_SECONDS, True),
    ],
)
def test_a_removal_without_an_outcome_is_reckoned_with_while_it_may_come(kind, age, reckoned):
    begun = Records(removing=frozenset({member_id(2), member_id(9)}), removing_since=NOW - age)
    seen = view(Slot(), Slot(), Slot(kind))

    assert under_way(seen, begun, NOW) == ((member_id(2),) if reckoned else ())


class Surroundings:
    """The journal, the join parameters and the members' endpoints, which show a view."""

    def __init__(self, shown, records):
        self.shown = shown
        self.records = records
        self.progress = []
        self.complaints = {}
        self.alarmed = frozenset()
        self.asked_for_alarms = 0

    def load(self):
        return self.records

    def first_seen(self, keys, now, known):
        return {key: known.get(key, now) for key in keys}

    def record_progress(self, key, now, lag):
        self.progress.append((key, now, lag))

    def read(self, _):
        return {}

    def know(self, _):
        """Addresses are enough."""

    def keep(self, _):
        """No endpoint is kept."""

    def statuses(self, asked):
        return {address: self.at(address).status() for address in asked}

    def at(self, address):
        return Endpoint(self, next(one for one in self.shown.members if one.host == address))


class Endpoint:
    """One member of a view."""

    def __init__(self, around, member):
        self.around = around
        self.member = member

    def status(self, **_):
        one = self.member
        complaints = self.around.complaints.get(one.id, ())
        return StatusReport(
            self.around.shown.cluster_id, one.id, one.learner, one.status, complaints
        )

    def member_list(self, **_):
        shown = self.around.shown
        return MemberList(shown.cluster_id, self.member.id, shown.members)

    def alarms(self):
        self.around.asked_for_alarms += 1
        return self.around.alarmed


def observed(shown, records, **options):
    around = Surroundings(shown, records)
    return look(around, **options), around


def look(around, **options):
    observer = Observer("main", None, around, around, around)
    shown = around.shown
    return observer.observe(shown.desired, shown.instances, NOW, **options)


BEHIND = POLICY.max_promotion_lag + 1
LEARNER = str(member_id(2))
LAGS = view(Slot(), Slot("lagging", "Pending:Wait"))


@pytest.mark.parametrize(
    ("least", "nearer"),
    [(None, True), (BEHIND + 1, True), (BEHIND, False), (BEHIND - 1, False)],
)
def test_a_learner_progresses_when_it_was_never_as_near_to_the_leader(least, nearer):
    records = Records(lags={} if least is None else {LEARNER: least})

    assert progress(LAGS, records) == ((LEARNER, BEHIND) if nearer else None)


@pytest.mark.parametrize(
    "seen",
    [
        view(Slot(), Slot()),
        view(Slot(), Slot("silent", "Pending:Wait")),
        view(Slot(), Slot("lagging", "Pending:Wait"), leader=None),
        view(Slot("dead"), Slot(), Slot(), Slot("lagging", "Pending:Wait"), leader=1),
    ],
)
def test_without_a_learner_and_a_leader_that_answer_there_is_no_progress(seen):
    assert progress(seen, Records()) is None


def waiting_for(seconds, **records):
    return Records(seed=LAGS.seed, first_seen={LEARNER: NOW - seconds}, **records)


def test_the_time_of_a_learner_starts_anew_when_it_comes_nearer():
    records = waiting_for(PROGRESS_SECONDS, lags={LEARNER: BEHIND + 1})
    seen, around = observed(LAGS, records)

    assert seen.first_seen[LEARNER] == NOW
    assert around.progress == [(LEARNER, NOW, BEHIND)]


def test_whoever_only_looks_sees_that_and_records_nothing():
    records = waiting_for(PROGRESS_SECONDS, lags={LEARNER: BEHIND + 1})
    seen, around = observed(LAGS, records, remember=False)

    assert seen.first_seen[LEARNER] == NOW
    assert around.progress == []


@pytest.mark.parametrize(
    ("seconds", "least"), [(PROGRESS_SECONDS - 0.1, BEHIND + 1), (PROGRESS_SECONDS, BEHIND)]
)
def test_otherwise_its_time_goes_on(seconds, least):
    seen, around = observed(LAGS, waiting_for(seconds, lags={LEARNER: least}))

    assert seen.first_seen[LEARNER] == NOW - seconds
    assert around.progress == []


THREE = view(Slot(), Slot(), Slot())


def test_alarms_are_not_asked_for_while_no_member_complains():
    around = Surroundings(THREE, Records(seed=THREE.seed))

    assert all(member.healthy for member in look(around).members)
    assert around.asked_for_alarms == 0


@pytest.mark.parametrize("who", [1, 3])
def test_alarms_are_asked_for_when_any_member_complains(who):
    around = Surroundings(THREE, Records(seed=THREE.seed))
    around.complaints = {member_id(who): ("memberID:102 alarm:NOSPACE ",)}
    around.alarmed = frozenset({member_id(2)})

    alarmed = [member.id for member in look(around).members if member.alarmed]
    assert alarmed == [member_id(2)]
    assert around.asked_for_alarms == 1
