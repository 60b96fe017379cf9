"""The join configuration of an instance, handed over as an SSM parameter.

The value is an environment file, as systemd's ``EnvironmentFile=`` and ``set -a; . file`` of a
POSIX shell take it, with etcd's own variables: the instance needs no parser. No value can hold a
character that either would interpret.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

from .model import JoinConfiguration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mypy_boto3_ssm import SSMClient

    from .dependency import Dependency

_LOG = logging.getLogger(__name__)

_REQUIRED: Final[Mapping[str, str]] = {
    "ETCD_NAME": "name",
    "ETCD_INITIAL_CLUSTER": "initial_cluster",
    "ETCD_INITIAL_CLUSTER_STATE": "initial_cluster_state",
    "ETCD_INITIAL_CLUSTER_TOKEN": "initial_cluster_token",
}
# Read by `start-member.sh`; etcd does not know them.
_RESTORE: Final[Mapping[str, str]] = {
    "QUORATE_SNAPSHOT": "snapshot",
    "QUORATE_BUMP_REVISION": "bump_revision",
}
_VARIABLES: Final[Mapping[str, str]] = {**_REQUIRED, **_RESTORE}
_PLAIN_VALUE: Final = re.compile(r"[A-Za-z0-9._:/,=\[\]@%+-]+")
_STATES: Final = ("new", "existing")
_NAMES_PER_CALL: Final = 10  # the most that GetParameters takes
_LARGEST_VALUE: Final = 4096  # bytes of a standard parameter


class JoinFormatError(ValueError):
    """A text is no join configuration, or a join configuration cannot be written as one."""


def render(join: JoinConfiguration) -> str:
    """Write a join configuration as an environment file.

    Raises:
        JoinFormatError: A value is empty, holds a character that a shell or systemd would
            interpret, or the whole is too large for a parameter.
    """
    _check(join)
    text = "".join(f"{name}={value}\n" for name, value in _written(join).items())
    if len(text) > _LARGEST_VALUE:
        raise JoinFormatError(
            f"the join configuration takes {len(text)} bytes, and a standard SSM parameter holds "
            f"{_LARGEST_VALUE}: the cluster has too many members"
        )
    return text


def parse(text: str) -> JoinConfiguration:
    """Read what `render` wrote, and nothing else.

    Raises:
        JoinFormatError: It is not just that.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        variable, equals, value = line.partition("=")
        if not equals or variable not in _VARIABLES:
            raise JoinFormatError(f"line {number} sets none of {', '.join(_VARIABLES)}: {line!r}")
        if variable in values:
            raise JoinFormatError(f"line {number} sets {variable} a second time")
        values[variable] = value
    required = _VARIABLES if _RESTORE.keys() & values.keys() else _REQUIRED
    missing = [variable for variable in required if variable not in values]
    if missing:
        raise JoinFormatError(f"it does not set {', '.join(missing)}")
    bump = values.pop("QUORATE_BUMP_REVISION", "0")
    if not bump.isdecimal():
        raise JoinFormatError(f"QUORATE_BUMP_REVISION is {bump!r}, but must be a whole number")
    texts = {_VARIABLES[variable]: value for variable, value in values.items()}
    join = JoinConfiguration(**texts, bump_revision=int(bump))
    _check(join)
    return join


def _written(join: JoinConfiguration) -> dict[str, str]:
    """The variables that a join configuration sets."""
    variables = _VARIABLES if join.snapshot else _REQUIRED
    return {variable: str(getattr(join, name)) for variable, name in variables.items()}


def _check(join: JoinConfiguration) -> None:
    for variable, value in _written(join).items():
        if not _PLAIN_VALUE.fullmatch(value):
            raise JoinFormatError(
                f"{variable} is {value!r}, but must be of letters, digits and . _ : / , = [ ] @ % "
                "+ - only"
            )
    if join.initial_cluster_state not in _STATES:
        raise JoinFormatError(
            f"ETCD_INITIAL_CLUSTER_STATE is {join.initial_cluster_state!r}, but must be "
            f"{' or '.join(_STATES)}"
        )


def _parsed(name: str, text: str) -> JoinConfiguration | None:
    """Read a parameter; None, with a log record, if somebody wrote something else into it."""
    try:
        return parse(text)
    except JoinFormatError as error:
        _LOG.warning("the parameter %s is no join configuration: %s", name, error)
        return None


class JoinParameters:
    """The SSM parameters ``/<prefix>/<cluster>/<instance id>``."""

    def __init__(self, prefix: str, cluster: str, ssm: SSMClient, dependency: Dependency) -> None:
        """Take where they are; nothing is called yet.

        Args:
            prefix: The first part of the path, with or without slashes around it.
            cluster: The name of the cluster.
            ssm: The client of SSM.
            dependency: The dependency of SSM.
        """
        self._path = f"/{prefix.strip('/')}/{cluster}"
        self._ssm = ssm
        self._dependency = dependency

    def parameter_name(self, instance_id: str) -> str:
        """Return the name of an instance's parameter."""
        return f"{self._path}/{instance_id}"

    def hand_over(self, instance_id: str, join: JoinConfiguration) -> None:
        """Give an instance its join configuration, in place of any earlier one.

        Raises:
            JoinFormatError: It cannot be written as an environment file.
            CircuitOpenError: The breaker refused the call.
            botocore.exceptions.ClientError: SSM refused it.
        """
        value = render(join)
        self._dependency.call(
            lambda: self._ssm.put_parameter(
                Name=self.parameter_name(instance_id), Value=value, Type="String", Overwrite=True
            ),
            "PutParameter",
        )

    def read(self, instance_ids: Iterable[str]) -> Mapping[str, JoinConfiguration]:
        """Return what was handed over to these instances.

        One that is no join configuration (somebody edited it) is logged and left out, so that it is
        handed over anew.

        Raises:
            CircuitOpenError: The breaker refused a call.
            botocore.exceptions.ClientError: SSM refused it.
        """
        names = [self.parameter_name(instance_id) for instance_id in instance_ids]
        chunks = [names[at : at + _NAMES_PER_CALL] for at in range(0, len(names), _NAMES_PER_CALL)]
        values = [value for chunk in chunks for value in self._values(chunk)]
        joins = {name.removeprefix(f"{self._path}/"): _parsed(name, text) for name, text in values}
        return {instance_id: join for instance_id, join in joins.items() if join is not None}

    def withdraw(self, instance_id: str) -> None:
        """Delete an instance's parameter; one that is absent is fine.

        Raises:
            CircuitOpenError: The breaker refused the call.
            botocore.exceptions.ClientError: SSM refused it.
        """
        self._dependency.call(
            # Unlike DeleteParameter, it does not take a parameter that is absent for an error.
            lambda: self._ssm.delete_parameters(Names=[self.parameter_name(instance_id)]),
            "DeleteParameters",
        )

    def _values(self, names: list[str]) -> list[tuple[str, str]]:
        answer = self._dependency.call(
            lambda: self._ssm.get_parameters(Names=names), "GetParameters"
        )
        return [(one["Name"], one["Value"]) for one in answer["Parameters"]]
