"""Looks at Auto Scaling, at the record and at every member, and makes one view of it all.

Changes nothing, but for remembering what no service tells: since when an instance has been held or a
member dead, and, where instances join by their own means, which member has answered on which.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .etcd_errors import EtcdError
from .identity import identify
from .model import NO_LEADER, ClusterView, Instance, Join, Seed
from .situation import lag_behind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .auto_scaling import AutoScalingGroup, GroupDescription
    from .etcd import EtcdEndpoint
    from .etcd_access import EtcdAccess
    from .etcd_answers import MemberList, StatusReport
    from .join import JoinParameters
    from .journal import Journal, Records
    from .preparation import Preparations

PROGRESS_SECONDS = 5.0
"""How old the last progress of a learner is before another is remembered: it is polled often."""

REMOVAL_SECONDS = 60.0
"""How long a removal without an outcome is reckoned with, if every voter answers: etcd itself gives a
request up after 7 s."""

MAX_LISTERS = 2
"""Members asked, one after the other, for the member list, before the quorum is taken for lost."""


@dataclass(frozen=True)
class Answers:
    """What the members that were asked said, by address."""

    reports: Mapping[str, StatusReport]
    silent: Mapping[str, str]


class Observer:
    """Everything that is looked at."""

    def __init__(  # noqa: PLR0913 -- all that is looked at
        self,
        cluster: str,
        group: AutoScalingGroup,
        journal: Journal,
        joins: JoinParameters | None,
        endpoints: EtcdAccess,
        *,
        preparations: Preparations | None = None,
    ) -> None:
        """Take what is to be looked at.

        Args:
            cluster: The name of the cluster.
            group: The Auto Scaling group whose instances are the members.
            journal: What was recorded.
            joins: The join configurations handed over; None where instances join by their own means.
            endpoints: The way to a member by its address.
            preparations: What is done before removals, if something is.
        """
        self._join = Join.LEARNER if joins else Join.INSTANCE
        self._cluster = cluster
        self._group = group
        self._journal = journal
        self._joins = joins
        self._endpoints = endpoints
        self._preparations = preparations

    def look(self, group: GroupDescription, now: float) -> ClusterView:
        """Look at the cluster, and change nothing at all: what waits is not remembered either.

        Args:
            group: The group as it is.
            now: Seconds since the epoch.
        """
        return self.observe(
            group.desired, group.instances, now, retains=group.retains, remember=False
        )

    def observe(
        self,
        desired: int,
        instances: tuple[Instance, ...],
        now: float,
        *,
        retains: bool = False,
        remember: bool = True,
    ) -> ClusterView:
        """Look at the cluster.

        Args:
            desired: The group's desired capacity.
            instances: The group's instances.
            now: Seconds since the epoch.
            retains: Whether the group keeps an instance whose terminate hook is abandoned.
            remember: Whether it is remembered what waits from now on. False changes nothing at all.

        Returns:
            The view. Members that do not answer are part of it; a service of AWS that does not
            answer is an error.
        """
        records = self._journal.load()
        self._endpoints.know(instances)
        answers = self._probe(
            {
                one.address: one.launch_waits
                for one in instances
                # Those of the warm pool are stopped, as a rule; members among them are asked later.
                if one.address is not None and not one.warmed
            }
        )
        answers, risen = without_retired(answers, records.seed, instances)
        cluster_id, foreign = _whose(answers.reports, records.seed)
        view = ClusterView(
            cluster=self._cluster,
            desired=desired,
            instances=instances,
            cluster_id=cluster_id,
            foreign=(*foreign, *risen),
            silent=answers.silent,
            seed=records.seed,
            recorded=records.recorded,
            snapshot=records.snapshot,
            snapshot_failure=records.snapshot_failure,
            notices=records.notices,
            override=records.override,
            retains=retains,
            preparations=self._preparations.follow(records.preparations)
            if self._preparations
            else {},
            joins=self._joins.read([one.id for one in instances if one.launch_waits])
            if self._joins
            else {},
        )
        if not view.foreign:
            view = self._with_members(view, answers)
            view = replace(view, removing=under_way(view, records, now))
        self._endpoints.keep(
            answers.reports.keys() | answers.silent.keys() | {one.host for one in view.members}
        )
        waiting = _waiting(view, records, self._join)
        if remember:
            first_seen = dict(self._journal.first_seen(waiting, now, records.first_seen))
        else:
            first_seen = {key: records.first_seen.get(key, now) for key in waiting}
        if (nearer := progress(view, records)) and now - first_seen[nearer[0]] >= PROGRESS_SECONDS:
            key, lag = nearer
            first_seen[key] = now
            if remember:
                self._journal.record_progress(key, now, lag)
        if remember and self._join is Join.INSTANCE:
            view = self._with_answers_recorded(view)
        return replace(view, first_seen=first_seen)

    def _with_answers_recorded(self, view: ClusterView) -> ClusterView:
        """Remember which member has answered on which instance: when it is dead, nothing tells."""
        found = identify(view, self._join)
        if found.contradictions:
            return view
        heard = {
            instance_id: member.id
            for instance_id, member in found.members.items()
            if member.status and view.recorded.get(instance_id) != member.id
        }
        for instance_id, member_id in heard.items():
            self._journal.record_member(instance_id, member_id)
        return replace(view, recorded={**view.recorded, **heard})

    def _probe(self, addresses: Mapping[str, bool]) -> Answers:
        """Ask members for their status at the same time; True tells those that are just starting.

        One that was just removed may crash on the question (etcd issue 21966; trap 10 of the tests'
        list). It has left the cluster by then, and its instance goes too.
        """
        reports: dict[str, StatusReport] = {}
        silent: dict[str, str] = {}
        for address, answer in self._endpoints.statuses(addresses).items():
            if isinstance(answer, EtcdError):
                silent[address] = str(answer)
            else:
                reports[address] = answer
        return Answers(reports, silent)

    def _with_members(self, view: ClusterView, answers: Answers) -> ClusterView:
        refusals: dict[str, str] = {}
        listed = self._list_members(view.instances, answers.reports, refusals)
        if listed is None:
            return replace(view, silent={**answers.silent, **refusals})
        lister, members = listed
        asked = answers.reports.keys() | answers.silent.keys()
        further = self._probe({one.host: False for one in members.members if one.host not in asked})
        reports = {**answers.reports, **further.reports}
        # The question goes through the log of all members, and each of them tells by its status
        # whether there is anything to ask for.
        complains = any(report.complaints for report in reports.values())
        alarmed = lister.alarms() if complains else frozenset()
        # Where instances join by their own means, a peer URL may hold a name of the instance.
        homes = {
            one.member_id: address
            for address, one in answers.reports.items()
            if self._join is Join.INSTANCE
        }
        return replace(
            view,
            quorate=True,
            cluster_id=members.cluster_id,
            silent={**answers.silent, **further.silent},
            members=tuple(
                replace(
                    member,
                    host=homes.get(member.id, member.host),
                    status=report.status
                    if (report := reports.get(homes.get(member.id, member.host)))
                    and report.member_id == member.id
                    else None,
                    alarmed=member.id in alarmed,
                )
                for member in members.members
            ),
        )

    def _list_members(
        self,
        instances: Iterable[Instance],
        reports: Mapping[str, StatusReport],
        refusals: dict[str, str],
    ) -> tuple[EtcdEndpoint, MemberList] | None:
        """The members as a quorum has them; None, and why, when no quorum answers."""
        leaving = {instance.address for instance in instances if instance.leaving}
        voters = [
            address
            for address, report in reports.items()
            if not report.learner and report.status.leader != NO_LEADER
        ]
        # Those that stay first; the leader before others, as it needs no other to answer.
        voters.sort(key=lambda address: (address in leaving, not _leads(reports[address]), address))
        for address in voters[:MAX_LISTERS]:
            endpoint = self._endpoints.at(address)
            try:
                return endpoint, endpoint.member_list(version=reports[address].status.version)
            except EtcdError as error:
                refusals[address] = str(error)
        return None


def _leads(report: StatusReport) -> bool:
    return report.status.leader == report.member_id


def _waiting(view: ClusterView, records: Records, join: Join = Join.LEARNER) -> list[str]:
    """What waits: instances held or going, newcomers, and the silent without an instance.

    A newcomer is a learner, or a voter whose instance is still held at its launch; or, where instances
    join by their own means, one in service that is still to join.
    """
    held = [one.id for one in view.instances if one.held or one.leaving]
    own_join = join is Join.INSTANCE
    if not view.quorate:
        # Who is a member is not known just now: what was known of members still holds.
        known = [key for key in records.first_seen if key.isdecimal()]
        present = [one.id for one in view.instances if one.id in records.first_seen]
        return list(dict.fromkeys([*held, *known, *(present if own_join else [])]))
    identities = identify(view, join)
    gone = [orphan for orphan in identities.orphans if orphan.status is None]
    launched = [
        member
        for one in view.instances
        if one.launch_waits and (member := identities.members.get(one.id))
    ]
    joining = [
        one.id
        for one in view.instances
        if own_join and one.state == "InService" and one.id not in identities.members
    ]
    learners = [member for member in view.members if member.learner]
    return [*held, *joining, *{str(member.id) for member in (*gone, *launched, *learners)}]


def progress(view: ClusterView, records: Records) -> tuple[str, int] | None:
    """The key of the learner and how far it is behind, if it never was as near to the leader.

    That can happen only so often, also where writes go on: a learner that applies no more than is
    written comes no nearer. One that has just begun to answer has come nearer.
    """
    learner, leader = view.learner, view.leader
    if learner is None or learner.status is None or leader is None or leader.status is None:
        return None
    key, lag = str(learner.id), lag_behind(leader, learner)
    least = records.lags.get(key)
    return (key, lag) if least is None or lag < least else None


def under_way(view: ClusterView, records: Records, now: float) -> tuple[int, ...]:
    """The members whose removal was begun, and may still come.

    The request waits nowhere but in a member that hangs, which answers nothing, or with one that was
    silent a moment ago.
    """
    settles = all(voter.status for voter in view.voters)
    if settles and now - records.removing_since > REMOVAL_SECONDS:
        return ()
    return tuple(one.id for one in view.members if one.id in records.removing)


def without_retired(
    answers: Answers, seed: Seed | None, instances: Iterable[Instance]
) -> tuple[Answers, tuple[str, ...]]:
    """Set apart what answers for a cluster that was replaced after it had lost its quorum.

    Returns:
        The answers without them, and the addresses of those that follow a leader: then that quorum
        is back, unless they are going anyway.
    """
    retired = {
        address: report
        for address, report in answers.reports.items()
        if seed is not None and report.cluster_id in seed.retired
    }
    if not retired:
        return answers, ()
    going = {instance.address for instance in instances if instance.leaving}
    risen = {
        address
        for address, report in retired.items()
        if report.status.leader != NO_LEADER and address not in going
    }
    told = {
        address: f"it belongs to the cluster {report.cluster_id:x}, which a recovery replaces"
        + (
            ", and whose quorum is back: terminate its instances, or take the order back by "
            "'recover --cancel'"
            if address in risen
            else ": terminate its instance"
        )
        for address, report in retired.items()
    }
    reports = {one: report for one, report in answers.reports.items() if one not in retired}
    return Answers(reports, {**answers.silent, **told}), tuple(sorted(risen))


def _whose(
    reports: Mapping[str, StatusReport], seed: Seed | None
) -> tuple[int | None, tuple[str, ...]]:
    """The cluster id that the answers carried, and the addresses that are not of our cluster."""
    expected = seed.cluster_id if seed else None
    ids = {report.cluster_id for report in reports.values()}
    if expected is None:
        if len(ids) > 1:
            return None, tuple(sorted(reports))
        return next(iter(ids), None), ()
    foreign = sorted(one for one, report in reports.items() if report.cluster_id != expected)
    return (expected if expected in ids else None), tuple(foreign)
