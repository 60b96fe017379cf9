"""Every state of a small cluster, and what becomes of it, until nothing changes any more.

A state is a set of places in no order, since members are interchangeable: what holds for one order
holds for all. A place holds a member, an instance, or both. From each state the planner decides, and
the decision has its effect, or is refused, or has it later; when there is nothing to do, what
happens by itself happens: instances end, boot and are launched, time passes. When even that changes
nothing, a person does what the planner's sentences ask of one, and no more.

Where instances bring their own members in, their tooling adds and promotes them among what happens by
itself, and between a look and the action that was decided on it, too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Final, NamedTuple

import cluster_rules as rules
from cluster_views import CLUSTER_ID, GONE, LEARNERS, NOW, POLICY, Slot, instance_id, member_id
from cluster_views import instance as make_instance
from cluster_views import member as make_member
from etcd_lifecycle.model import (
    AddLearner,
    ClusterView,
    CompleteHook,
    HandOverJoin,
    HookResult,
    Join,
    Notice,
    NoticeKind,
    Promote,
    RemoveMember,
    Seed,
    Stop,
    TransferLeadership,
    Transition,
    Wait,
)
from etcd_lifecycle.plan import join_configuration, plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from etcd_lifecycle.model import Action, Decision, Instance, Member, Policy

OWN_JOIN: Final = replace(POLICY, join=Join.INSTANCE)
"""The policy of a cluster whose instances bring their own members in."""

MOST_WANTED = 5
"""How many instances the group wants at most."""

AGES = (
    0.0,
    POLICY.stale_grace + 1,
    POLICY.launch_deadline + 1,
    max(POLICY.replacement_deadline, POLICY.launch_deadline * (MOST_WANTED + 1)) + 1,
)
"""For how long something has waited, at each level: nothing is over, one more deadline, all are."""

UNTOLD, TOLD, TOLD_BEFORE = range(3)
"""Whether an instance knows how to join: never, as the cluster is, or as it was before."""

INTERRUPTED = "interrupted"
"""In service, and EC2 has said that it takes the instance."""

SERVING = "InService"
LAUNCHES = "Pending:Wait"
HELD = "Terminating:Wait"
ENDS = "Terminating:Proceed"
ROOT_WAITS = "ReplacingRootVolume:Wait"

VOTERS = ("healthy", "dead", "alarmed", "unnamed", "hung", "behind")
ANSWERING = frozenset({"healthy", "alarmed", "behind"})
CONNECTED = ANSWERING | {"hung"}
"""Voters that etcd itself counts as there, when it is asked to add or to remove a member."""
FAR = Slot(behind=POLICY.max_transfer_lag + 1)
FINDS_OUT = frozenset({ENDS, INTERRUPTED})
STAYS = frozenset({SERVING, LAUNCHES, ROOT_WAITS})
"""Instances that count for what the group wants."""


class Place(NamedTuple):
    """A member and its instance, of which one may be absent.

    Attributes:
        member: As in `cluster_views.Slot`, and one of

            * ``unnamed``: a voter that never started;
            * ``hung``: a voter that answers nothing, like a dead one, and whose connections stand, as
              after SIGSTOP (for more than 20 s on etcd 3.5): etcd counts on it, so that nothing but
              the guard keeps the quorum; and it may be well again at any moment;
            * ``behind``: a voter that is well and never catches up with the leader, unless it leads.
        instance: The lifecycle state, `INTERRUPTED`, or `GONE`.
        leads: Whether the member leads.
        told: Whether the instance, if its member never started, knows how to join the cluster.
        level: Which of the `AGES` it has waited for, if there is something to wait for: since its
            member was added if it has one.
        removing: Whether the removal of its member was begun, and may still come.
    """

    member: str | None
    instance: str
    leads: bool = False
    told: int = UNTOLD
    level: int = 0
    removing: bool = False

    @property
    def votes(self) -> bool:
        return self.member in VOTERS

    @property
    def answers(self) -> bool:
        """Whether it is a voter that takes part."""
        return self.member in ANSWERING

    @property
    def learns(self) -> bool:
        return self.member in LEARNERS

    @property
    def waits(self) -> bool:
        """Whether its time is counted."""
        silent = self.instance == GONE and not self.answers and self.member != "synced"
        return silent or self.learns or self.instance in {LAUNCHES, HELD, ROOT_WAITS}


State = str
"""The codes of the places, in order: small, quick to compare, and the same for every order."""

_CODES: dict[Place, str] = {}
_PLACES: dict[str, Place] = {}


def encode(places: Iterable[Place]) -> State:
    return "".join(sorted([_CODES.get(one) or _new_code(one) for one in places]))


def decode(state: State) -> list[Place]:
    return [_PLACES[one] for one in state]


def _new_code(place: Place) -> str:
    code = chr(len(_CODES) + 1)
    _CODES[place] = code
    _PLACES[code] = place
    return code


# What a planner sees


@cache
def _parts(number: int, place: Place, leader: int, *, own_names: bool) -> tuple[object, object]:
    member, instance = _by_instance(number, place, leader)
    if own_names and member and member.started:
        member = replace(member, name=f"node-{number}")
    return member, instance


def _by_instance(number: int, place: Place, leader: int) -> tuple[Member | None, Instance | None]:
    member = None
    if place.member == "unnamed":
        member = replace(make_member(number, "dead", 0), name="")
    elif place.member:
        kind = {"hung": "dead", "behind": "healthy"}.get(place.member, place.member)
        slot = FAR if place.member == "behind" else None
        member = make_member(number, kind, member_id(leader) if leader else 0, slot)
        if member.status and not member.learner:
            member = replace(member, status=replace(member.status, reads=True))
    state = SERVING if place.instance == INTERRUPTED else place.instance
    return member, None if state == GONE else make_instance(number, state)


def _is_recorded(place: Place, *, own_join: bool) -> bool:
    """Whether it is on record whose member it is: learners are added, or it has answered before."""
    if place.instance == GONE:
        return False
    return place.member not in {None, "unstarted", "unnamed"} if own_join else place.learns


def look(places: list[Place], desired: int, policy: Policy = POLICY) -> ClusterView:
    """The view of these places, each with its number from 1 on."""
    own_join = policy.join is Join.INSTANCE
    leader = next((n for n, one in enumerate(places, start=1) if one.leads), 0)
    members, instances, first_seen, recorded, notices, told = [], [], {}, {}, {}, []
    for number, place in enumerate(places, start=1):
        member, instance = _parts(number, place, leader, own_names=own_join)
        if member:
            members.append(member)
        if instance:
            instances.append(instance)
        if place.learns or place.instance in {GONE, LAUNCHES}:
            first_seen[str(member_id(number))] = NOW - AGES[place.level]
        if _is_recorded(place, own_join=own_join):
            recorded[instance_id(number)] = member_id(number)
        if instance:
            first_seen[instance_id(number)] = NOW - AGES[place.level]
        if place.instance == INTERRUPTED:
            notices[instance_id(number)] = _NOTICE
        if place.told:
            told.append((instance, place.told))
    quorate = is_quorate(places)
    seen = ClusterView(
        cluster="main",
        desired=desired,
        instances=tuple(instances),
        members=tuple(members) if quorate else (),
        quorate=quorate,
        cluster_id=CLUSTER_ID if quorate else None,
        seed=_SEED,
        first_seen=first_seen,
        recorded=recorded,
        notices=notices,
        removing=tuple(member_id(n) for n, one in enumerate(places, start=1) if one.removing),
    )
    if not told:
        return seen
    joins = {one.id: (join_configuration(seen, policy, one), how) for one, how in told}
    return replace(
        seen,
        joins={
            key: join if how == TOLD else replace(join, initial_cluster="as it was")
            for key, (join, how) in joins.items()
        },
    )


_SEED = Seed(instance_id(1), CLUSTER_ID)
_NOTICE = Notice(NoticeKind.INTERRUPTION, NOW)


def is_quorate(places: Iterable[Place]) -> bool:
    votes = [one.answers for one in places if one.votes]
    return sum(votes) > len(votes) // 2


def rescuable(places: list[Place]) -> bool:
    """Whether a person at etcdctl, quick enough, could save all data and a cluster with it.

    That takes a quorum now, and voters that last and are a majority once those that have no
    instance that may bring them back are removed, and those that end.
    """
    if not is_quorate(places):
        return False
    lasting = sum(one.answers and one.instance not in FINDS_OUT for one in places)
    rest = sum(
        one.votes
        and one.instance not in FINDS_OUT
        and (one.answers or one.instance in {SERVING, ROOT_WAITS, LAUNCHES})
        for one in places
    )
    return lasting > rest // 2


# What becomes of it


def elect(places: list[Place]) -> list[Place]:
    """The places with a leader if there is a quorum, and with none if there is none."""
    quorate = is_quorate(places)
    leaders = [n for n, one in enumerate(places) if one.leads]
    if leaders and quorate and places[leaders[0]].answers:
        return places
    chosen = min((n for n, one in enumerate(places) if one.answers), default=None)
    return _led_by(places, chosen if quorate else None)


def _led_by(places: list[Place], leader: int | None) -> list[Place]:
    """The places with this one as the leader, behind which the others are, or with none."""
    led = [one._replace(leads=n == leader) for n, one in enumerate(places)]
    if leader is not None and led[leader].member == "behind":
        led[leader] = led[leader]._replace(member="healthy")
    return led


def _died(place: Place) -> Place | None:
    """What is left of a place when its instance ends; nothing if it has no member."""
    if place.member is None:
        return None
    kind = place.member
    if place.votes and kind != "unnamed":
        kind = "dead"
    elif kind in {"synced", "lagging"}:
        kind = "silent"
    return Place(kind, GONE, removing=place.removing)


def _told_anew(places: list[Place]) -> list[Place]:
    """The members have changed: whoever was told how to join knows it no more."""
    return [one._replace(told=TOLD_BEFORE) if one.told else one for one in places]


def apply(places: list[Place], action: Action) -> list[Place] | None:  # noqa: C901, PLR0911
    """What an action makes of the places, which keep their order; None if etcd refuses it.

    A place that ends leaves one without member and instance, so that the others keep theirs.
    """
    changed = list(places)
    match action:
        case AddLearner():
            at = int(action.instance_id[2:]) - 1
            if not all(one.member in CONNECTED for one in places if one.votes):
                return None
            if any(one.learns for one in places) or places[at].member:
                return None
            changed[at] = places[at]._replace(member="unstarted", level=0)
            return _told_anew(changed)
        case HandOverJoin():
            at = int(action.instance_id[2:]) - 1
            changed[at] = places[at]._replace(told=TOLD)
            return changed
        case Promote():
            at = action.member_id - member_id(1)
            if not places[at].learns:
                return None
            changed[at] = places[at]._replace(member="healthy", level=places[at].level)
            if not changed[at].waits:
                changed[at] = changed[at]._replace(level=0)
            return _told_anew(changed)
        case TransferLeadership():
            target = action.target_id - member_id(1)
            if not places[target].answers:
                return None
            return _led_by(places, target)
        case RemoveMember():
            return _remove(places, action.member_id - member_id(1))
        case CompleteHook():
            return _complete(places, action)
    raise ValueError(action)


def _remove(places: list[Place], at: int) -> list[Place] | None:
    victim = places[at]
    if victim.member is None:
        return None
    voters = sum(one.votes for one in places)
    connected = sum(one.member in CONNECTED for one in places)
    if victim.member in CONNECTED and connected - 1 < 1 + (voters - 1) // 2:
        return None  # etcd: "unhealthy cluster"
    changed = list(places)
    started = victim.member not in {"unstarted", "unnamed"}
    told = victim.instance == LAUNCHES and (started or victim.told != UNTOLD)
    changed[at] = Place(
        None, victim.instance, told=TOLD_BEFORE if told else UNTOLD, level=victim.level
    )
    if not changed[at].waits or victim.instance == GONE:
        changed[at] = changed[at]._replace(level=0)
    return elect(_told_anew(changed))


def _removals(places: list[Place]) -> Iterator[list[Place]]:
    """What there is when one of the removals that nobody knows of is done."""
    for at, place in enumerate(places):
        done = _remove(places, at) if place.removing and is_quorate(places) else None
        if done is not None:
            yield done


def _complete(places: list[Place], action: CompleteHook) -> list[Place] | None:
    at = int(action.instance_id[2:]) - 1
    place = places[at]
    changed = list(places)
    if place.instance == ROOT_WAITS:
        changed[at] = place._replace(instance=SERVING, level=0)
    elif action.transition is Transition.LAUNCHING and action.result is HookResult.CONTINUE:
        if place.instance != LAUNCHES:
            return None
        changed[at] = place._replace(instance=SERVING, level=0)
    elif place.instance in {LAUNCHES, HELD}:
        changed[at] = _died(place) or _NOTHING
    else:
        return None
    return elect(changed)


_NOTHING = Place(None, GONE)


def _tidy(places: list[Place]) -> State:
    return encode([one for one in places if one != _NOTHING])


def wake(places: list[Place]) -> list[Place]:
    """What there is when members that hang are well again."""
    return [one._replace(member="healthy") if one.member == "hung" else one for one in places]


def join_by_own_means(places: list[Place]) -> list[Place]:
    """What the tooling of the instances does next: of each one thing, and one learner at a time."""
    if not is_quorate(places):
        return places
    connected = all(one.member in CONNECTED for one in places if one.votes)
    free = connected and not any(one.learns for one in places)
    changed = []
    for place in places:
        after = place
        if place == Place(None, LAUNCHES, level=place.level) and free:
            after, free = place._replace(member="unstarted", level=0), False
        elif place.instance in {LAUNCHES, SERVING} and place.member == "unstarted":
            after = place._replace(member="lagging", level=0)
        elif place.instance in {LAUNCHES, SERVING} and place.member == "synced":
            after = place._replace(member="healthy")
            after = after if after.waits else after._replace(level=0)
        changed.append(after)
    return changed


def happen(
    places: list[Place], desired: int, *, launches: bool, own_join: bool = False
) -> list[Place] | None:
    """What happens by itself while the planner waits; None if nothing does.

    Args:
        places: What there is.
        desired: How many instances the group wants.
        launches: Whether it manages to launch them.
        own_join: Whether the tooling of the instances joins them to the cluster.
    """
    changed, events = [], 0
    quorate = is_quorate(places)
    joined = join_by_own_means(places) if own_join else places
    for place, joining in zip(places, joined, strict=True):
        if joining != place:
            changed.append(joining)
            events += 1
            continue
        after: Place | None = place
        if place.instance in FINDS_OUT:
            after = _died(place)
        elif place.told == TOLD and place.member == "unstarted" and quorate:
            after = place._replace(member="lagging", told=UNTOLD, level=0)
        elif place.member == "lagging" and quorate and place.instance in {LAUNCHES, SERVING}:
            after = place._replace(member="synced", level=0)
        events += after != place
        if after:
            changed.append(after)
    staying = [n for n, one in enumerate(changed) if one.instance in STAYS]
    if len(staying) < desired and launches:
        changed.append(Place(None, LAUNCHES))
        events += 1
    elif len(staying) > desired:
        at = min(staying, key=lambda n: (changed[n].instance != SERVING, changed[n].member or ""))
        changed[at] = changed[at]._replace(instance=HELD, told=UNTOLD, level=0)
        events += 1
    elected = elect(changed)
    if events or elected != changed:
        return elected
    hang = any(one.votes and not one.answers for one in places)
    older = [
        one._replace(
            level=one.level + (one.waits and one.level < len(AGES) - 1),
            removing=one.removing and hang,
        )
        for one in places
    ]
    return None if older == places else older


def _is_stuck(place: Place) -> bool:
    """Whether it is a learner that nobody promotes, or gives up."""
    return place.learns and place.level == len(AGES) - 1


def ask_a_person(places: list[Place]) -> list[Place] | None:
    """What somebody does who reads what the planner says; None if it asks for nothing."""
    if not is_quorate(places):
        revived = [
            one._replace(member="healthy")
            if one.member in {"dead", "alarmed", "hung"}
            and one.instance in {SERVING, LAUNCHES, HELD}
            else one
            for one in places
        ]
        return elect(revived) if is_quorate(revived) and revived != places else None
    for at, place in enumerate(places):
        after = None
        if place.member == "alarmed" and place.instance not in FINDS_OUT:
            after = place._replace(member="healthy")
        elif place.instance == SERVING and (
            place.member in {"dead", "hung", None} or _is_stuck(place)
        ):
            after = place._replace(instance=HELD, level=0)
        elif place.instance == GONE and (place.answers or place.member in {"synced", "lagging"}):
            removed = _remove(places, at)
            if removed and is_quorate(removed):
                return removed
        if after:
            return elect([after if n == at else one for n, one in enumerate(places)])
    return None


# Following every state to its end


@dataclass
class Exploration:
    """All states that were met, for one number of instances that the group wants.

    Attributes:
        desired: How many instances the group wants.
        launches: Whether the group manages to launch what it lacks.
        policy: What is a choice: `POLICY`, or `OWN_JOIN`.
        tooling: With `OWN_JOIN`, whether the instances' tooling works, or hangs.
        undone: Of up to how many members something else may happen after an action that was not done,
            before another is decided on.
        ends: How each state ends: `SETTLED`, `WAITS`, `LOST` or `LIVELOCK`.
        wrong: What broke a rule or a property, in sentences.
        actions: How often each kind of action was chosen.
        late: How many changes were applied late.
        count: How many states there were, once `finish` has let go of them.
        totals: How many of them ended in which way.
    """

    desired: int
    launches: bool = True
    policy: Policy = POLICY
    tooling: bool = True
    undone: int = MOST_WANTED
    ends: dict[State, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    actions: Counter[str] = field(default_factory=Counter)
    late: int = 0
    count: int = 0
    totals: Counter[str] = field(default_factory=Counter)

    @property
    def own_join(self) -> bool:
        """Whether instances are joined by their own tooling."""
        return self.policy.join is Join.INSTANCE and self.tooling

    def _plan(self, places: list[Place]) -> Decision:
        return plan(look(places, self.desired, self.policy), self.policy, NOW)

    def _happen(self, places: list[Place]) -> list[Place] | None:
        return happen(places, self.desired, launches=self.launches, own_join=self.own_join)

    def finish(self) -> None:
        """Count the states and forget them, so that the rest can go to another process."""
        self.count, self.totals = len(self.ends), Counter(self.ends.values())
        self.ends = {}

    def follow(self, start: State) -> None:
        """Follow a state to its end, and those in which something comes late."""
        pending = [start]
        while pending:
            state = pending.pop()
            if state not in self.ends:
                self._follow_one(state, pending)

    def _follow_one(self, start: State, pending: list[State]) -> None:
        path: list[State] = []
        place_in_path: dict[State, int] = {}
        asked = 0
        state: State = start
        while state not in self.ends:
            if state in place_in_path:
                # It goes in a circle; a person who sees it does what is asked for.
                circle = path[place_in_path[state] :]
                asked += 1
                helped = [one for each in circle if (one := ask_a_person(decode(each)))]
                if not helped or asked > MOST_ASKED:
                    end = LIVELOCK
                    # Instances whose tooling hangs are given up and launched anew for ever.
                    if self.tooling:
                        self._complain(state, "it goes in a circle", circle)
                    break
                state = _tidy(helped[0])
                continue
            place_in_path[state] = len(path)
            path.append(state)
            after = self._step(state, pending)
            if after is None:
                end = self._classify(state)
                break
            state = after
        else:
            end = self.ends[state]
        for one in path:
            self.ends[one] = end
            self._judge(one, end, path)

    def _step(self, state: State, pending: list[State]) -> State | None:
        places = decode(state)
        self._come_at_last(places, pending)
        seen = look(places, self.desired, self.policy)
        decision = plan(seen, self.policy, NOW)
        action = decision.action
        self.actions[type(action).__name__] += 1
        if broken := rules.violations(seen, decision, self.policy):
            self._complain(state, "; ".join(broken), [], decision)
        after = None
        if not isinstance(action, (Wait, Stop)):
            after = apply(places, action)
        if after is None:
            return self._wait(places)
        reached = _tidy(after)
        if self.desired and is_quorate(places) and not is_quorate(after):
            self._complain(state, "the action costs the quorum", [], decision)
        if reached == state:
            self._complain(state, "the action has no effect", [], decision)
            return self._wait(places)
        self._go_undone(places, action, pending)
        self._come_late(places, action, pending)
        self._come_meanwhile(places, decision, pending)
        return reached

    def _come_meanwhile(
        self, places: list[Place], decision: Decision, pending: list[State]
    ) -> None:
        """Between the look and the action the tooling does something, or members wake up.

        Or a removal of which nobody has heard comes.
        """
        joined = join_by_own_means(places) if self.own_join else places
        for between in (joined, wake(places), *_removals(places)):
            done = apply(between, decision.action) if between != places else None
            if done is None:
                continue
            self.late += 1
            if self.desired and is_quorate(between) and not is_quorate(done):
                self._complain(_tidy(places), "the action costs the quorum", [], decision)
            pending.append(_tidy(done))

    def _come_late(self, places: list[Place], action: Action, pending: list[State]) -> None:
        """The action's outcome is unknown, the planner does something else, and then it is done.

        Removals may be done later still: see `_go_undone`.
        """
        if not isinstance(action, (AddLearner, Promote, TransferLeadership)):
            return
        between = self._happen(places)
        if between is None or len(between) < len(places):
            return  # places have moved: the state without the action is met by itself
        decision = self._plan(between)
        if isinstance(decision.action, (Wait, Stop)):
            other: list[Place] | None = between
        else:
            other = apply(between, decision.action)
        done = apply(other, action) if other else None
        if done is None or other is None:
            return
        self.late += 1
        if self.desired and is_quorate(other) and not is_quorate(done):
            self._complain(
                _tidy(places), f"{action}, late after {decision.action}, costs the quorum", []
            )
        pending.append(_tidy(done))

    def _go_undone(self, places: list[Place], action: Action, pending: list[State]) -> None:
        """The action is not done: refused, or a removal whose outcome is unknown.

        That may be done at any time, or never. Meanwhile something happens by itself.
        """
        undone = [places]
        if isinstance(action, RemoveMember):
            at = action.member_id - member_id(1)
            begun = [one._replace(removing=one.removing or n == at) for n, one in enumerate(places)]
            undone.append(begun)
            pending.append(_tidy(begun))
        if sum(one.member is not None for one in places) <= self.undone:
            pending += [_tidy(between) for each in undone if (between := self._happen(each))]

    def _come_at_last(self, places: list[Place], pending: list[State]) -> None:
        """A removal of which nobody has heard is done now."""
        for done in _removals(places):
            self.late += 1
            if self.desired and is_quorate(places) and not is_quorate(done):
                self._complain(_tidy(places), "a removal that comes late costs the quorum", [])
            pending.append(_tidy(done))

    def _wait(self, places: list[Place]) -> State | None:
        after = self._happen(places) or ask_a_person(places)
        return None if after is None else _tidy(after)

    def _classify(self, state: State) -> str:
        places = decode(state)
        if not is_quorate(places):
            return LOST
        decision = self._plan(places)
        as_wanted = sum(one.votes for one in places) == self.desired
        return SETTLED if decision.reason.startswith("settled") and as_wanted else WAITS

    def _judge(self, state: State, end: str, path: list[State]) -> None:
        """From wherever a person could save the cluster, it is saved."""
        places = decode(state)
        if self.desired == 0 or not rescuable(places):
            return
        joins = self.launches and self.tooling
        if end == LOST or (end != SETTLED and joins):
            self._complain(state, f"a person could save it, but it ends {end}", path)

    def _complain(
        self, state: State, what: str, path: list[State], decision: Decision | None = None
    ) -> None:
        if len(self.wrong) >= MOST_COMPLAINTS:
            return
        lines = [f"desired {self.desired}, launches {self.launches}: {what}", _told(state)]
        if decision:
            lines.append(f"{decision.action}: {decision.reason} ({decision.arithmetic})")
        for one in path[path.index(state) if state in path else 0 :][:20]:
            chosen = self._plan(decode(one))
            lines.append(f"  {_told(one)}\n    {chosen.action}: {chosen.reason}")
        self.wrong.append("\n".join(lines))


SETTLED, WAITS, LOST, LIVELOCK = "settled", "waits", "lost", "livelock"
MOST_ASKED = 20
MOST_COMPLAINTS = 20


def _told(state: State) -> str:
    return " | ".join(
        f"{one.member or '-'}@{one.instance}"
        + ("*" if one.leads else "")
        + ("", " told", " told before")[one.told]
        + (f" {one.level}" if one.level else "")
        + (" removing" if one.removing else "")
        for one in decode(state)
    )


# Where it starts

STATES = (SERVING, LAUNCHES, HELD, ENDS, GONE)
RARE_STATES = (INTERRUPTED, ROOT_WAITS)

ALONE: tuple[tuple[Place, ...], ...] = (
    (),
    (Place(None, LAUNCHES),),
    (Place(None, HELD),),
    (Place(None, SERVING),),
    (Place(None, LAUNCHES), Place(None, HELD)),
)
"""Further instances that have no member."""


def starts(
    members: int, *, rare: bool, alone: Iterable[tuple[Place, ...]] = ALONE
) -> Iterator[State]:
    """Every state with a quorum of that many members, the learner included.

    Args:
        members: How many members.
        rare: Whether voters may be far behind, and instances be about to be interrupted, or have
            their root volumes replaced.
        alone: What instances without members there may be.
    """
    states = (*STATES, *RARE_STATES) if rare else STATES
    voters = [Place(kind, one) for kind in ("healthy", "dead", "alarmed") for one in states]
    voters.append(Place("unnamed", GONE))
    running = ("hung", "behind") if rare else ("hung",)
    voters += [Place(kind, one) for kind in running for one in states if one != GONE]
    learners = [Place(kind, one) for kind in LEARNERS for one in states if one != ROOT_WAITS]
    alone = tuple(alone)
    for chosen in combinations_with_replacement(voters, members):
        yield from _with_leaders(chosen, alone)
    if members > 1:
        for chosen in combinations_with_replacement(voters, members - 1):
            if is_quorate(chosen):
                for learner in learners:
                    yield from _with_leaders((*chosen, learner), alone)


def _with_leaders(
    places: tuple[Place, ...], alone: tuple[tuple[Place, ...], ...]
) -> Iterator[State]:
    if not is_quorate(places):
        return
    kinds = set()
    for at, place in enumerate(places):
        if place.answers and place.member != "behind" and place not in kinds:
            kinds.add(place)
            led = [*places]
            led[at] = place._replace(leads=True)
            for further in alone:
                yield encode([*led, *further])
