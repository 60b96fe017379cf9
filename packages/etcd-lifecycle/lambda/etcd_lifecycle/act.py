"""Carries out one action. Each can be interrupted anywhere and asked for again.

What etcd answers to a change is one of three things: done (or done already), not now, or unknown.
None of them is remembered here: the next look at the cluster tells what is true.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from .etcd import (
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
from .model import (
    AddLearner,
    CompleteHook,
    HandOverJoin,
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
    from .auto_scaling import AutoScalingGroup
    from .etcd import EtcdEndpoint, EtcdEndpoints
    from .join import JoinParameters
    from .journal import Journal
    from .model import Action, ClusterView, Policy


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
        joins: JoinParameters,
        endpoints: EtcdEndpoints,
        policy: Policy,
    ) -> None:
        """Take what is to be changed.

        Args:
            group: The Auto Scaling group whose instances are the members.
            journal: Where the seed and member ids are recorded.
            joins: Where join configurations are handed over.
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
                self._joins.hand_over(action.instance_id, action.join)
            case AddLearner():
                member = self._voter(view).add_learner(self._policy.peer_url(action.address))
                self._journal.record_member(action.instance_id, member.id)
            case Promote():
                self._voter(view).promote(action.member_id)
            case TransferLeadership():
                leader = next(one for one in view.voters if one.id == action.leader_id)
                self._endpoints.at(leader.host).transfer_leadership(action.target_id)
            case RemoveMember():
                self._voter(view, other_than=action.member_id).remove(action.member_id)
            case CompleteHook():
                return self._complete(action, view)
            case TerminateRetained():
                return self._terminate(action)
            case Wait() | Stop() | TakeSnapshot():
                # Snapshots are taken by `Snapshots`, which needs to know of the run's time.
                raise ValueError(f"{type(action).__name__} is nothing to carry out here")
        return DONE

    def _seed(self, action: SeedCluster) -> Outcome:
        if self._journal.create_seed(action.instance_id, action.replaces):
            return DONE
        return Outcome(Result.NOT_NOW, "another instance was recorded in between")

    def _record(self, action: RecordCluster, view: ClusterView) -> Outcome:
        # A cluster that was there before us has no record to complete.
        if view.seed is None and not self._journal.create_seed(action.instance_id):
            return Outcome(Result.NOT_NOW, "another instance was recorded in between")
        if self._journal.mark_created(action.instance_id, action.cluster_id):
            return DONE
        return Outcome(Result.NOT_NOW, "the record was changed in between")

    def _complete(self, action: CompleteHook, view: ClusterView) -> Outcome:
        instance = view.instance(action.instance_id)
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

    def _voter(self, view: ClusterView, *, other_than: int = 0) -> EtcdEndpoint:
        """A voter to ask for a change: the leader if it may be, which forwards to nobody.

        One that is well if there is such a one; with an alarm it can still change the membership.
        """
        answering = [voter for voter in view.voters if voter.status and voter.id != other_than]
        if not answering:
            raise EtcdError(None, "no voter answers that could be asked")
        leader = view.leader.id if view.leader else 0
        chosen = max(answering, key=lambda voter: (voter.healthy, voter.id == leader))
        return self._endpoints.at(chosen.host)
