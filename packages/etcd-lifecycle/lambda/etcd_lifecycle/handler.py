"""The Lambda: takes hints from the queue, and has the whole cluster looked at once.

An event is no more than a hint that something changed: Auto Scaling sends them on a best-effort
basis, at least once and in no order. So is the tick of the schedule. Ten hints are worth one look.
"""

from __future__ import annotations

import functools
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .act import Actor
from .auto_scaling import AutoScalingGroup
from .aws import clients, is_failure
from .dependency import Dependency
from .etcd import EtcdEndpoints, TlsMaterial
from .events import Hint, Ignored, Malformed, read_event, read_message
from .join import JoinParameters
from .journal import LEASE_SECONDS, Journal
from .model import Policy, Transition
from .observe import Observer
from .reconcile import Reconciler
from .telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .events import Message

_REQUIRED = (
    "QUORATE_CLUSTER",
    "QUORATE_GROUP",
    "QUORATE_LAUNCH_HOOK",
    "QUORATE_TERMINATE_HOOK",
    "QUORATE_TABLE",
    "QUORATE_PARAMETER_PREFIX",
    "QUORATE_DEAD_LETTER_QUEUE_URL",
)

CERTIFICATE_SECONDS = 300.0
"""How long the certificate is used before it is read again, so that a new one is taken up."""


class ConfigurationError(Exception):
    """The function's environment, or its secret, does not say what it needs to know."""


@dataclass(frozen=True)
class Settings:
    """What the function's environment variables say.

    Attributes:
        cluster: ``QUORATE_CLUSTER``: the name of the cluster.
        group: ``QUORATE_GROUP``: the name of the Auto Scaling group.
        hooks: ``QUORATE_LAUNCH_HOOK`` and ``QUORATE_TERMINATE_HOOK``: the names of its hooks.
        table: ``QUORATE_TABLE``: the name of the DynamoDB table.
        parameter_prefix: ``QUORATE_PARAMETER_PREFIX``: the first part of the SSM parameters' names.
        dead_letter_queue_url: ``QUORATE_DEAD_LETTER_QUEUE_URL``: where nonsense goes.
        client_port: ``QUORATE_CLIENT_PORT``: where members serve clients; 2379 by default.
        tls_secret: ``QUORATE_TLS_SECRET``: the ARN of the secret with the certificate; none
            without TLS.
        lease_seconds: ``QUORATE_LEASE_SECONDS``: after how long the lease of a run that died ends.
        policy: ``QUORATE_PEER_PORT``, ``QUORATE_REPLACEMENT_DEADLINE``, ``QUORATE_LAUNCH_DEADLINE``
            and ``QUORATE_STALE_GRACE``; see `Policy` for the meanings and defaults.
    """

    cluster: str
    group: str
    hooks: Mapping[Transition, str]
    table: str
    parameter_prefix: str
    dead_letter_queue_url: str
    client_port: int
    tls_secret: str | None
    lease_seconds: float
    policy: Policy

    @staticmethod
    def read(environment: Mapping[str, str]) -> Settings:
        """Read the settings.

        Raises:
            ConfigurationError: A variable is absent, or is no number where it must be one.
        """
        missing = [name for name in _REQUIRED if not environment.get(name)]
        if missing:
            raise ConfigurationError(
                f"the function's environment lacks {', '.join(missing)}: the construct "
                "EtcdLifecycle sets them all; see the README for what each means"
            )

        def number(name: str, default: float, most: float = float("inf")) -> float:
            text = environment.get(name) or str(default)
            try:
                value = float(text)
            except ValueError:
                value = float("nan")
            if not 0 <= value <= most or value == float("inf"):
                span = "of 0 or more" if most == float("inf") else f"from 0 to {most:.0f}"
                raise ConfigurationError(f"{name} is {text!r}, but must be a number {span}")
            return value

        def port(name: str, default: int) -> int:
            return int(number(name, default, most=65535))

        defaults = Policy()
        tls_secret = environment.get("QUORATE_TLS_SECRET") or None
        return Settings(
            cluster=environment["QUORATE_CLUSTER"],
            group=environment["QUORATE_GROUP"],
            hooks={
                Transition.LAUNCHING: environment["QUORATE_LAUNCH_HOOK"],
                Transition.TERMINATING: environment["QUORATE_TERMINATE_HOOK"],
            },
            table=environment["QUORATE_TABLE"],
            parameter_prefix=environment["QUORATE_PARAMETER_PREFIX"],
            dead_letter_queue_url=environment["QUORATE_DEAD_LETTER_QUEUE_URL"],
            client_port=port("QUORATE_CLIENT_PORT", 2379),
            tls_secret=tls_secret,
            lease_seconds=number("QUORATE_LEASE_SECONDS", LEASE_SECONDS),
            policy=Policy(
                replacement_deadline=number(
                    "QUORATE_REPLACEMENT_DEADLINE", defaults.replacement_deadline
                ),
                launch_deadline=number("QUORATE_LAUNCH_DEADLINE", defaults.launch_deadline),
                stale_grace=number("QUORATE_STALE_GRACE", defaults.stale_grace),
                peer_scheme="https" if tls_secret else "http",
                peer_port=port("QUORATE_PEER_PORT", defaults.peer_port),
            ),
        )


class Function:
    """One execution environment: its clients, connections and breakers outlive an invocation."""

    def __init__(self, settings: Settings) -> None:
        """Make the clients; nothing is called yet."""
        self.settings = settings
        self.telemetry = Telemetry(settings.cluster)
        self._clients = clients()
        self._secrets = Dependency("Secrets Manager", is_failure)
        self._sqs = Dependency("SQS", is_failure)
        self._group = AutoScalingGroup(
            settings.group,
            settings.hooks,
            (self._clients.autoscaling, self._clients.ec2),
            (Dependency("Auto Scaling", is_failure), Dependency("EC2", is_failure)),
        )
        self._journal = Journal(
            settings.table,
            settings.cluster,
            self._clients.dynamodb,
            Dependency("DynamoDB", is_failure),
        )
        self._joins = JoinParameters(
            settings.parameter_prefix,
            settings.cluster,
            self._clients.ssm,
            Dependency("SSM", is_failure),
        )
        self._tls: TlsMaterial | None = None
        self._tls_read_at = float("-inf")
        self._reconciler = self._make_reconciler()

    def _make_reconciler(self) -> Reconciler:
        settings = self.settings
        endpoints = EtcdEndpoints(self._tls, settings.client_port)
        return Reconciler(
            group=self._group,
            observer=Observer(settings.cluster, self._group, self._journal, self._joins, endpoints),
            actor=Actor(self._group, self._journal, self._joins, endpoints, settings.policy),
            journal=self._journal,
            policy=settings.policy,
            telemetry=self.telemetry,
            lease_seconds=settings.lease_seconds,
        )

    def handle(self, event: Mapping[str, Any], run_id: str, deadline: float) -> None:
        """Take the hints of an invocation.

        Args:
            event: A batch of SQS messages, or a single event of EventBridge.
            run_id: Another for each invocation.
            deadline: When the invocation ends, on the monotonic clock.
        """
        hints = [self._take(text, message) for text, message in self._messages(event)]
        if any(hints):
            self._refresh_certificate()
            self._reconciler.run(run_id, lambda: deadline - time.monotonic())

    def _messages(self, event: Mapping[str, Any]) -> list[tuple[str, Message]]:
        group = self.settings.group
        if "Records" not in event:
            return [(json.dumps(event), read_event(event, group))]
        bodies = [str(record.get("body", "")) for record in event["Records"]]
        return [(body, read_message(body, group)) for body in bodies]

    def _take(self, text: str, message: Message) -> bool:
        """Whether a message is a reason to look."""
        match message:
            case Hint():
                self.telemetry.log(
                    "INFO", f"hint: {message.detail_type}", instance=message.instance_id
                )
                return True
            case Ignored():
                self.telemetry.log("INFO", f"ignored: {message.why}")
                return False
            case Malformed():
                # Left in the queue it would hold up the cluster's messages for three time-outs.
                self.telemetry.log("ERROR", f"to the dead-letter queue: {message.why}", body=text)
                self._bury(text)
                return False

    def _bury(self, text: str) -> None:
        self._sqs.call(
            lambda: self._clients.sqs.send_message(
                QueueUrl=self.settings.dead_letter_queue_url,
                MessageBody=text or " ",
                MessageGroupId=self.settings.cluster,
            ),
            "SendMessage",
        )

    def _refresh_certificate(self) -> None:
        secret_id = self.settings.tls_secret
        now = time.monotonic()
        if secret_id is None or now - self._tls_read_at < CERTIFICATE_SECONDS:
            return
        answer = self._secrets.call(
            lambda: self._clients.secretsmanager.get_secret_value(SecretId=secret_id),
            "GetSecretValue",
        )
        self._tls_read_at = now
        tls = read_certificate(answer.get("SecretString", ""))
        if tls != self._tls:
            self._tls = tls
            self._reconciler = self._make_reconciler()


def read_certificate(text: str) -> TlsMaterial:
    """Read the secret with the certificate: a JSON object with ``ca``, ``certificate``, ``key``.

    Raises:
        ConfigurationError: It is something else. The error shows nothing of the secret.
    """
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict) or not all(
        isinstance(value.get(key), str) for key in ("ca", "certificate", "key")
    ):
        raise ConfigurationError(
            "the TLS secret must be a JSON object with the keys ca, certificate and key, each a "
            "text in PEM form"
        )
    return TlsMaterial(value["ca"], value["certificate"], value["key"])


@functools.cache
def _function() -> Function:
    return Function(Settings.read(os.environ))


def handle(event: Mapping[str, Any], context: Any) -> dict[str, list[Any]]:  # noqa: ANN401
    """The entry point that Lambda calls.

    Args:
        event: A batch of SQS messages, or a single event of EventBridge.
        context: Lambda's context object, for the time that is left and the request id.

    Returns:
        The report of batch item failures, always empty: what fails, fails as a whole, and is raised.
    """
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000
    _function().handle(event, context.aws_request_id, deadline)
    return {"batchItemFailures": []}
