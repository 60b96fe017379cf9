"""What the function's environment variables say: read and checked once, before anything is called.

What belongs to one option has a room of its own: `access_settings`, `circuit_settings`,
`preparation_settings` and `snapshot_settings`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .access_settings import read_etcdctl_settings
from .circuit_settings import CircuitSettings, read_circuit_settings
from .environment import (
    ConfigurationError,
    read_choice,
    read_enum,
    read_number,
    read_whole_number,
)
from .lease import LEASE_SECONDS
from .model import AtDeadline, Join, Policy, Transition
from .preparation_settings import read_preparation_policy, read_preparation_settings
from .snapshot_settings import read_snapshot_policy, read_snapshot_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .access_settings import EtcdctlSettings
    from .preparation_settings import PreparationSettings
    from .snapshot_settings import SnapshotSettings

TLS_SECRET: Final = "QUORATE_TLS_SECRET"  # noqa: S105 -- the name of a variable
AUTH_SECRET: Final = "QUORATE_AUTH_SECRET"  # noqa: S105 -- the name of a variable

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
_LAST_PORT = 65535


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
            else ``http``); see `Policy` for the meanings and defaults. The policies for snapshots
            and for preparations are those of `read_snapshot_policy` and `read_preparation_policy`.
        snapshots: Where snapshots go; None: none are taken.
        preparation: Who is asked to hand over before a removal; None: nobody.
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
        join = read_enum(environment, "QUORATE_JOIN", Join)
        required = _REQUIRED if join is Join.INSTANCE else (*_REQUIRED, *_REQUIRED_TO_JOIN)
        missing = [name for name in required if not environment.get(name)]
        if missing:
            raise ConfigurationError(
                f"the function's environment lacks {', '.join(missing)}: the construct "
                "EtcdLifecycle sets them all; see the README for what each means"
            )
        hooks = {
            Transition.LAUNCHING: environment.get("QUORATE_LAUNCH_HOOK"),
            Transition.TERMINATING: environment["QUORATE_TERMINATE_HOOK"],
        }
        return Settings(
            cluster=environment["QUORATE_CLUSTER"],
            group=environment["QUORATE_GROUP"],
            hooks={transition: name for transition, name in hooks.items() if name},
            table=environment["QUORATE_TABLE"],
            parameter_prefix=environment.get("QUORATE_PARAMETER_PREFIX", ""),
            dead_letter_queue_url=environment.get("QUORATE_DEAD_LETTER_QUEUE_URL") or None,
            client_port=_read_port(environment, "QUORATE_CLIENT_PORT", 2379),
            tls_secret=environment.get(TLS_SECRET) or None,
            auth_secret=environment.get(AUTH_SECRET) or None,
            lease_seconds=read_number(environment, "QUORATE_LEASE_SECONDS", LEASE_SECONDS),
            policy=_read_policy(environment, join),
            snapshots=read_snapshot_settings(environment),
            preparation=read_preparation_settings(environment),
            etcdctl=read_etcdctl_settings(environment),
            circuits=read_circuit_settings(environment),
        )


def _read_policy(environment: Mapping[str, str], join: Join) -> Policy:
    schemes = ("https", "http") if environment.get(TLS_SECRET) else ("http", "https")
    return Policy(
        replacement_deadline=read_number(
            environment, "QUORATE_REPLACEMENT_DEADLINE", Policy.replacement_deadline
        ),
        at_deadline=read_enum(environment, "QUORATE_AT_DEADLINE", AtDeadline),
        launch_deadline=read_number(environment, "QUORATE_LAUNCH_DEADLINE", Policy.launch_deadline),
        stale_grace=read_number(environment, "QUORATE_STALE_GRACE", Policy.stale_grace),
        peer_scheme=read_choice(environment, "QUORATE_PEER_SCHEME", schemes),
        peer_port=_read_port(environment, "QUORATE_PEER_PORT", Policy.peer_port),
        snapshots=read_snapshot_policy(environment),
        join=join,
        preparation=read_preparation_policy(environment),
    )


def _read_port(environment: Mapping[str, str], name: str, default: int) -> int:
    return read_whole_number(environment, name, default, least=1, most=_LAST_PORT)
