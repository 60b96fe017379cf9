"""Reaches the members by etcdctl, which their instances run: no network, and no certificate here.

Each call of `EtcdEndpoint` becomes the arguments of one etcdctl. They are data in a fixed script: in
base64, decoded and handed over without a shell ever reading them. What etcdctl prints as JSON has the
names of the gateway's answers; its numbers are numbers, which Python reads exactly.

A command may reach its instance late. A change that does so is refused by the script itself, so that
nobody changes a cluster who was given up long ago.
"""

from __future__ import annotations

import base64
import json
import math
import re
import time
from typing import TYPE_CHECKING, Any, Final

from .etcd import EtcdEndpoint, Timeouts
from .etcd_errors import (
    UNREADABLE,
    EtcdError,
    NotEtcd,
    NotLeader,
    OutcomeUnknown,
    Refused,
    TlsProblem,
    Unreachable,
    meaning,
)
from .run_command import Ended, NotEnded

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from .access_settings import EtcdctlSettings
    from .etcd_answers import SnapshotChunk, StatusReport
    from .model import Instance
    from .run_command import Outcome, ShellCommands

DELIVERY_PATIENCE: Final = 8.0
"""Seconds for a command to reach its instance and for its answer to come back."""

_TOO_LATE: Final = 75
_ALARMS: Final[Mapping[object, str]] = {1: "NOSPACE", 2: "CORRUPT"}
_CODES: Final[Mapping[str, int]] = {
    "Canceled": 1,
    "Unknown": 2,
    "InvalidArgument": 3,
    "DeadlineExceeded": 4,
    "NotFound": 5,
    "AlreadyExists": 6,
    "PermissionDenied": 7,
    "ResourceExhausted": 8,
    "FailedPrecondition": 9,
    "Aborted": 10,
    "OutOfRange": 11,
    "Unimplemented": 12,
    "Internal": 13,
    "Unavailable": 14,
    "DataLoss": 15,
    "Unauthenticated": 16,
}
_EXCERPT: Final = 300

_SCRIPT: Final = """\
decode() { printf %s "$1" | base64 -d; }
if [ "$(date +%s)" -gt "${quorate_not_after}" ]; then
  echo 'quorate: the command came too late' >&2
  exit 75
fi
quorate_etcdctl=$(decode "${quorate_etcdctl}")
quorate_file=$(decode "${quorate_file}")
if [ -n "${quorate_file}" ]; then
  . "${quorate_file}" || exit 1
  export ETCDCTL_ENDPOINTS="${ETCD_ADVERTISE_CLIENT_URLS}"
  if [ -n "${ETCD_TRUSTED_CA_FILE}" ]; then
    export ETCDCTL_CACERT="${ETCD_TRUSTED_CA_FILE}"
    export ETCDCTL_CERT="${ETCD_CERT_FILE}" ETCDCTL_KEY="${ETCD_KEY_FILE}"
  fi
fi
decode "${quorate_arguments}" | xargs -0 -- "${quorate_etcdctl}"
"""
"""What an instance runs. All that differs is set before, as numbers and base64."""


def render(settings: EtcdctlSettings, arguments: Sequence[str], not_after: float) -> list[str]:
    """Write the script that calls etcdctl with these arguments, whatever is in them.

    Args:
        settings: How etcdctl is called.
        arguments: Its arguments; none holds a NUL, which no argument can.
        not_after: When it is too late, in seconds since the epoch.

    Returns:
        The lines of the script.
    """
    whole = [*settings.flags(), *arguments]
    data = {
        "quorate_not_after": str(math.ceil(not_after)),
        "quorate_etcdctl": _encoded(settings.etcdctl),
        "quorate_file": _encoded(settings.environment_file),
        "quorate_arguments": _encoded("".join(f"{one}\0" for one in whole)),
    }
    return [*(f"{name}={value}" for name, value in data.items()), *_SCRIPT.splitlines()]


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# --- calls ----------------------------------------------------------------------------------------


def arguments_for(path: str, body: Mapping[str, Any], timeout: float) -> list[str]:
    """Return the arguments of etcdctl that do what a call of the gateway does.

    Raises:
        EtcdError: etcdctl has nothing that does just that.
    """
    common = ["--write-out=json", f"--command-timeout={timeout:g}s", f"--dial-timeout={timeout:g}s"]
    return [*common, *_COMMANDS[path](body)]


def _hex(body: Mapping[str, Any], key: str) -> str:
    return f"{int(body[key]):x}"


def _alarm(body: Mapping[str, Any]) -> list[str]:
    if body["action"] != "GET":
        # It disarms those of all members at once.
        raise EtcdError(
            None,
            "an alarm of one member cannot be disarmed by etcdctl: run 'etcdctl alarm disarm' on an "
            "instance, which disarms all",
        )
    return ["alarm", "list"]


_COMMANDS: Final[Mapping[str, Callable[[Mapping[str, Any]], list[str]]]] = {
    "cluster/member/add": lambda body: [
        *("member", "add", "--learner", f"--peer-urls={','.join(body['peerURLs'])}"),
        # etcdctl asks for a name, which it only prints.
        *("--", "learner"),
    ],
    "cluster/member/list": lambda _: ["member", "list"],
    "cluster/member/promote": lambda body: ["member", "promote", _hex(body, "ID")],
    "cluster/member/remove": lambda body: ["member", "remove", _hex(body, "ID")],
    "kv/compaction": lambda body: ["compaction", "--physical", str(int(body["revision"]))],
    # Any key will do: it is asked whether a quorum answers.
    "kv/range": lambda _: ["get", "--consistency=l", "--keys-only", "--limit=1", "--", "quorate"],
    "maintenance/alarm": _alarm,
    "maintenance/defragment": lambda _: ["defrag"],
    "maintenance/status": lambda _: ["endpoint", "status"],
    "maintenance/transfer-leadership": lambda body: ["move-leader", _hex(body, "targetID")],
}

_WITHOUT_JSON: Final = frozenset(
    {"kv/compaction", "maintenance/defragment", "maintenance/transfer-leadership"}
)
"""Calls whose success etcdctl tells in words, or not at all."""


# --- answers --------------------------------------------------------------------------------------


def answer_of(path: str, outcome: Outcome, where: str, *, changes: bool) -> dict[str, Any]:
    """Return what the gateway would have answered.

    Args:
        path: The call.
        outcome: What became of the command.
        where: Who was asked, for errors.
        changes: Whether it changes something.

    Raises:
        EtcdError: As its class tells.
    """
    if isinstance(outcome, NotEnded):
        kind = OutcomeUnknown if changes and outcome.sent else Unreachable
        raise kind(None, outcome.why, where)
    if outcome.exit_code != 0:
        raise _error(outcome, where, changes=changes)
    if path in _WITHOUT_JSON:
        return {}
    try:
        answer = json.loads(outcome.stdout)
        if path == "maintenance/status":
            answer = answer[0]["Status"]
        if path == "maintenance/alarm":
            for alarm in answer.get("alarms", ()):
                alarm["alarm"] = _ALARMS.get(alarm.get("alarm"), alarm.get("alarm"))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        told = f"{outcome.stdout[:_EXCERPT]!r}"
        raise NotEtcd(None, f"this is not what etcdctl prints: {told}", where) from error
    if not isinstance(answer, dict):
        raise NotEtcd(None, f"etcdctl printed JSON of no object: {answer!r:.300}", where)
    return answer


def _error(ended: Ended, where: str, *, changes: bool) -> EtcdError:
    """The error that etcdctl's words stand for."""
    if ended.exit_code == _TOO_LATE:
        return Unreachable(
            None, "the command reached the instance too late, and did nothing", where
        )
    if "authentication handshake failed" in ended.stderr or "x509:" in ended.stderr:
        return TlsProblem(None, f"no TLS by etcdctl: {_tail(ended.stderr)}", where)
    said = re.findall(r"^(?:Error: |Failed to get the status of )(.*)$", ended.stderr, re.MULTILINE)
    codes = re.findall(r"code = (\w+) desc = ", ended.stderr)
    timed_out = bool(said) and "context deadline exceeded" in said[-1]
    if said and (codes or timed_out):
        return _refusal(ended, said[-1], codes[-1] if codes else "DeadlineExceeded", where, changes)
    if said and "no leader endpoint" in said[-1]:
        return NotLeader(None, said[-1], where)
    # It did not come so far as to ask etcd: no such program, no such file.
    told = said[-1] if said else _tail(ended.stderr)
    return EtcdError(None, f"etcdctl does not work there: {told}", where)


def _refusal(
    ended: Ended,
    said: str,
    code: str,
    where: str,
    changes: bool,  # noqa: FBT001
) -> EtcdError:
    """The error of an etcd that was asked; of one that does not answer, if that is certain."""
    if not changes and "connection refused" in ended.stderr:
        return Refused(None, "connection refused", where)
    if not changes and ("connection error" in ended.stderr or said.startswith("endpoint ")):
        return Unreachable(None, said, where)
    return meaning(_CODES.get(code, _CODES["Unknown"]), said, where, tls=False, user=None)


def _tail(text: str) -> str:
    stripped = text.strip()
    return stripped if len(stripped) <= _EXCERPT else f"...{stripped[-_EXCERPT:]}"


# --- the members ----------------------------------------------------------------------------------


class Etcdctl:
    """The way to one member by commands that its instance runs: a `Transport`.

    Attributes:
        address: The address of the member.
    """

    def __init__(
        self,
        address: str,
        instance_id: str | None,
        settings: EtcdctlSettings,
        commands: ShellCommands,
        clock: Callable[[], float],
    ) -> None:
        """Take where it is; nothing is sent yet.

        Args:
            address: The address of the member.
            instance_id: Its instance; None if none of the group has that address.
            settings: How etcdctl is called there.
            commands: What sends commands.
            clock: Returns seconds since the epoch.
        """
        self.address = address
        self._instance_id = instance_id
        self._settings = settings
        self._commands = commands
        self._now = clock

    def post(
        self, path: str, body: Mapping[str, Any], timeout: float, *, changes: bool
    ) -> dict[str, Any]:
        """Ask for something; see `Transport`."""
        if self._instance_id is None:
            raise Unreachable(None, "no instance of the group has this address", self.address)
        arguments = arguments_for(path, body, timeout)
        patience = timeout + DELIVERY_PATIENCE
        lines = render(self._settings, arguments, self._now() + patience)
        outcomes = self._commands.run([self._instance_id], lines, patience, changes=changes)
        return answer_of(path, outcomes[self._instance_id], self.address, changes=changes)

    def snapshot(self, timeout: float) -> Generator[SnapshotChunk, None, None]:
        """Refuse: a database does not fit through the output of a command.

        Raises:
            EtcdError: Always.
        """
        raise EtcdError(
            None,
            f"no snapshot comes by SSM Run Command, not within {timeout:.0f} s nor ever: take it on an "
            "instance by etcdctl",
            self.address,
        )

    def close(self) -> None:
        """Nothing is kept."""


class EtcdctlEndpoints:
    """The members of one cluster by address, each reached by commands that its instance runs."""

    def __init__(
        self,
        settings: EtcdctlSettings,
        commands: ShellCommands,
        *,
        clock: Callable[[], float] = time.time,
        timeouts: Timeouts | None = None,
    ) -> None:
        """Start with none.

        Args:
            settings: How etcdctl is called.
            commands: What sends commands.
            clock: Returns seconds since the epoch.
            timeouts: How long etcdctl may take for a status.
        """
        self._settings = settings
        self._commands = commands
        self._clock = clock
        self._timeouts = timeouts or Timeouts()
        self._instances: dict[str, str] = {}
        self._known: dict[tuple[str, str | None], EtcdEndpoint] = {}

    def know(self, instances: Iterable[Instance]) -> None:
        """Take which instance has which address."""
        self._instances = {one.address: one.id for one in instances if one.address}

    def at(self, address: str) -> EtcdEndpoint:
        """Return the member at an address; see `EtcdAccess`."""
        key = (address, self._instances.get(address))
        known = self._known.get(key)
        return known or self._known.setdefault(
            key,
            EtcdEndpoint(
                address, transport=Etcdctl(*key, self._settings, self._commands, self._clock)
            ),
        )

    def keep(self, addresses: Iterable[str]) -> None:
        """Forget all others."""
        kept = set(addresses)
        for key in [one for one in self._known if one[0] not in kept]:
            del self._known[key]

    def statuses(self, asked: Mapping[str, bool]) -> Mapping[str, StatusReport | EtcdError]:
        """Ask members for their status by one command to all of their instances."""
        answers = self._ask_all("maintenance/status", list(asked), self._timeouts.status)
        starting = [
            one for one, read in asked.items() if read and not isinstance(answers[one], EtcdError)
        ]
        reads = self._ask_all("kv/range", starting, self._timeouts.status)
        return {address: self._report(address, answers[address], reads) for address in asked}

    def _report(
        self,
        address: str,
        answer: dict[str, Any] | EtcdError,
        reads: Mapping[str, dict[str, Any] | EtcdError],
    ) -> StatusReport | EtcdError:
        if isinstance(answer, EtcdError):
            return answer
        read = reads.get(address)
        if isinstance(read, EtcdError) and not isinstance(read, UNREADABLE):
            return read
        try:
            return self.at(address).report(
                answer, reads=None if read is None else not isinstance(read, EtcdError)
            )
        except EtcdError as error:
            return error

    def _ask_all(
        self, path: str, addresses: Sequence[str], timeout: float
    ) -> dict[str, dict[str, Any] | EtcdError]:
        known = {one: self._instances[one] for one in addresses if one in self._instances}
        patience = timeout + DELIVERY_PATIENCE
        lines = render(self._settings, arguments_for(path, {}, timeout), self._clock() + patience)
        outcomes: Mapping[str, Outcome] = {}
        if known:
            outcomes = self._commands.run(list(known.values()), lines, patience)

        def answer(address: str) -> dict[str, Any] | EtcdError:
            if address not in known:
                return Unreachable(None, "no instance of the group has this address", address)
            try:
                return answer_of(path, outcomes[known[address]], address, changes=False)
            except EtcdError as error:
                return error

        return {one: answer(one) for one in addresses}
