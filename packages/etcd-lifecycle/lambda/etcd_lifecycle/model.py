"""What is known of a cluster at one moment, and what may be done about it.

Plain values only: everything here can be built in a test by hand, compared, and printed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_LEADER = 0
"""The id that etcd uses for "no leader"; real member ids are never zero."""


class Transition(str, Enum):
    """The two moments at which an Auto Scaling group lets a lifecycle hook hold an instance."""

    LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
    TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"


class HookResult(str, Enum):
    """How a lifecycle action is completed.

    For a terminating instance both values let the termination go on: neither is a veto (Amazon EC2
    Auto Scaling user guide, "How lifecycle hooks work").
    """

    CONTINUE = "CONTINUE"
    ABANDON = "ABANDON"


_HOOKS = {
    "Pending:Wait": (Transition.LAUNCHING,),
    "Terminating:Wait": (Transition.TERMINATING,),
    # Of an instance that is launched into the warm pool, and of one that comes back to it.
    "Warmed:Pending:Wait": (Transition.LAUNCHING, Transition.TERMINATING),
    "Warmed:Terminating:Wait": (Transition.TERMINATING,),
    # Its documentation does not tell which hook it is.
    "ReplacingRootVolume:Wait": (Transition.TERMINATING, Transition.LAUNCHING),
}
"""Which hooks may hold an instance, by its lifecycle state; the likelier one first."""


@dataclass(frozen=True)
class Instance:
    """An instance of the group, as Auto Scaling and EC2 describe it.

    Attributes:
        id: The EC2 instance id, which is also the etcd name of its member, unless the instance's own
            tooling gives it another.
        state: The lifecycle state, for example ``Pending:Wait`` or ``InService``.
        address: The private IPv4 address; None while EC2 does not tell one.
        zone: The Availability Zone.
    """

    id: str
    state: str
    address: str | None
    zone: str = ""

    @property
    def launch_waits(self) -> bool:
        """Whether a launch hook holds the instance."""
        return self.state == "Pending:Wait"

    @property
    def termination_waits(self) -> bool:
        """Whether a terminate hook holds the instance, which goes when it is completed."""
        return self.state == "Terminating:Wait"

    @property
    def warmed(self) -> bool:
        """Whether it belongs to the warm pool, where it may be stopped at any time."""
        return self.state.startswith("Warmed:")

    @property
    def retained(self) -> bool:
        """Whether it was to end, and is kept until somebody terminates it."""
        return self.state.endswith(":Retained")

    @property
    def leaving(self) -> bool:
        """Whether the instance is on its way out of service, held by a hook or not."""
        return self.state.startswith("Terminat") or self.warmed

    @property
    def kept(self) -> bool:
        """Whether it is on its way out, but stays until this or that is called."""
        return self.leaving and (self.held is not None or self.retained)

    @property
    def replaces_root(self) -> bool:
        """Whether its root volume is replaced, by which its processes end and start again."""
        return self.state.startswith("ReplacingRootVolume")

    @property
    def hooks(self) -> tuple[Transition, ...]:
        """The hooks of which one may hold the instance; none if no hook does."""
        return _HOOKS.get(self.state, ())

    @property
    def held(self) -> Transition | None:
        """The transition at which a hook holds the instance, if one does."""
        return next(iter(self.hooks), None)


class NoticeKind(str, Enum):
    """What EC2 says of an instance before it takes it away."""

    INTERRUPTION = "EC2 Spot Instance Interruption Warning"
    """It is taken in about two minutes, whatever a hook holds."""

    REBALANCE = "EC2 Instance Rebalance Recommendation"
    """It is more likely than others to be interrupted."""


@dataclass(frozen=True)
class Notice:
    """What EC2 said of an instance, and when that was heard.

    Attributes:
        kind: What it said.
        time: When, in seconds since the epoch.
    """

    kind: NoticeKind
    time: float


@dataclass(frozen=True)
class Override:
    """An operator's order to remove a member that the guard would keep.

    etcd's own refusal stands, and so does the last voter. It holds for one member, once.

    Attributes:
        member: The name of the member, or its id in decimal or hexadecimal.
        operator: Who gave the order.
        reason: Why.
        expires: Until when it holds, in seconds since the epoch.
    """

    member: str
    operator: str
    reason: str
    expires: float

    def names(self, member: Member) -> bool:
        """Whether it is about this member."""
        return self.member in {member.name, str(member.id), f"{member.id:x}"}


@dataclass(frozen=True)
class MemberStatus:
    """What a member says of itself (``/v3/maintenance/status``).

    Attributes:
        leader: The id of the member that it takes for the leader; `NO_LEADER` for none.
        raft_term: The term that it is in.
        raft_index: The last index that it knows to be committed.
        applied_index: The last index that it has applied.
        version: The version of etcd, for example ``3.6.16``.
        db_size: Bytes that the database takes on its disk.
        reads: Whether it answered a linearizable read; None where it was not asked.
    """

    leader: int
    raft_term: int
    raft_index: int
    applied_index: int
    version: str = ""
    db_size: int = 0
    reads: bool | None = None


@dataclass(frozen=True)
class Member:
    """A member of the etcd cluster, as the linearizable member list has it.

    Attributes:
        id: The member id (an unsigned 64-bit number; etcdctl prints it in hexadecimal).
        name: The name that it started with; empty until it has started once.
        host: The host of its first peer URL.
        peer_urls: Its peer URLs, as the list has them.
        learner: Whether it is a learner, which has no vote.
        status: Its own answer; None when it did not answer in time.
        alarmed: Whether an alarm (NOSPACE, CORRUPT) stands for it.
    """

    id: int
    name: str
    host: str
    peer_urls: tuple[str, ...] = ()
    learner: bool = False
    status: MemberStatus | None = None
    alarmed: bool = False

    @property
    def started(self) -> bool:
        """Whether it has ever started: etcd learns the name from the process itself."""
        return self.name != ""

    @property
    def answers(self) -> bool:
        """Whether it is known to take part in the cluster."""
        return self.status is not None and self.status.leader != NO_LEADER

    @property
    def healthy(self) -> bool:
        """Whether it is known to be well. Unknown counts as unhealthy, and so does an alarm."""
        return self.answers and not self.alarmed

    @property
    def label(self) -> str:
        """How a sentence names it."""
        return self.name or f"{self.id:x} at {self.host}"


@dataclass(frozen=True)
class RestoreOrder:
    """A person's order to make the cluster anew from a snapshot, as its quorum is lost.

    Attributes:
        snapshot: Where the snapshot is: ``s3://bucket/key``.
        bump_revision: How much the revision is raised, so that it never goes back for a client.
        lost_cluster_id: The etcd cluster id of the cluster whose quorum is lost.
    """

    snapshot: str
    bump_revision: int
    lost_cluster_id: int


@dataclass(frozen=True)
class Seed:
    """The record that keeps a cluster from being seeded twice.

    Attributes:
        instance_id: The instance that was chosen to bootstrap the cluster; empty when none is yet,
            after an order to make it anew.
        cluster_id: The etcd cluster id; None until the seed has answered for the first time.
        generation: How often it was ordered to make the cluster anew, or such an order taken back.
        restore: The order, until the new cluster lives.
        retired: The etcd cluster ids of those that were replaced.
    """

    instance_id: str
    cluster_id: int | None = None
    generation: int = 0
    restore: RestoreOrder | None = None
    retired: tuple[int, ...] = ()

    @property
    def created(self) -> bool:
        """Whether the cluster has existed."""
        return self.cluster_id is not None


@dataclass(frozen=True)
class StoredSnapshot:
    """A snapshot of the cluster's data that is complete and checked.

    Attributes:
        key: The key of its object in the bucket.
        revision: Everything up to this revision is in it.
        size: How many bytes it has.
        taken: When it was begun, in seconds since the epoch: it holds what was written before.
        stored: When it was complete, in seconds since the epoch.
    """

    key: str
    revision: int
    size: int
    taken: float
    stored: float


@dataclass(frozen=True)
class SnapshotFailure:
    """Why the last attempt to take a snapshot that failed did so.

    Attributes:
        time: When it failed, in seconds since the epoch.
        reason: Why, in a sentence.
    """

    time: float
    reason: str


class PreparationState(str, Enum):
    """How far the preparation of a removal is."""

    RUNNING = "running"
    """It was begun, and its end is not known."""

    DONE = "done"
    """The instance has handed over what it had to."""

    FAILED = "failed"
    """It ended without that."""


@dataclass(frozen=True)
class Preparation:
    """What was begun on an instance, or for it, before its member is removed.

    Attributes:
        begun: When, in seconds since the epoch.
        state: How far it is.
        detail: What was heard of its end, or of its failure.
        command: The id of the command that runs on the instance; empty where none was sent, or a run
            died before it was recorded.
    """

    begun: float
    state: PreparationState = PreparationState.RUNNING
    detail: str = ""
    command: str = ""


@dataclass(frozen=True)
class JoinConfiguration:
    """What an instance needs to know to start its member; handed over as an SSM parameter.

    Attributes:
        name: The member's name: the instance id.
        initial_cluster: ``name=peerURL`` pairs, comma-separated: the live member list and itself.
        initial_cluster_state: ``new`` for the seed, ``existing`` for those who join, and for the
            seed of a cluster that is made of a snapshot: without that it must not start empty.
        initial_cluster_token: Sets apart the ids of clusters with equal addresses.
        snapshot: The snapshot that the data is made of, ``s3://bucket/key``; empty for none.
        bump_revision: How much the revision of the snapshot is raised.
    """

    name: str
    initial_cluster: str
    initial_cluster_state: str
    initial_cluster_token: str
    snapshot: str = ""
    bump_revision: int = 0


@dataclass(frozen=True)
class ClusterView:
    """Everything that a decision rests on, observed at one moment.

    Attributes:
        cluster: The name of the cluster.
        desired: How many instances the group wants.
        instances: The group's instances that have not ended.
        members: The members by the linearizable list; empty when there is no quorum.
        quorate: Whether a quorum answered the linearizable list.
        cluster_id: The etcd cluster id that the answers carried; None when nobody answered.
        foreign: Addresses of instances that answered with another cluster id than the recorded one.
        silent: Why addresses that were asked gave no usable answer, by address.
        seed: The record of the bootstrap; None when the cluster was never seeded.
        first_seen: For an instance that is held or leaving, a learner, a voter whose instance is
            held at its launch, or a member without an instance: when it was first seen so, in
            seconds since the epoch; for a learner, when it last came nearer to the leader if that
            is later. Keys are instance ids and member ids (in decimal).
        recorded: Member ids that were recorded, by instance id: when members were added, or, of
            those that join by the instances' own means, when they answered there for the first time.
        joins: Instances for which the join configuration has been handed over, with its text.
        snapshot: The last snapshot that was stored; None if there is none.
        snapshot_failure: The last snapshot that failed; None if none has.
        notices: What EC2 said of instances, by their ids.
        override: What an operator ordered; None if nothing.
        removing: Ids of members whose removal was begun and has not been seen to end: etcd may still
            remove them, whatever is done meanwhile.
        retains: Whether the group keeps an instance whose terminate hook is abandoned
            (`InstanceLifecyclePolicy` with ``TerminateHookAbandon: retain``).
        preparations: What was begun before removals, by instance id.
    """

    cluster: str
    desired: int
    instances: tuple[Instance, ...] = ()
    members: tuple[Member, ...] = ()
    quorate: bool = False
    cluster_id: int | None = None
    foreign: tuple[str, ...] = ()
    silent: Mapping[str, str] = field(default_factory=dict)
    seed: Seed | None = None
    first_seen: Mapping[str, float] = field(default_factory=dict)
    recorded: Mapping[str, int] = field(default_factory=dict)
    joins: Mapping[str, JoinConfiguration] = field(default_factory=dict)
    snapshot: StoredSnapshot | None = None
    snapshot_failure: SnapshotFailure | None = None
    notices: Mapping[str, Notice] = field(default_factory=dict)
    override: Override | None = None
    removing: tuple[int, ...] = ()
    retains: bool = False
    preparations: Mapping[str, Preparation] = field(default_factory=dict)

    @property
    def voters(self) -> tuple[Member, ...]:
        """The members that vote."""
        return tuple(member for member in self.members if not member.learner)

    @property
    def learner(self) -> Member | None:
        """The one learner: etcd allows no second by default."""
        return next((member for member in self.members if member.learner), None)

    @property
    def leader(self) -> Member | None:
        """The voter that most of the voters who answered take for the leader."""
        votes: dict[int, int] = {}
        for voter in self.voters:
            if voter.status and voter.status.leader != NO_LEADER:
                votes[voter.status.leader] = votes.get(voter.status.leader, 0) + 1
        if not votes:
            return None
        elected = max(votes, key=lambda member_id: votes[member_id])
        return next((voter for voter in self.voters if voter.id == elected), None)

    def instance(self, instance_id: str) -> Instance | None:
        """The group's instance with this id, if it has one."""
        return next((one for one in self.instances if one.id == instance_id), None)


class OnSnapshotFailure(str, Enum):
    """What follows when the snapshot before a removal fails."""

    STOP = "stop"
    """The member stays, until a snapshot is stored."""

    WARN = "warn"
    """The member is removed without it."""


@dataclass(frozen=True)
class SnapshotPolicy:
    """When a snapshot of the data is taken. Times are in seconds.

    Attributes:
        before_removal: Whether one is taken before a voter is removed, or the last one let go.
        on_failure: What follows when that one fails.
        interval: How old the last one may become before another is taken; None: none is taken
            for its age alone.
        max_age: How long after it was stored a snapshot counts as the one before a removal.
        retry: How long after a failure the next attempt is made.
    """

    before_removal: bool = True
    on_failure: OnSnapshotFailure = OnSnapshotFailure.STOP
    interval: float | None = None
    max_age: float = 300
    retry: float = 300


class OnPreparationFailure(str, Enum):
    """What follows when the preparation of a removal fails, or takes too long."""

    HOLD = "hold"
    """The member stays, and it is tried again after a while."""

    PROCEED = "proceed"
    """The member is removed without it."""


@dataclass(frozen=True)
class PreparationPolicy:
    """What is done before a member is removed whose instance goes. Times are in seconds.

    Attributes:
        timeout: How long it may take.
        on_failure: What follows when it fails.
        retry: How long after its time is over the next attempt is made, where the removal waits.
    """

    timeout: float
    on_failure: OnPreparationFailure = OnPreparationFailure.HOLD
    retry: float = 300


class AtDeadline(str, Enum):
    """What follows when a healthy member that must go has waited too long for its replacement."""

    PROCEED = "proceed"
    """It is removed without one, if the guard allows it."""

    HOLD = "hold"
    """It waits on, for as long as Auto Scaling lets a hook hold an instance: the smaller of 48
    hours and 100 times the hook's time-out."""

    RETAIN = "retain"
    """Its hook is abandoned, and the group keeps the instance in ``Terminating:Retained``, where it
    counts no longer, so that a replacement is launched. A group that retains nothing holds it."""


class Join(str, Enum):
    """Who brings a new instance's member in."""

    LEARNER = "learner"
    """The function adds it as a learner, tells the instance how to start it, and promotes it."""

    INSTANCE = "instance"
    """The instance's own tooling, kubeadm say, adds and promotes it, and names it as it likes."""


@dataclass(frozen=True)
class Policy:
    """What is a choice rather than a rule of safety. Times are in seconds.

    Attributes:
        replacement_deadline: How long a healthy member that must go waits for its replacement.
        at_deadline: What follows then.
        launch_deadline: How long a launching instance has to become a voter that answers, from
            when its member was added, or last came nearer to the leader; then its launch is
            abandoned and Auto Scaling launches another. It waits for its turn at most so long for
            each instance that the group wants, and once more.
        stale_grace: How long a member without an instance must have been seen dead before it is
            removed.
        max_promotion_lag: How many log entries a learner may be behind the leader when it is
            promoted. etcd itself accepts 10 % of the whole log.
        max_transfer_lag: How many log entries a voter may be behind the leader when it is to lead
            next, unless nobody is nearer and it cannot be waited for. A leader that has 5,000 entries
            left to apply refuses every write (``maxGapBetweenApplyAndCommitIndex`` in etcd's
            ``v3_server.go``), and others wait for all of them. Half of that leaves as much again for
            what is written between the look and the transfer, and is more than the members' answers,
            which are not of one moment, differ by: 2,500 entries are 250 ms of 10,000 writes a second.
            The 90 % at which etcd promotes a learner is no such bound: of a log that is long it is
            any number.
        peer_scheme: ``http`` or ``https``.
        peer_port: The port at which members reach each other.
        unheld_grace: How long an instance may be ``Terminating`` before no hook is thought to hold
            it any more: it is so for a moment before its hook.
        notice_lifetime: How long after EC2 gave notice of an instance it is reckoned with.
        snapshots: When a snapshot is taken; None: never.
        join: Who brings a new instance's member in.
        preparation: What is done before a member is removed; None: nothing.
    """

    replacement_deadline: float = 3600
    at_deadline: AtDeadline = AtDeadline.PROCEED
    launch_deadline: float = 1800
    stale_grace: float = 300
    max_promotion_lag: int = 1000
    max_transfer_lag: int = 2500
    peer_scheme: str = "http"
    peer_port: int = 2380
    unheld_grace: float = 10
    notice_lifetime: float = 1800
    snapshots: SnapshotPolicy | None = None
    join: Join = Join.LEARNER
    preparation: PreparationPolicy | None = None

    def peer_url(self, address: str) -> str:
        """The peer URL of a member at this address."""
        return f"{self.peer_scheme}://{address}:{self.peer_port}"


# What may be done. Each is one side effect, or one group of side effects that ends the same however
# often and wherever it is interrupted.


@dataclass(frozen=True)
class SeedCluster:
    """Record which instance bootstraps the cluster: the record comes before anything else."""

    instance_id: str
    replaces: Seed | None = None


@dataclass(frozen=True)
class HandOverJoin:
    """Give an instance the configuration with which it starts its member."""

    instance_id: str
    join: JoinConfiguration


@dataclass(frozen=True)
class RecordCluster:
    """Record the etcd cluster id: from now on the cluster is never seeded again."""

    instance_id: str
    cluster_id: int


@dataclass(frozen=True)
class AddLearner:
    """Add the instance's member as a learner."""

    instance_id: str
    address: str


@dataclass(frozen=True)
class Promote:
    """Make a learner that is in sync a voter."""

    member_id: int


@dataclass(frozen=True)
class TransferLeadership:
    """Move the leadership to another voter."""

    leader_id: int
    target_id: int


@dataclass(frozen=True)
class TakeSnapshot:
    """Store a snapshot of the data, as this member has it."""

    member_id: int


@dataclass(frozen=True)
class PrepareRemoval:
    """Have an instance hand over what else it does, before its member is removed."""

    instance_id: str
    member_id: int


@dataclass(frozen=True)
class RemoveMember:
    """Remove a member from the cluster."""

    member_id: int


@dataclass(frozen=True)
class CompleteHook:
    """Complete the lifecycle action that holds an instance."""

    instance_id: str
    transition: Transition
    result: HookResult


@dataclass(frozen=True)
class TerminateRetained:
    """Terminate an instance that is retained, and replaced, and has no member any more."""

    instance_id: str


@dataclass(frozen=True)
class Wait:
    """Do nothing now.

    Attributes:
        soon: Whether it is worth looking again within this invocation: a learner is catching up, or
            a leader is moving. Otherwise the next event or the next tick of the schedule goes on.
    """

    soon: bool = False


@dataclass(frozen=True)
class Stop:
    """Do nothing, and call a person: something is not as it can be by itself."""


Action: TypeAlias = (
    SeedCluster
    | HandOverJoin
    | RecordCluster
    | AddLearner
    | Promote
    | TransferLeadership
    | TakeSnapshot
    | PrepareRemoval
    | RemoveMember
    | CompleteHook
    | TerminateRetained
    | Wait
    | Stop
)


@dataclass(frozen=True)
class Decision:
    """One action, and why.

    Attributes:
        action: What to do now.
        reason: Why, in a sentence.
        arithmetic: The numbers behind it: voters, healthy, leaving, quorum.
    """

    action: Action
    reason: str
    arithmetic: str
