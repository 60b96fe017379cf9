"""The rules that every single decision keeps, told anew from the rules and not from the planner."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cluster_views import NOW
from etcd_lifecycle.model import (
    AddLearner,
    CompleteHook,
    HandOverJoin,
    HookResult,
    Join,
    NoticeKind,
    OnPreparationFailure,
    OnSnapshotFailure,
    PreparationState,
    PrepareRemoval,
    Promote,
    RemoveMember,
    SeedCluster,
    TakeSnapshot,
    TransferLeadership,
    Transition,
    Wait,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etcd_lifecycle.model import Action, ClusterView, Decision, Instance, Member, Policy


def violations(
    view: ClusterView, decision: Decision, policy: Policy, now: float = NOW
) -> list[str]:
    """What is wrong with a decision, in sentences; nothing if it keeps all rules."""
    rules = _violations(view, decision, policy, now)
    if policy.join is Join.INSTANCE:
        rules = _own_join(view, decision, policy, now)
    return [
        *rules,
        *_snapshots(view, decision, policy, now),
        *_preparations(view, decision, policy, now),
    ]


def _own_join(view: ClusterView, decision: Decision, policy: Policy, now: float) -> Iterator[str]:
    """What is different where the instances' own tooling adds members and promotes them."""
    action = decision.action
    if isinstance(action, (AddLearner, Promote, HandOverJoin, SeedCluster)):
        yield "what the instance's own tooling does"
        return
    victim = _by_id(view, action.member_id) if isinstance(action, RemoveMember) else None
    awaited = [one for one in view.members if one.learner and _waits(view, one, policy, now)]
    if victim in awaited:
        yield "the removal of a learner that its instance may be about to promote"
    # A learner on whom nobody waits (any more) is as good as none.
    settled = decision.reason.startswith("settled")
    members = (
        view.members if awaited or settled else (*view.voters, *[victim] * (victim is not None))
    )
    seen = replace(view, members=tuple(dict.fromkeys(members)))
    yield from _violations(seen, decision, policy, now)


def _waits(view: ClusterView, learner: Member, policy: Policy, now: float) -> bool:
    """Whether a learner has time left to be promoted, by the tooling of an instance that stays."""
    one = owner(view, learner)
    age = now - view.first_seen.get(str(learner.id), now)
    if one is None:
        return age <= (policy.stale_grace if learner.status is None else policy.launch_deadline)
    return stays(view, learner) and age <= policy.launch_deadline


def _preparations(
    view: ClusterView, decision: Decision, policy: Policy, now: float
) -> Iterator[str]:
    """Who is asked to hand over, and who goes without having done so."""
    action = decision.action
    if isinstance(action, PrepareRemoval):
        yield from _prepare(view, action, policy, now)
        return
    victim = _who_goes_by(view, action)
    one = owner(view, victim) if victim else None
    if policy.preparation is None or victim is None or one is None or not _is_asked(view, victim):
        return
    known = view.preparations.get(one.id)
    if known and known.state is PreparationState.DONE:
        return
    if policy.preparation.on_failure is OnPreparationFailure.HOLD:
        yield "a voter goes that has not handed over"
    elif known is None:
        yield "a voter goes that was not asked to hand over"
    elif known.state is PreparationState.RUNNING and now - known.begun < policy.preparation.timeout:
        yield "a voter goes while it hands over"


def _who_goes_by(view: ClusterView, action: Action) -> Member | None:
    if isinstance(action, RemoveMember):
        return _by_id(view, action.member_id)
    if isinstance(action, TransferLeadership):
        return _by_id(view, action.leader_id)
    ends = isinstance(action, CompleteHook) and action.result is HookResult.CONTINUE
    if ends and action.transition is Transition.TERMINATING:
        return member_of(view, action.instance_id)
    return None


def _is_asked(view: ClusterView, victim: Member) -> bool:
    """Whether it can hand over: a voter that answers, on an instance that goes and is held."""
    one = owner(view, victim)
    return (
        not victim.learner
        and victim.status is not None
        and one is not None
        and one.leaving
        and held(view, victim)
        and one.id not in view.notices
    )


def _prepare(
    view: ClusterView, action: PrepareRemoval, policy: Policy, now: float
) -> Iterator[str]:
    one, member = view.instance(action.instance_id), _by_id(view, action.member_id)
    if policy.preparation is None:
        yield "a preparation that nobody asked for"
        return
    if one is None or member is None or member_of(view, one.id) != member or member.learner:
        yield "a preparation for a removal of no voter, or of another instance's"
        return
    if member.status is None or not held(view, member) or not one.leaving:
        yield "somebody is to hand over who cannot, or need not"
    known = view.preparations.get(one.id)
    if known and known.state is PreparationState.DONE:
        yield "somebody is to hand over a second time"
    running = [
        key
        for key, other in view.preparations.items()
        if other.state is PreparationState.RUNNING
        and now - other.begun < policy.preparation.timeout
        and (other.command or key != one.id)
        and (each := member_of(view, key))
        and each.status
        and not stays(view, each)
    ]
    if running:
        yield "two hand over at the same time, or one twice"


def _snapshots(view: ClusterView, decision: Decision, policy: Policy, now: float) -> Iterator[str]:
    """What is done with the data at risk, and without a snapshot of it."""
    action = decision.action
    if isinstance(action, TakeSnapshot):
        source = _by_id(view, action.member_id)
        if source is None or source.learner or source.status is None:
            yield "a snapshot from somebody who is no voter that answers"
        if policy.snapshots is None:
            yield "a snapshot that nobody asked for"
        return
    victim = _by_id(view, action.member_id) if isinstance(action, RemoveMember) else None
    ends = (
        isinstance(action, CompleteHook)
        and action.transition is Transition.TERMINATING
        and member_of(view, action.instance_id) is not None
    )
    if policy.snapshots is None or not policy.snapshots.before_removal:
        return
    if not ends and (victim is None or victim.learner):
        return
    if view.snapshot and now - view.snapshot.stored <= policy.snapshots.max_age:
        return
    if policy.snapshots.on_failure is OnSnapshotFailure.STOP:
        yield "a voter goes without a snapshot"
    elif view.snapshot_failure is None and any(voter.healthy for voter in view.voters):
        yield "a voter goes without an attempt at a snapshot"


def _violations(view: ClusterView, decision: Decision, policy: Policy, now: float) -> Iterator[str]:
    if not decision.reason.strip() or not decision.arithmetic.strip():
        yield "a decision does not explain itself"
    action = decision.action
    membership = isinstance(action, (AddLearner, Promote, TransferLeadership, RemoveMember))
    if membership and not (view.quorate and view.leader):
        yield "a change without a quorum and a leader"
    match action:
        case AddLearner():
            yield from _add(view, action)
        case Promote():
            yield from _promote(view, action, policy)
        case TransferLeadership():
            yield from _transfer(view, action)
            yield from _near(view, action, policy, now)
        case RemoveMember():
            yield from _remove(view, action)
        case CompleteHook():
            yield from _complete(view, action)
        case HandOverJoin():
            yield from _hand_over(view, action)
        case Wait() if decision.reason.startswith("settled"):
            yield from _settled(view)


def owner(view: ClusterView, member: Member) -> Instance | None:
    """The instance of a member; views of these tests hold no contradictions."""
    return next((one for one in view.instances if one.address == member.host), None)


def member_of(view: ClusterView, instance_id: str) -> Member | None:
    one = view.instance(instance_id)
    return next((each for each in view.members if one and each.host == one.address), None)


def noticed(view: ClusterView, one: Instance) -> bool:
    """Whether EC2 has said that it takes the instance."""
    notice = view.notices.get(one.id)
    return notice is not None and notice.kind is NoticeKind.INTERRUPTION


def stays(view: ClusterView, member: Member) -> bool:
    one = owner(view, member)
    return one is not None and not one.leaving and not noticed(view, one)


def held(view: ClusterView, member: Member) -> bool:
    """Whether it is there until somebody lets it go."""
    one = owner(view, member)
    if one is None or noticed(view, one):
        return False
    return not one.leaving or one.state in {"Terminating:Wait", "Terminating:Retained"}


def ending(view: ClusterView, member: Member) -> bool:
    """Whether it answers, and will end by itself."""
    one = owner(view, member)
    if member.status is None or one is None:
        return False
    return one.state == "Terminating:Proceed" or noticed(view, one)


def lasts(view: ClusterView, member: Member) -> bool:
    """Whether it answers, and will do so."""
    return member.status is not None and not ending(view, member)


def lost_otherwise(view: ClusterView) -> bool:
    """Whether the quorum ends with those that end, unless they are removed before."""
    return sum(lasts(view, one) for one in view.voters) <= len(view.voters) // 2


def _by_id(view: ClusterView, member_id: int) -> Member | None:
    return next((one for one in view.members if one.id == member_id), None)


def _add(view: ClusterView, action: AddLearner) -> Iterator[str]:
    one = view.instance(action.instance_id)
    if view.learner:
        yield "a second learner"
    if one is None or one.state != "Pending:Wait" or one.address != action.address:
        yield "a learner for an instance that no launch hook holds"
    if any(each.host == action.address for each in view.members):
        yield "a learner at an address that a member has"
    if not all(voter.healthy for voter in view.voters):
        yield "an addition while a voter is unwell: that lowers what the cluster survives"


def _promote(view: ClusterView, action: Promote, policy: Policy) -> Iterator[str]:
    learner = _by_id(view, action.member_id)
    if learner is None or not learner.learner or not learner.healthy or learner.status is None:
        yield "a promotion of something else than a healthy learner"
        return
    leader = view.leader
    end = leader.status.raft_index if leader and leader.status else 0
    if end - learner.status.applied_index > policy.max_promotion_lag:
        yield "a promotion of a learner that lags"
    if not stays(view, learner):
        yield "a promotion of a learner that goes"


def _transfer(view: ClusterView, action: TransferLeadership) -> Iterator[str]:
    leader, target = _by_id(view, action.leader_id), _by_id(view, action.target_id)
    if leader is None or view.leader is None or leader.id != view.leader.id:
        yield "a transfer from somebody who does not lead"
    elif stays(view, leader) and not ((one := owner(view, leader)) and one.replaces_root):
        yield "a transfer from a leader that stays"
    if target is None or target.learner or target.status is None:
        yield "a transfer to something else than a voter that answers"
    elif leader and ending(view, leader):
        if ending(view, target):
            yield "a transfer from one that ends to another"
    elif not target.healthy or not stays(view, target):
        yield "a transfer to something else than a healthy voter that stays"
    urgent = leader and (
        ending(view, leader) or ((one := owner(view, leader)) and one.replaces_root)
    )
    if view.learner and not urgent and not lost_otherwise(view):
        yield "a second change while a learner is on its way in"


def _near(
    view: ClusterView, action: TransferLeadership, policy: Policy, now: float
) -> Iterator[str]:
    """Nobody leads next who has much left to apply, unless there is nobody else and no time."""
    leader, target = _by_id(view, action.leader_id), _by_id(view, action.target_id)
    if leader is None or target is None or not _lags(leader, target, policy):
        return
    if any(
        voter.healthy and _keeps_running(view, voter) and not _lags(leader, voter, policy)
        for voter in view.voters
        if voter.id != leader.id
    ):
        yield "a transfer to a voter that is far behind, while another is near"
    one = owner(view, leader)
    if one and held(view, leader) and now - view.first_seen[one.id] <= policy.replacement_deadline:
        yield "a transfer to a voter that is far behind, while there is time"


def _keeps_running(view: ClusterView, voter: Member) -> bool:
    one = owner(view, voter)
    return stays(view, voter) and one is not None and not one.replaces_root


def _lags(leader: Member, voter: Member, policy: Policy) -> bool:
    if leader.status is None or voter.status is None:
        return False
    return leader.status.raft_index - voter.status.applied_index > policy.max_transfer_lag


def _remove(view: ClusterView, action: RemoveMember) -> Iterator[str]:
    victim = _by_id(view, action.member_id)
    if victim is None:
        yield "a removal of nobody"
        return
    if victim.learner:
        return
    if view.learner and not lost_otherwise(view):
        yield "a removal of a voter while a learner is on its way in"
    if stays(view, victim):
        yield "a removal of a voter whose instance stays"
    if view.leader and victim.id == view.leader.id and victim.healthy:
        yield "a removal of a healthy leader that was not moved first"
    removing = [one for one in view.voters if one.id in view.removing and one.id != victim.id]
    for late in (frozenset[int](), *({one.id} for one in removing)):
        gone = {victim.id, *late}
        yield from _guard(view, victim, [one for one in view.voters if one.id not in gone])


def _guard(view: ClusterView, victim: Member, remaining: list[Member]) -> Iterator[str]:
    majority = len(remaining) // 2 + 1
    if lost_otherwise(view) and (victim.status is None or ending(view, victim)):
        if sum(voter.status is not None for voter in remaining) < majority:
            yield "a removal that leaves no majority of voters that answer"
        return
    if victim.status is None:  # it takes no vote with it
        if sum(lasts(view, voter) for voter in remaining) < majority:
            yield "a removal of a dead one that leaves no majority of voters that last"
        return
    alive = [one for one in remaining if one.healthy]
    if sum(held(view, voter) for voter in alive) < majority:
        yield "a removal that leaves no healthy majority of voters that are held"
    shrinking = len(view.voters) > view.desired
    if victim.healthy and not shrinking and sum(stays(view, one) for one in alive) < majority:
        yield "a removal that leaves no healthy majority of voters that stay"


def _complete(view: ClusterView, action: CompleteHook) -> Iterator[str]:
    one = view.instance(action.instance_id)
    member = member_of(view, action.instance_id)
    if one is None or one.held is not action.transition:
        yield "a completion of a hook that holds nothing"
    elif one.replaces_root:
        yield from _replace_root(view, action, member)
    elif one.warmed:
        if member or action.result is not HookResult.CONTINUE:
            yield "an instance that may go to the warm pool with its member"
    elif action.transition is Transition.TERMINATING:
        if action.result is not HookResult.CONTINUE:
            yield "ABANDON of a termination"
        last = view.desired == 0 and len(view.members) == 1
        if member and not last:
            yield "an instance that may go with its member"
    else:
        yield from _launch(action, member)


def _launch(action: CompleteHook, member: Member | None) -> Iterator[str]:
    if action.result is HookResult.CONTINUE:
        if member is None or member.learner or not member.healthy:
            yield "a launch that ends before the member is a healthy voter"
        elif member.status is None or member.status.reads is not True:
            yield "a launch that ends before the member answers a linearizable read"
    elif member and (member.learner or member.status is not None):
        # A voter that died is removed when its instance goes: dead first.
        yield "an abandoned launch whose member is left behind"


def _replace_root(view: ClusterView, action: CompleteHook, member: Member | None) -> Iterator[str]:
    if action.result is not HookResult.CONTINUE:
        yield "ABANDON of a new root volume"
    if member is None or member.learner or member.status is None:
        return
    others = [voter for voter in view.voters if voter.id != member.id]
    if len(others) < 2 and all(one.healthy and stays(view, one) for one in others):
        return  # there is no other way
    if view.leader and view.leader.id == member.id:
        yield "a root volume replaced under the leader"
    if sum(one.healthy and stays(view, one) for one in others) <= len(view.voters) // 2:
        yield "a root volume replaced without a majority meanwhile"


def _hand_over(view: ClusterView, action: HandOverJoin) -> Iterator[str]:
    one = view.instance(action.instance_id)
    if one is None or one.state != "Pending:Wait":
        yield "a join configuration for an instance that no launch hook holds"
    if action.join.name != action.instance_id:
        yield "a join configuration for another instance"


def _settled(view: ClusterView) -> Iterator[str]:
    if any(one.held for one in view.instances):
        yield "settled, and yet a hook holds an instance"
    if view.learner:
        yield "settled, and yet there is a learner"
    if not all(voter.healthy for voter in view.voters):
        yield "settled, and yet a voter is unwell"
