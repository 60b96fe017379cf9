"""The Lambda: takes hints from the queue, and has the whole cluster looked at once.

An event is no more than a hint that something changed: Auto Scaling sends them on a best-effort
basis, at least once and in no order. So is the tick of the schedule. Ten hints are worth one look.
"""

from __future__ import annotations

import functools
import json
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from .access_settings import ETCDCTL_ROUND_SECONDS, read_etcdctl_settings
from .act import Actor
from .auto_scaling import AutoScalingGroup
from .aws import clients, explain, is_failure
from .certificate import earliest_end
from .circuits import shared_circuits
from .dependency import CALL_ATTEMPTS, RESET_TIMEOUT, Dependency
from .environment import ConfigurationError
from .environment import read_choice as _choice
from .environment import read_number as _number
from .etcd import Credentials, EtcdEndpoints, TlsMaterial
from .events import Hint, Ignored, Malformed, operation_of, read_event, read_message, read_override
from .join import JoinParameters
from .journal import LEASE_SECONDS, Journal, JournalEntry
from .model import AtDeadline, Join, OnSnapshotFailure, Policy, SnapshotPolicy, Transition
from .observe import Observer
from .outages import Outages
from .pace import ROUND_SECONDS
from .preparation_settings import read_preparation_policy, read_preparation_settings
from .reconcile import Reconciler
from .snapshot import Snapshots
from .snapshot_store import SnapshotStore
from .telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from python_retry import CircuitStore

    from .access_settings import EtcdctlSettings
    from .etcd_access import EtcdAccess
    from .events import Message
    from .model import NoticeKind
    from .preparation import HandOverCommand, HandOverFunction, Preparations
    from .preparation_settings import PreparationSettings

T = TypeVar("T")

_REQUIRED = (
    "QUORATE_CLUSTER",
    "QUORATE_GROUP",
    "QUORATE_TERMINATE_HOOK",
    "QUORATE_TABLE",
)
# What the construct always sets, and a function that is wired by hand may do without, if its
# instances join by their own means.
_REQUIRED_TO_JOIN = (
    "QUORATE_LAUNCH_HOOK",
    "QUORATE_PARAMETER_PREFIX",
    "QUORATE_DEAD_LETTER_QUEUE_URL",
)

SECRET_SECONDS = 300.0
"""How long secrets are used before they are read again, so that new ones are taken up."""


class MalformedEventError(Exception):
    """What came is no event, and there is no dead-letter queue to put it into."""


@dataclass(frozen=True)
class SnapshotSettings:
    """Where snapshots go, and how many are kept; the policy tells when they are taken.

    Attributes:
        bucket: ``QUORATE_SNAPSHOT_BUCKET``: the name of the bucket.
        prefix: ``QUORATE_SNAPSHOT_PREFIX``: the first part of the keys; nothing by default.
        keep: ``QUORATE_SNAPSHOT_KEEP``: how many are kept; all by default.
    """

    bucket: str
    prefix: str = ""
    keep: int | None = None


@dataclass(frozen=True)
class CircuitSettings:
    """When a service of AWS is not called for a while.

    Attributes:
        shared: ``QUORATE_CIRCUITS_SHARED``: whether all environments of the function share the
            circuits through the table; they do by default.
        failures: ``QUORATE_CIRCUIT_FAILURES``: failures in a row that open a circuit. By default 3,
            the attempts of one call: the run ends with it anyway, and the next tick comes later than
            a probe is let through. So no environment has to learn by a second run.
        seconds: ``QUORATE_CIRCUIT_SECONDS``: until it admits a probe; 15 by default.
    """

    shared: bool = True
    failures: int = CALL_ATTEMPTS
    seconds: float = RESET_TIMEOUT


@dataclass(frozen=True)
class Settings:
    """What the function's environment variables say.

    Attributes:
        cluster: ``QUORATE_CLUSTER``: the name of the cluster.
        group: ``QUORATE_GROUP``: the name of the Auto Scaling group.
        hooks: ``QUORATE_LAUNCH_HOOK`` and ``QUORATE_TERMINATE_HOOK``: the names of its hooks; there
            need be none for launches where instances join by their own means.
        table: ``QUORATE_TABLE``: the name of the DynamoDB table.
        parameter_prefix: ``QUORATE_PARAMETER_PREFIX``: the first part of the SSM parameters' names;
            not needed where instances join by their own means.
        dead_letter_queue_url: ``QUORATE_DEAD_LETTER_QUEUE_URL``: where nonsense goes; None where
            instances join by their own means and it is not set: then it fails the run.
        client_port: ``QUORATE_CLIENT_PORT``: where members serve clients; 2379 by default.
        tls_secret: ``QUORATE_TLS_SECRET``: the ARN of the secret with the certificate; none
            without TLS.
        auth_secret: ``QUORATE_AUTH_SECRET``: the ARN of the secret with the user's name and
            password; none without etcd's authentication.
        lease_seconds: ``QUORATE_LEASE_SECONDS``: after how long the lease of a run that died ends.
        policy: ``QUORATE_PEER_PORT``, ``QUORATE_REPLACEMENT_DEADLINE``, ``QUORATE_AT_DEADLINE``,
            ``QUORATE_LAUNCH_DEADLINE``, ``QUORATE_STALE_GRACE``, ``QUORATE_JOIN`` (``learner`` or
            ``instance``, see `Join`) and ``QUORATE_PEER_SCHEME`` (``https`` with a secret for TLS,
            else ``http``); see `Policy` for the meanings and defaults. With a bucket
            for snapshots, ``QUORATE_SNAPSHOT_BEFORE_REMOVAL``, ``QUORATE_SNAPSHOT_ON_FAILURE``,
            ``QUORATE_SNAPSHOT_INTERVAL``, ``QUORATE_SNAPSHOT_MAX_AGE`` and
            ``QUORATE_SNAPSHOT_RETRY``; see `SnapshotPolicy`.
        snapshots: Where snapshots go; None: none are taken.
        preparation: Who is asked to hand over before a removal; None: nobody. The policy for it is
            that of `read_preparation_policy`.
        etcdctl: ``QUORATE_ETCDCTL``: how etcdctl is called on the instances; None: members are reached
            by the network.
        circuits: When a service of AWS is not called for a while.
    """

    cluster: str
    group: str
    hooks: Mapping[Transition, str]
    table: str
    parameter_prefix: str
    dead_letter_queue_url: str | None
    client_port: int
    tls_secret: str | None
    auth_secret: str | None
    lease_seconds: float
    policy: Policy
    snapshots: SnapshotSettings | None = None
    preparation: PreparationSettings | None = None
    etcdctl: EtcdctlSettings | None = None
    circuits: CircuitSettings = field(default_factory=CircuitSettings)

    @staticmethod
    def read(environment: Mapping[str, str]) -> Settings:
        """Read the settings.

        Raises:
            ConfigurationError: A variable is absent, or is not of what it must be.
        """
        join = Join(_choice(environment, "QUORATE_JOIN", [one.value for one in Join]))
        required = _REQUIRED if join is Join.INSTANCE else (*_REQUIRED, *_REQUIRED_TO_JOIN)
        missing = [name for name in required if not environment.get(name)]
        if missing:
            raise ConfigurationError(
                f"the function's environment lacks {', '.join(missing)}: the construct "
                "EtcdLifecycle sets them all; see the README for what each means"
            )

        def number(name: str, default: float) -> float:
            return _number(environment, name, default)

        def port(name: str, default: int) -> int:
            return int(_number(environment, name, default, most=65535))

        defaults = Policy()
        tls_secret = environment.get("QUORATE_TLS_SECRET") or None
        return Settings(
            cluster=environment["QUORATE_CLUSTER"],
            group=environment["QUORATE_GROUP"],
            hooks={
                transition: name
                for transition, name in (
                    (Transition.LAUNCHING, environment.get("QUORATE_LAUNCH_HOOK")),
                    (Transition.TERMINATING, environment["QUORATE_TERMINATE_HOOK"]),
                )
                if name
            },
            table=environment["QUORATE_TABLE"],
            parameter_prefix=environment.get("QUORATE_PARAMETER_PREFIX", ""),
            dead_letter_queue_url=environment.get("QUORATE_DEAD_LETTER_QUEUE_URL") or None,
            client_port=port("QUORATE_CLIENT_PORT", 2379),
            tls_secret=tls_secret,
            auth_secret=environment.get("QUORATE_AUTH_SECRET") or None,
            lease_seconds=number("QUORATE_LEASE_SECONDS", LEASE_SECONDS),
            policy=Policy(
                replacement_deadline=number(
                    "QUORATE_REPLACEMENT_DEADLINE", defaults.replacement_deadline
                ),
                at_deadline=AtDeadline(
                    _choice(environment, "QUORATE_AT_DEADLINE", [one.value for one in AtDeadline])
                ),
                launch_deadline=number("QUORATE_LAUNCH_DEADLINE", defaults.launch_deadline),
                stale_grace=number("QUORATE_STALE_GRACE", defaults.stale_grace),
                peer_scheme=_choice(
                    environment,
                    "QUORATE_PEER_SCHEME",
                    ("https", "http") if tls_secret else ("http", "https"),
                ),
                peer_port=port("QUORATE_PEER_PORT", defaults.peer_port),
                snapshots=_read_snapshot_policy(environment),
                join=join,
                preparation=read_preparation_policy(environment),
            ),
            snapshots=_read_snapshot_settings(environment),
            preparation=read_preparation_settings(environment),
            etcdctl=read_etcdctl_settings(environment),
            circuits=_read_circuit_settings(environment),
        )


def _read_snapshot_policy(environment: Mapping[str, str]) -> SnapshotPolicy | None:
    if not environment.get("QUORATE_SNAPSHOT_BUCKET"):
        return None
    defaults = SnapshotPolicy()
    before_removal = _choice(environment, "QUORATE_SNAPSHOT_BEFORE_REMOVAL", ("true", "false"))
    on_failure = _choice(
        environment, "QUORATE_SNAPSHOT_ON_FAILURE", [one.value for one in OnSnapshotFailure]
    )
    return SnapshotPolicy(
        before_removal=before_removal == "true",
        on_failure=OnSnapshotFailure(on_failure),
        interval=_number(environment, "QUORATE_SNAPSHOT_INTERVAL", 0) or None,
        max_age=_number(environment, "QUORATE_SNAPSHOT_MAX_AGE", defaults.max_age),
        retry=_number(environment, "QUORATE_SNAPSHOT_RETRY", defaults.retry),
    )


def _read_snapshot_settings(environment: Mapping[str, str]) -> SnapshotSettings | None:
    bucket = environment.get("QUORATE_SNAPSHOT_BUCKET")
    if not bucket:
        without = sorted(name for name in environment if name.startswith("QUORATE_SNAPSHOT_"))
        if any(environment[name] for name in without):
            raise ConfigurationError(
                f"{', '.join(without)}: set without QUORATE_SNAPSHOT_BUCKET, so that no snapshot "
                "would be taken; name the bucket, or unset what is set"
            )
        return None
    keep = _number(environment, "QUORATE_SNAPSHOT_KEEP", 0)
    if keep != int(keep):
        raise ConfigurationError(f"QUORATE_SNAPSHOT_KEEP is {keep}, but must be a whole number")
    return SnapshotSettings(
        bucket, environment.get("QUORATE_SNAPSHOT_PREFIX", ""), int(keep) or None
    )


def _read_circuit_settings(environment: Mapping[str, str]) -> CircuitSettings:
    failures = _number(environment, "QUORATE_CIRCUIT_FAILURES", CALL_ATTEMPTS)
    if failures != int(failures) or failures < 1:
        raise ConfigurationError(
            f"QUORATE_CIRCUIT_FAILURES is {failures}, but must be a whole number of 1 or more"
        )
    return CircuitSettings(
        shared=_choice(environment, "QUORATE_CIRCUITS_SHARED", ("true", "false")) == "true",
        failures=int(failures),
        seconds=_number(environment, "QUORATE_CIRCUIT_SECONDS", RESET_TIMEOUT),
    )


class Function:
    """One execution environment: its clients, connections and breakers outlive an invocation."""

    def __init__(self, settings: Settings) -> None:
        """Make the clients; nothing is called yet."""
        self.settings = settings
        self.telemetry = Telemetry(settings.cluster)
        self._clients = clients()
        self._dependencies: list[Dependency] = []
        self._circuits = self._share_circuits()
        self._secrets = self._depend_on("Secrets Manager")
        self._sqs = self._depend_on("SQS")
        self._group = AutoScalingGroup(
            settings.group,
            settings.hooks,
            (self._clients.autoscaling, self._clients.ec2),
            (self._depend_on("Auto Scaling"), self._depend_on("EC2")),
        )
        self._journal = Journal(
            settings.table,
            settings.cluster,
            self._clients.dynamodb,
            # Of its own: whether it is down is nothing that could be read in it.
            self._depend_on("DynamoDB", alone=True),
        )
        self._outages = Outages(self._dependencies, self._journal, self.telemetry)
        self._joins = self._make_joins()
        self._run_command = self._depend_on("SSM Run Command")
        self._preparations = self._make_preparations()
        self._store = self._make_store()
        self._tls: TlsMaterial | None = None
        self._credentials: Credentials | None = None
        self._secrets_read_at = float("-inf")
        self._endpoints = self._make_endpoints()
        self._reconciler = self._make_reconciler()

    def _share_circuits(self) -> CircuitStore | None:
        settings = self.settings
        if not settings.circuits.shared:
            return None
        return shared_circuits(settings.table, settings.cluster, lambda: self._clients.circuits)

    def _depend_on(self, service: str, *, alone: bool = False) -> Dependency:
        circuits = self.settings.circuits
        self._dependencies.append(
            Dependency(
                service,
                is_failure,
                failure_threshold=circuits.failures,
                reset_timeout=circuits.seconds,
                store=None if alone else self._circuits,
            )
        )
        return self._dependencies[-1]

    def _make_joins(self) -> JoinParameters | None:
        if self.settings.policy.join is Join.INSTANCE:
            return None
        return JoinParameters(
            self.settings.parameter_prefix,
            self.settings.cluster,
            self._clients.ssm,
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
            lambda: self._clients.s3,
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
                settings.function, self._clients.invoker, self._depend_on("Lambda")
            )
        else:
            means = preparation.HandOverCommand(
                settings.commands, self._clients.ssm, self._run_command
            )
        return preparation.Preparations(
            means, self._journal, self.telemetry, self.settings.cluster, policy.timeout
        )

    def _make_snapshots(self, endpoints: EtcdAccess) -> Snapshots | None:
        if self._store is None or self.settings.snapshots is None:
            return None
        return Snapshots(
            self._store,
            endpoints,
            self._journal,
            self.telemetry,
            keep=self.settings.snapshots.keep,
        )

    def _make_endpoints(self) -> EtcdAccess:
        if self.settings.etcdctl:
            # An option: a cold start need not wait for it.
            from .etcdctl import EtcdctlEndpoints  # noqa: PLC0415
            from .run_command import ShellCommands  # noqa: PLC0415

            commands = ShellCommands(self._clients.ssm, self._run_command)
            return EtcdctlEndpoints(self.settings.etcdctl, commands)
        return EtcdEndpoints(self._tls, self.settings.client_port, self._credentials)

    def _make_reconciler(self) -> Reconciler:
        settings = self.settings
        endpoints = self._endpoints
        return Reconciler(
            group=self._group,
            observer=Observer(
                settings.cluster,
                self._group,
                self._journal,
                self._joins,
                endpoints,
                preparations=self._preparations,
            ),
            actor=Actor(self._group, self._journal, self._joins, endpoints, settings.policy),
            journal=self._journal,
            policy=settings.policy,
            telemetry=self.telemetry,
            outages=self._outages,
            snapshots=self._make_snapshots(endpoints),
            preparations=self._preparations,
            lease_seconds=settings.lease_seconds,
            round_seconds=ETCDCTL_ROUND_SECONDS if settings.etcdctl else ROUND_SECONDS,
        )

    def handle(self, event: object, run_id: str, deadline: float) -> None:
        """Take the hints of an invocation.

        Args:
            event: A batch of SQS messages, a single event of EventBridge, or an operator's order
                under the key ``override`` (see `read_override`); anything else is malformed.
            run_id: Another for each invocation.
            deadline: When the invocation ends, on the monotonic clock.
        """
        notices = {}
        if isinstance(event, dict) and "override" in event:
            self._take_override(event["override"])
        else:
            hints = [self._take(text, message) for text, message in self._messages(event)]
            if not any(hints):
                return
            notices = {one.instance_id: one.notice for one in hints if one and one.notice}
        try:
            self._run(run_id, deadline, notices)
        finally:
            self.telemetry.circuits(self._outages.open_circuits())

    def _run(self, run_id: str, deadline: float, notices: Mapping[str, NoticeKind]) -> None:
        try:
            self._refresh_secrets()
        except Exception as error:
            if not self._has_secrets:
                # Members cannot be asked for anything, but instances must stay held meanwhile.
                self._reconciler.keep_held()
                raise
            self.telemetry.log("ERROR", f"the secrets of before are used: {explain(error)}")
        self._reconciler.run(run_id, lambda: deadline - time.monotonic(), notices)

    def _take_override(self, order: object) -> None:
        """Record an operator's order; only who may invoke the function itself can give one."""
        now = time.time()
        override = read_override(order, now)
        self._journal.record_override(override)
        self._journal.record(
            JournalEntry(
                time=now,
                action=str(override),
                reason=f"{override.operator} ordered it: {override.reason}",
                arithmetic=f"holds for {override.expires - now:.0f} s",
                outcome="recorded",
            )
        )
        self.telemetry.log("WARNING", "an operator overrides the guard", override=override)

    def operate(self, event: Mapping[str, Any], run_id: str, deadline: float) -> dict[str, Any]:
        """Do what a person asks for; see `operations`.

        Args:
            event: The event that asks for it.
            run_id: Another for each invocation.
            deadline: When the invocation ends, on the monotonic clock.
        """
        # Seldom needed, and not compiled before: a cold start need not wait for it.
        from .operations import Operations  # noqa: PLC0415

        self._refresh_secrets()
        operations = Operations(
            group=self._group,
            observer=self._reconciler.observer,
            endpoints=self._endpoints,
            journal=self._journal,
            policy=self.settings.policy,
            telemetry=self.telemetry,
            lease_seconds=self.settings.lease_seconds,
        )
        return operations.run(event, run_id, lambda: deadline - time.monotonic())

    def _messages(self, event: object) -> list[tuple[str, Message]]:
        group = self.settings.group
        records = event.get("Records") if isinstance(event, dict) else None
        if not isinstance(records, list):
            return [(json.dumps(event), read_event(event, group))]
        return [(body, read_message(body, group)) for body in map(_body, records)]

    def _take(self, text: str, message: Message) -> Hint | None:
        """The message, if it is a reason to look."""
        match message:
            case Hint():
                self.telemetry.log(
                    "INFO", f"hint: {message.detail_type}", instance=message.instance_id
                )
                return message
            case Ignored():
                self.telemetry.log("INFO", f"ignored: {message.why}")
                return None
            case Malformed():
                # Left in the queue it would hold up the cluster's messages for three time-outs.
                self.telemetry.log("ERROR", f"to the dead-letter queue: {message.why}", body=text)
                self._bury(text)
                return None

    def _bury(self, text: str) -> None:
        queue_url = self.settings.dead_letter_queue_url
        if queue_url is None:
            raise MalformedEventError("the event is none that the function knows: see its log")
        self._sqs.call(
            lambda: self._clients.sqs.send_message(
                QueueUrl=queue_url,
                MessageBody=text or " ",
                MessageGroupId=self.settings.cluster,
            ),
            "SendMessage",
        )

    @property
    def _has_secrets(self) -> bool:
        return self._secrets_read_at > float("-inf")

    def _refresh_secrets(self) -> None:
        now = time.monotonic()
        if now - self._secrets_read_at < SECRET_SECONDS:
            return
        settings = self.settings
        tls = self._read_secret("QUORATE_TLS_SECRET", settings.tls_secret, read_certificate)
        credentials = self._read_secret(
            "QUORATE_AUTH_SECRET", settings.auth_secret, read_credentials
        )
        self._secrets_read_at = now
        if tls:
            self._tell_end(tls)
        if (tls, credentials) != (self._tls, self._credentials):
            self._tls, self._credentials = tls, credentials
            self._endpoints = self._make_endpoints()
            self._reconciler = self._make_reconciler()

    def _tell_end(self, tls: TlsMaterial) -> None:
        try:
            self.telemetry.certificate_ends(earliest_end(f"{tls.ca_pem}\n{tls.certificate_pem}"))
        except ValueError as error:
            self.telemetry.log("WARNING", f"it is not known when the certificate ends: {error}")

    def _read_secret(
        self, variable: str, secret_id: str | None, read: Callable[[str], T]
    ) -> T | None:
        if secret_id is None:
            return None
        try:
            answer = self._secrets.call(
                lambda: self._clients.secretsmanager.get_secret_value(SecretId=secret_id),
                "GetSecretValue",
            )
        except ClientError as error:
            raise ConfigurationError(
                f"the secret {secret_id}, which {variable} names, cannot be read: {explain(error)}"
            ) from error
        try:
            return read(answer.get("SecretString", ""))
        except ConfigurationError as error:
            # From none: what the secret holds must not get into a traceback.
            raise ConfigurationError(
                f"the secret {secret_id}, which {variable} names: {error}"
            ) from None


def _body(record: object) -> str:
    """The text of a message; of a record that is no message, as another service sends, all of it."""
    body = record.get("body") if isinstance(record, dict) else None
    return body if isinstance(body, str) else json.dumps(record)


def read_certificate(text: str) -> TlsMaterial:
    """Read the secret with the certificate: a JSON object with ``ca``, ``certificate``, ``key``.

    Raises:
        ConfigurationError: It is something else. The error shows nothing of the secret.
    """
    value = _texts(text, "ca", "certificate", "key")
    if value is None:
        raise ConfigurationError(
            "it must be a JSON object with the keys ca, certificate and key, each a "
            "text in PEM form"
        )
    return TlsMaterial(value["ca"], value["certificate"], value["key"])


def read_credentials(text: str) -> Credentials:
    """Read the secret with the user of etcd: a JSON object with ``username`` and ``password``.

    Raises:
        ConfigurationError: It is something else. The error shows nothing of the secret.
    """
    value = _texts(text, "username", "password")
    if value is None or not all(value.values()):
        raise ConfigurationError(
            "it must be a JSON object with the keys username and password, each a text, and neither "
            "of them empty"
        )
    return Credentials(value["username"], value["password"])


def _texts(text: str, *keys: str) -> dict[str, str] | None:
    """The texts at these keys of a JSON object; None if it is no object, or has not all of them."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if not isinstance(value, dict) or not all(isinstance(value.get(key), str) for key in keys):
        return None
    return {key: value[key] for key in keys}


@functools.cache
def _function() -> Function:
    return Function(Settings.read(os.environ))


def handle(event: object, context: Any) -> dict[str, Any]:  # noqa: ANN401
    """The entry point that Lambda calls.

    Args:
        event: A batch of SQS messages, a single event of EventBridge, or what a person asks for.
        context: Lambda's context object, for the time that is left and the request id.

    Returns:
        The answer to a person, as `operations` says. Otherwise the report of batch item failures,
        always empty: what fails, fails as a whole, and is raised.
    """
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000
    try:
        if isinstance(event, dict) and operation_of(event):
            return _function().operate(event, context.aws_request_id, deadline)
        _function().handle(event, context.aws_request_id, deadline)
    except Exception as error:
        Telemetry(os.environ.get("QUORATE_CLUSTER", "")).log(
            "ERROR", f"this run failed: {explain(error)}", error=type(error).__name__
        )
        raise
    return {"batchItemFailures": []}
