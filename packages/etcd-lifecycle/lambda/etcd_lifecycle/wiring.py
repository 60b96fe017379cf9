"""Makes the parts of the function of its settings: clients, circuits, and what works with them.

Nothing is called yet, and each client is made at its first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .access_settings import ETCDCTL_ROUND_SECONDS
from .act import Actor
from .auto_scaling import AutoScalingGroup
from .aws import clients, is_failure
from .circuits import shared_circuits
from .dependency import Dependency
from .etcd import EtcdEndpoints
from .etcd_secrets import EtcdSecrets
from .inbox import Inbox
from .join import JoinParameters
from .journal import Journal
from .model import Join
from .observe import Observer
from .outages import Outages
from .pace import ROUND_SECONDS
from .partition import Partition
from .reconcile import Reconciler
from .snapshot import Snapshots
from .snapshot_store import SnapshotStore
from .telemetry import Telemetry

if TYPE_CHECKING:
    from .etcd_access import EtcdAccess
    from .preparation import HandOverCommand, HandOverFunction, Preparations
    from .settings import Settings


class Wiring:
    """The parts of one execution environment, which outlive an invocation.

    Attributes:
        settings: What the function's environment variables say.
        telemetry: Logs and metrics.
        clients: The clients of AWS.
        dependencies: The services of AWS, each with its breaker.
        journal: What is remembered of the cluster.
        outages: Tells which services are not called for now.
        group: The Auto Scaling group.
        secrets: The certificate and the user with which members are asked.
        inbox: Takes what the function is invoked with.
    """

    def __init__(self, settings: Settings) -> None:
        """Make what needs no secret."""
        self.settings = settings
        self.telemetry = Telemetry(settings.cluster)
        self.clients = clients()
        self.dependencies: list[Dependency] = []
        self._circuits = (
            shared_circuits(settings.table, settings.cluster, lambda: self.clients.circuits)
            if settings.circuits.shared
            else None
        )
        self.secrets = EtcdSecrets(
            settings.tls_secret,
            settings.auth_secret,
            lambda: self.clients.secretsmanager,
            self._depend_on("Secrets Manager"),
            self.telemetry,
        )
        self.inbox = Inbox(
            settings.cluster,
            settings.group,
            settings.dead_letter_queue_url,
            lambda: self.clients.sqs,
            self._depend_on("SQS"),
            self.telemetry,
        )
        self.group = AutoScalingGroup(
            settings.group,
            settings.hooks,
            (self.clients.autoscaling, self.clients.ec2),
            (self._depend_on("Auto Scaling"), self._depend_on("EC2")),
        )
        self.journal = Journal(
            Partition(
                settings.table,
                settings.cluster,
                self.clients.dynamodb,
                # Of its own: whether it is down is nothing that could be read in it.
                self._depend_on("DynamoDB", alone=True),
            )
        )
        self.outages = Outages(self.dependencies, self.journal, self.telemetry)
        self._joins = self._make_joins()
        self._run_command = self._depend_on("SSM Run Command")
        self._preparations = self._make_preparations()
        self._store = self._make_store()

    def endpoints(self) -> EtcdAccess:
        """Make the way to the members, with the secrets as they are now."""
        if self.settings.etcdctl:
            # An option: a cold start need not wait for it.
            from .etcdctl import EtcdctlEndpoints  # noqa: PLC0415
            from .run_command import ShellCommands  # noqa: PLC0415

            commands = ShellCommands(self.clients.ssm, self._run_command)
            return EtcdctlEndpoints(self.settings.etcdctl, commands)
        return EtcdEndpoints(self.secrets.tls, self.settings.client_port, self.secrets.credentials)

    def reconciler(self, endpoints: EtcdAccess) -> Reconciler:
        """Make what brings the cluster forward.

        Args:
            endpoints: The way to the members.
        """
        settings = self.settings
        return Reconciler(
            group=self.group,
            observer=Observer(
                settings.cluster,
                self.group,
                self.journal,
                self._joins,
                endpoints,
                preparations=self._preparations,
            ),
            actor=Actor(self.group, self.journal, self._joins, endpoints, settings.policy),
            journal=self.journal,
            policy=settings.policy,
            telemetry=self.telemetry,
            outages=self.outages,
            snapshots=self._make_snapshots(endpoints),
            preparations=self._preparations,
            lease_seconds=settings.lease_seconds,
            round_seconds=ETCDCTL_ROUND_SECONDS if settings.etcdctl else ROUND_SECONDS,
        )

    def _depend_on(self, service: str, *, alone: bool = False) -> Dependency:
        circuits = self.settings.circuits
        self.dependencies.append(
            Dependency(
                service,
                is_failure,
                failure_threshold=circuits.failures,
                reset_timeout=circuits.seconds,
                store=None if alone else self._circuits,
            )
        )
        return self.dependencies[-1]

    def _make_joins(self) -> JoinParameters | None:
        if self.settings.policy.join is Join.INSTANCE:
            return None
        return JoinParameters(
            self.settings.parameter_prefix,
            self.settings.cluster,
            self.clients.ssm,
            self._depend_on("SSM"),
        )

    def _make_store(self) -> SnapshotStore | None:
        snapshots = self.settings.snapshots
        if snapshots is None:
            return None
        return SnapshotStore(
            snapshots.bucket,
            snapshots.prefix,
            self.settings.cluster,
            lambda: self.clients.s3,
            self._depend_on("S3"),
        )

    def _make_preparations(self) -> Preparations | None:
        settings, policy = self.settings.preparation, self.settings.policy.preparation
        if settings is None or policy is None:
            return None
        # An option: a cold start need not wait for it.
        from . import preparation  # noqa: PLC0415

        means: HandOverFunction | HandOverCommand
        if settings.function:
            means = preparation.HandOverFunction(
                settings.function, self.clients.invoker, self._depend_on("Lambda")
            )
        else:
            means = preparation.HandOverCommand(
                settings.commands, self.clients.ssm, self._run_command
            )
        return preparation.Preparations(
            means, self.journal, self.telemetry, self.settings.cluster, policy.timeout
        )

    def _make_snapshots(self, endpoints: EtcdAccess) -> Snapshots | None:
        if self._store is None or self.settings.snapshots is None:
            return None
        return Snapshots(
            self._store,
            endpoints,
            self.journal,
            self.telemetry,
            keep=self.settings.snapshots.keep,
        )
