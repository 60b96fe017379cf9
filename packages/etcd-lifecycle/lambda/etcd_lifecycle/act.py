"""Carries out one action. Each can be interrupted anywhere and asked for again.

What etcd answers to a change is one of three things: done (or done already), not now, or unknown.
None of them is remembered here: the next look at the cluster tells what is true.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from .etcd_errors import (
    AskedLearner,
    BadTransferee,
    EtcdError,
    LeaderChanged,
    LearnerNotReady,
    MemberNotFound,
    NoQuorum,
    NotALearner,
    NotEnoughStarted,
    NotLeader,
    OutcomeUnknown,
    PeerUrlExists,
    RecentlyRemoved,
    TooManyLearners,
    Unhealthy,
    Unreachable,
)
from .identity import identify
from .model import (
    AddLearner,
    CompleteHook,
    HandOverJoin,
    PrepareRemoval,
    Promote,
    RecordCluster,
    RemoveMember,
    SeedCluster,
    Stop,
    TakeSnapshot,
    TerminateRetained,
    TransferLeadership,
    Transition,
    Wait,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .auto_scaling import AutoScalingGroup
    from .etcd import EtcdEndpoint
    from .etcd_access import EtcdAccess
    from .join import JoinParameters
    from .journal import Journal
    from .model import Action, ClusterView, Policy


T = TypeVar("T")


class Result(str, Enum):
    """What became of an action."""

    DONE = "done"
    """It is so now."""

    ALREADY = "already done"
    """It was so before, perhaps by an attempt whose answer was lost."""

    NOT_NOW = "refused for now"
    """Nothing was changed; what stands in the way goes away by itself."""

    FAILED = "failed"
    """Nothing was changed, and it is recorded: the plan says what follows."""

    UNKNOWN = "unknown"
    """It may be so now, or later: look before anything else."""


@dataclass(frozen=True)
class Outcome:
    """The result of an action, with what was said about it."""

    result: Result
    detail: str = ""

    def __str__(self) -> str:
        """The result and the detail, for a log."""
        return f"{self.result.value}: {self.detail}" if self.detail else self.result.value


DONE = Outcome(Result.DONE)

_ALREADY = (MemberNotFound, NotALearner, PeerUrlExists)
_NOT_NOW = (
    AskedLearner,
    BadTransferee,
    LeaderChanged,
    LearnerNotReady,
    NoQuorum,
    NotEnoughStarted,
    NotLeader,
    RecentlyRemoved,
    TooManyLearners,
    Unhealthy,
    Unreachable,
)


class Actor:
    """Everything that can be changed."""

    def __init__(
        self,
        group: AutoScalingGroup,
        journal: Journal,
        joins: JoinParameters | None,
        endpoints: EtcdAccess,
        policy: Policy,
    ) -> None:
        """Take what is to be changed.

        Args:
            group: The Auto Scaling group whose instances are the members.
            journal: Where the seed and member ids are recorded.
            joins: Where join configurations are handed over; None where instances join by their own
                means.
            endpoints: The way to a member by its address.
            policy: Tells the peer URLs of members.
        """
        self._group = group
        self._journal = journal
        self._joins = joins
        self._endpoints = endpoints
        self._policy = policy

    def act(self, action: Action, view: ClusterView) -> Outcome:
        """Carry out an action.

        Args:
            action: What to do.
            view: The view that it was decided on.

        Returns:
            What became of it.

        Raises:
            EtcdError: etcd answered something that no waiting mends.
            CircuitOpenError: A service of AWS is not asked now.
            botocore.exceptions.ClientError: A service of AWS refused.
        """
        try:
            return self._act(action, view)
        except _ALREADY as error:
            return Outcome(Result.ALREADY, str(error))
        except OutcomeUnknown as error:
            return Outcome(Result.UNKNOWN, str(error))
        except _NOT_NOW as error:
            return Outcome(Result.NOT_NOW, str(error))

    def _act(self, action: Action, view: ClusterView) -> Outcome:  # noqa: C901 -- a case for each
        match action:
            case SeedCluster():
                return self._seed(action)
            case RecordCluster():
                return self._record(action, view)
            case HandOverJoin():
                self._hand_over(action, view)
            case AddLearner():
                peer_url = self._policy.peer_url(action.address)
                member = self._by_a_voter(view, lambda voter: voter.add_learner(peer_url))
                self._journal.record_member(action.instance_id, member.id)
            case Promote():
                self._by_a_voter(view, lambda voter: voter.promote(action.member_id))
            case TransferLeadership():
                leader = next(one for one in view.voters if one.id == action.leader_id)
                self._endpoints.at(leader.host).transfer_leadership(action.target_id)
            case RemoveMember():
                member_id = action.member_id
                self._by_a_voter(view, lambda voter: voter.remove(member_id), without=member_id)
            case CompleteHook():
                return self._complete(action, view)
            case TerminateRetained():
                return self._terminate(action)
            case Wait() | Stop() | TakeSnapshot() | PrepareRemoval():
                # What may take long is done by `Snapshots` and `Preparations`, who know the run's time.
                raise ValueError(f"{type(action).__name__} is nothing to carry out here")
        return DONE

    def _seed(self, action: SeedCluster) -> Outcome:
        if self._journal.create_seed(action.instance_id, action.replaces):
            return DONE
        return Outcome(Result.NOT_NOW, "another instance was recorded in between")

    def _hand_over(self, action: HandOverJoin, view: ClusterView) -> None:
        member = identify(view).members.get(action.instance_id)
        if member and view.recorded.get(action.instance_id) != member.id:
            # Whoever added it was interrupted before the record.
            self._journal.record_member(action.instance_id, member.id)
        if self._joins is None:
            raise ValueError("nothing is handed over to instances that join by their own means")
        self._joins.hand_over(action.instance_id, action.join)

    def _record(self, action: RecordCluster, view: ClusterView) -> Outcome:
        # A cluster that was there before us has no record to complete.
        if view.seed is None and not self._journal.create_seed(action.instance_id):
            return Outcome(Result.NOT_NOW, "another instance was recorded in between")
        if self._journal.mark_created(action.instance_id, action.cluster_id):
            return DONE
        return Outcome(Result.NOT_NOW, "the record was changed in between")

    def _complete(self, action: CompleteHook, view: ClusterView) -> Outcome:
        instance = view.instance(action.instance_id)
        if action.instance_id in view.preparations:
            # It may come back from the warm pool, and go once more.
            self._journal.forget_preparation(action.instance_id)
        if instance and len(instance.hooks) > 1:
            # It does not say which of our hooks holds it, and comes to no end here.
            released = [
                self._group.complete(action.instance_id, hook, action.result)
                for hook in instance.hooks
            ]
            if any(released):
                return DONE
            return Outcome(Result.ALREADY, "no hook holds the instance any longer")
        # What belongs to the instance goes first: after the hook nobody would look for it.
        if self._joins:
            self._joins.withdraw(action.instance_id)
        if action.transition is Transition.TERMINATING:
            self._journal.forget_member(action.instance_id)
        if self._group.complete(action.instance_id, action.transition, action.result):
            return DONE
        return Outcome(Result.ALREADY, "the hook no longer holds the instance")

    def _terminate(self, action: TerminateRetained) -> Outcome:
        if self._group.terminate_retained(action.instance_id):
            return DONE
        return Outcome(Result.ALREADY, "the instance is gone")

    def _by_a_voter(
        self, view: ClusterView, change: Callable[[EtcdEndpoint], T], *, without: int = 0
    ) -> T:
        """Have a voter carry out a change.

        The leader comes first, which forwards to nobody. A voter refuses a change as long as it has
        not been connected to enough others for 5 s, by what it knows itself (etcd's strict
        reconfiguration check): where the leader is new, one that has been there for longer accepts.
        A refusal of that kind has changed nothing, so that another may be asked.

        With an alarm a voter can still change the membership, but those that are well come first.
        """
        leader = view.leader.id if view.leader else 0
        voters = sorted(
            (voter for voter in view.voters if voter.status and voter.id != without),
            key=lambda voter: (not voter.healthy, voter.id != leader),
        )
        refusal: EtcdError = EtcdError(None, "no voter answers that could be asked")
        for voter in voters:
            try:
                return change(self._endpoints.at(voter.host))
            except Unhealthy as error:  # noqa: PERF203 -- the next voter may accept
                refusal = error
        raise refusal
