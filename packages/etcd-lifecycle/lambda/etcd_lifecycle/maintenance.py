"""Gives the space of the members' databases back: compaction, defragmentation, and the alarm NOSPACE.

A member that is defragmented answers nothing meanwhile. So it is done to one at a time, while all
others are well and caught up and nobody comes or goes; the lease keeps the function from changing
anything then, and so a learner from catching up, during which a defragmentation could damage data
(mended in etcd 3.5.23 and 3.6.5). The leader comes last, and hands its leadership over first.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .etcd_answers import AlarmKind
from .etcd_errors import EtcdError, RevisionCompacted, Unreachable
from .model import NO_LEADER
from .refusal import RefusedError
from .situation import lag_behind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from .etcd import EtcdEndpoint
    from .lease import Lease
    from .model import ClusterView, Member
    from .operation_context import OperationContext

SETTLE_SECONDS: Final = 15.0
"""What is kept of a run's time for the member to catch up after its defragmentation."""

POLL_SECONDS: Final = 0.25
"""Between two looks at a member that catches up."""


class MaintenanceError(Exception):
    """A member was not defragmented in time, or is not well after it."""


def objection(view: ClusterView, max_lag: int, corrupt: Collection[int] = ()) -> str | None:
    """Why no member may be defragmented now; None if one may.

    Args:
        view: What was seen of the cluster.
        max_lag: How many log entries a voter may be behind the leader.
        corrupt: Members for which the alarm CORRUPT stands.
    """
    return next(_objections(view, max_lag, corrupt), None)


def _objections(view: ClusterView, max_lag: int, corrupt: Collection[int]) -> Iterator[str]:
    if not view.quorate:
        yield "no quorum answers"
    moving = [one.id for one in view.instances if one.state != "InService" and not one.warmed]
    if moving:
        yield f"{', '.join(moving)} come or go: wait until all instances are in service"
    if view.learner:
        yield f"{view.learner.label} catches up: wait until it is promoted"
    leader = view.leader
    if leader is None or leader.status is None:
        yield "the members have no leader on which they agree"
        return
    for voter in view.voters:
        if voter.status is None or voter.status.leader == NO_LEADER:
            yield f"{voter.label} is not well: the others must not be without an answer too"
        elif lag_behind(leader, voter) > max_lag:
            yield f"{voter.label} is behind the leader: wait until it has caught up"
        elif voter.id in corrupt:
            yield f"an alarm CORRUPT stands for {voter.label}: terminate its instance first"


def next_member(view: ClusterView, done: Collection[int]) -> Member | None:
    """The member that is next: the leader last; None when each is done."""
    leader = view.leader
    left = [voter for voter in view.voters if voter.id not in done]
    return min(left, key=lambda voter: (voter is leader, voter.id), default=None)


@dataclass(frozen=True)
class Maintenance:
    """What can be done about the members' databases.

    Attributes:
        context: What it works with.
    """

    context: OperationContext

    def compact(self, operator: str) -> dict[str, Any]:
        """Drop all revisions but the present one.

        Args:
            operator: Who asked for it.

        Returns:
            ``revision``: the one that is left, as a text.

        Raises:
            RefusedError: There is no leader that could be asked.
        """
        view = self.context.look()
        endpoint = self._leader(view)
        revision = endpoint.revision()
        try:
            endpoint.compact(revision)
        except RevisionCompacted:
            self.context.telemetry.log("INFO", f"revision {revision} is compacted already")
        self._record(f"Compact(revision={revision})", operator, "done")
        return {"revision": str(revision)}

    def defragment(
        self,
        operator: str,
        done: Collection[int],
        lease: Lease,
        seconds_left: Callable[[], float],
    ) -> dict[str, Any]:
        """Defragment one member, the next of those that are not done.

        Args:
            operator: Who asked for it.
            done: The ids of those that are done.
            lease: The lease of the cluster, which is held.
            seconds_left: How long the run may still take.

        Returns:
            ``member`` with ``id``, ``name``, ``before``, ``after`` (bytes) and ``seconds``, or None
            when each is done; ``alarmed``: the ids of members with the alarm NOSPACE. Ids are texts.

        Raises:
            RefusedError: Not now. Nothing was changed, unless the leader was moved.
            MaintenanceError: It was not done in time, or the member is not well after it.
        """
        view = self.context.look()
        alarms = self._leader(view).standing_alarms() if view.quorate else ()
        corrupt = {alarm.member_id for alarm in alarms if alarm.kind == AlarmKind.CORRUPT}
        reason = objection(view, self.context.policy.max_promotion_lag, corrupt)
        if reason is not None:
            raise RefusedError(reason)
        alarmed = [str(alarm.member_id) for alarm in alarms]
        member = next_member(view, done)
        if member is None:
            return {"member": None, "alarmed": alarmed}
        # Where services are slow, that look takes longer than the lease holds.
        if not lease.renew():
            raise RefusedError("another run took over in between: try again")
        self._move_leadership_away(view, member, done)
        seconds = self._defragment(member, lease, seconds_left)
        after = self._wait_until_well(member, seconds_left)
        before = member.status.db_size if member.status else 0
        self._record(
            f"Defragment(member_id={member.id})",
            operator,
            f"done: {before} bytes before, {after} after, in {seconds:.1f} s",
        )
        return {
            "member": {
                "id": str(member.id),
                "name": member.label,
                "before": before,
                "after": after,
                "seconds": round(seconds, 3),
            },
            "alarmed": alarmed,
        }

    def disarm(self, operator: str) -> dict[str, Any]:
        """Disarm each alarm NOSPACE; etcd raises it anew at the next write if there is no space.

        Args:
            operator: Who asked for it.

        Returns:
            ``disarmed``: the ids of the members for which one stood, as texts.

        Raises:
            RefusedError: There is no leader that could be asked.
        """
        endpoint = self._leader(self.context.look())
        ids = [one.member_id for one in endpoint.standing_alarms() if one.kind == AlarmKind.NOSPACE]
        for member_id in ids:
            endpoint.disarm(member_id, AlarmKind.NOSPACE)
        told = ", ".join(str(member_id) for member_id in ids)
        # Where none stands, a run that died may have disarmed it before it could write that down.
        outcome = "done" if ids else "already done: no alarm NOSPACE stands"
        self._record(f"Disarm(alarm=NOSPACE, member_ids=[{told}])", operator, outcome)
        return {"disarmed": [str(member_id) for member_id in ids]}

    def _leader(self, view: ClusterView) -> EtcdEndpoint:
        if view.leader is None:
            raise RefusedError("no quorum answers, or it has no leader just now")
        return self.context.endpoints.at(view.leader.host)

    def _move_leadership_away(
        self, view: ClusterView, member: Member, done: Collection[int]
    ) -> None:
        """Have a member that is done lead; every voter is well and caught up by now."""
        if member is not view.leader:
            return
        heirs = [voter for voter in view.voters if voter.id in done]
        if heirs:
            self.context.endpoints.at(member.host).transfer_leadership(heirs[0].id)

    def _defragment(
        self,
        member: Member,
        lease: Lease,
        seconds_left: Callable[[], float],
    ) -> float:
        """Defragment a member, and keep the lease meanwhile.

        Returns:
            How many seconds it took.
        """
        timeout = seconds_left() - SETTLE_SECONDS
        if timeout <= 0:
            raise RefusedError("this run has no time left for a member: ask again")
        endpoint = self.context.endpoints.at(member.host)
        started = self.context.clock()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(endpoint.defragment, timeout)
            while not wait([running], self.context.lease_seconds / 3).done:
                if not lease.renew():
                    self.context.telemetry.log(
                        "WARNING", "the lease was lost during a defragmentation"
                    )
        try:
            running.result()
        except Unreachable as error:
            raise MaintenanceError(
                f"{member.label} did not end its defragmentation within {timeout:.0f} s ({error}); "
                "it goes on by itself; give the function a longer timeout"
            ) from error
        return self.context.clock() - started

    def _wait_until_well(self, member: Member, seconds_left: Callable[[], float]) -> int:
        """Wait until a member follows a leader and has applied what it has, and return its size."""
        while True:
            why = "it has no leader"
            try:
                status = self.context.endpoints.at(member.host).status().status
                lag = status.raft_index - status.applied_index
                if status.leader != NO_LEADER and lag <= self.context.policy.max_promotion_lag:
                    return status.db_size
            except EtcdError as error:
                why = str(error)
            if seconds_left() < POLL_SECONDS:
                raise MaintenanceError(f"{member.label} is not well after it: {why}")
            self.context.sleep(POLL_SECONDS)

    def _record(self, action: str, operator: str, outcome: str) -> None:
        reason = f"{operator} asked for it"
        self.context.telemetry.log("INFO", f"{action}: {outcome}", reason=reason)
        self.context.record(action, reason, outcome)
