"""Has an instance hand over what else it does, before its member is removed.

Either a function of Lambda is called, and waited for; or a command is sent to the instance by SSM Run
Command, whose end is seen by later looks. What was begun is recorded first: a run that dies leaves it
to the next one, which asks again as long as there is time. So whoever is asked may be asked twice.
"""

from __future__ import annotations

import json
import queue
import shlex
import threading
import time
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from botocore.exceptions import ClientError, ReadTimeoutError

from .act import Outcome, Result
from .aws import error_code, explain, is_failure
from .model import Preparation, PreparationState
from .run_command import DELIVERY_SECONDS, DOCUMENT, RUNNING
from .snapshot import RESERVE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_ssm import SSMClient

    from .aws import LambdaClient
    from .dependency import Dependency
    from .journal import Journal
    from .model import ClusterView, PrepareRemoval
    from .telemetry import Telemetry

T = TypeVar("T")


KEEP_ALIVE_SECONDS: Final = 5.0
"""How often a run that waits says that it is alive: more than once within the time of a lease."""

_SHOWN: Final = 200


class PreparationError(Exception):
    """The instance has not handed over, and the error says why."""


class _OutOfTimeError(Exception):
    """The time of the run is over, but not that of the preparation."""


@dataclass(frozen=True)
class Request:
    """What whoever is asked is told.

    Attributes:
        instance_id: The instance that goes.
        private_ip: Its private address.
        member_id: Its member, in hexadecimal, as etcdctl prints it.
        cluster_name: The name of the cluster.
        deadline: When it must be done, in seconds since the epoch.
    """

    instance_id: str
    private_ip: str
    member_id: str
    cluster_name: str
    deadline: float

    @property
    def values(self) -> Mapping[str, str]:
        """What is told, by the names of the payload; the deadline in ISO 8601."""
        moment = datetime.fromtimestamp(self.deadline, timezone.utc)
        return {
            "instanceId": self.instance_id,
            "privateIp": self.private_ip,
            "memberId": self.member_id,
            "clusterName": self.cluster_name,
            "deadline": moment.isoformat(timespec="seconds").replace("+00:00", "Z"),
        }


class Means(Protocol):
    """The way in which an instance is asked."""

    waits: bool
    """Whether `ask` waits for the end; otherwise it returns the id of a command to be followed."""

    def ask(self, request: Request, seconds: float, keep_alive: Callable[[], object]) -> str:
        """Ask an instance to hand over.

        Args:
            request: What it is told.
            seconds: How long it may take.
            keep_alive: Is called every few seconds while it is waited; what it raises ends the wait.

        Returns:
            What is to be said of it, or the id of the command.

        Raises:
            PreparationError: It has not handed over.
            CircuitOpenError: The service is not called now.
            botocore.exceptions.ClientError: The service fails.
        """

    def follow(self, instance_id: str, command: str) -> tuple[PreparationState, str]:
        """Look how far a command is, and what is to be said of it."""


class HandOverFunction:
    """A function of Lambda: it has handed over when it returns, and has not when it raises."""

    waits = True

    def __init__(
        self, name: str, client: Callable[[float], LambdaClient], dependency: Dependency
    ) -> None:
        """Take the function; nothing is called yet.

        Args:
            name: Its name or ARN.
            client: Makes a client that waits so many seconds for an answer.
            dependency: The dependency of Lambda.
        """
        self._name = name
        self._client = client
        self._dependency = dependency

    def ask(self, request: Request, seconds: float, keep_alive: Callable[[], object]) -> str:
        """Call the function and wait for its end; see `Means`."""
        client = self._client(seconds)

        def invoke() -> tuple[str | None, bytes]:
            answer = client.invoke(
                FunctionName=self._name,
                InvocationType="RequestResponse",
                Payload=json.dumps(request.values).encode(),
            )
            # Read here: the time-out is for this too.
            return answer.get("FunctionError"), answer["Payload"].read()

        try:
            error, payload = _waiting(
                # Once: it may have been called although no answer came.
                lambda: self._dependency.call(invoke, "Invoke", attempts=1),
                keep_alive,
            )
        except ReadTimeoutError as late:
            raise PreparationError(f"{self._name} did not return within {seconds:.0f} s") from late
        if error is not None:
            raise PreparationError(f"{self._name} failed: {_told(payload)}")
        return f"{self._name} returned"

    def follow(self, _instance_id: str, _command: str) -> tuple[PreparationState, str]:
        """Nobody follows a command that was sent before a function was called instead."""
        return PreparationState.RUNNING, ""


class HandOverCommand:
    """Lines of a shell script that the instance runs: it has handed over if the exit code is 0."""

    waits = False

    def __init__(self, lines: Sequence[str], ssm: SSMClient, dependency: Dependency) -> None:
        """Take the script; nothing is called yet.

        Args:
            lines: Its lines.
            ssm: The client of SSM.
            dependency: The dependency of SSM.
        """
        self._lines = lines
        self._ssm = ssm
        self._dependency = dependency

    def ask(self, request: Request, seconds: float, keep_alive: Callable[[], object]) -> str:
        """Send the command, and return its id; see `Means`."""
        keep_alive()
        answer = self._dependency.call(
            lambda: self._ssm.send_command(
                InstanceIds=[request.instance_id],
                DocumentName=DOCUMENT,
                Comment=f"Before {request.instance_id} leaves the etcd cluster",
                TimeoutSeconds=DELIVERY_SECONDS,
                Parameters={
                    "commands": [*_exports(request.values), *self._lines],
                    "executionTimeout": [str(max(1, int(seconds)))],
                },
            ),
            "SendCommand",
            # Once: it may have been sent although no answer came.
            attempts=1,
        )
        return answer["Command"]["CommandId"]

    def follow(self, instance_id: str, command: str) -> tuple[PreparationState, str]:
        """Ask SSM how far the command is; see `Means`."""
        try:
            answer = self._dependency.call(
                lambda: self._ssm.get_command_invocation(CommandId=command, InstanceId=instance_id),
                "GetCommandInvocation",
            )
        except ClientError as error:
            if error_code(error) == "InvocationDoesNotExist":
                return PreparationState.RUNNING, ""  # it was sent just now
            raise
        status = answer["Status"]
        if status in RUNNING:
            return PreparationState.RUNNING, ""
        if status == "Success":
            return PreparationState.DONE, f"command {command} has ended well"
        said = answer.get("StandardErrorContent") or answer.get("StandardOutputContent") or ""
        told = f"command {command}: {answer.get('StatusDetails') or status}"
        if answer.get("ResponseCode", -1) >= 0:
            told += f", exit code {answer['ResponseCode']}"
        return PreparationState.FAILED, f"{told}: {_told(said.encode())}" if said else told


class Preparations:
    """Asks instances to hand over, and records that and what became of it."""

    def __init__(  # noqa: PLR0913 -- its parts
        self,
        means: Means,
        journal: Journal,
        telemetry: Telemetry,
        cluster: str,
        timeout: float,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take what it works with.

        Args:
            means: The way in which an instance is asked.
            journal: Where it is recorded.
            telemetry: Logs.
            cluster: The name of the cluster.
            timeout: How long it may take, in seconds.
            clock: Returns seconds since the epoch.
        """
        self._means = means
        self._journal = journal
        self._telemetry = telemetry
        self._cluster = cluster
        self._timeout = timeout
        self._clock = clock

    @property
    def waits(self) -> float:
        """How long a run may have to wait for one, in seconds."""
        return self._timeout if self._means.waits else 0

    def follow(self, recorded: Mapping[str, Preparation]) -> Mapping[str, Preparation]:
        """Return what is recorded, with what is known by now of those that run."""
        return {
            instance_id: self._followed(instance_id, one) for instance_id, one in recorded.items()
        }

    def prepare(
        self,
        action: PrepareRemoval,
        view: ClusterView,
        *,
        seconds_left: Callable[[], float],
        keep_alive: Callable[[], object],
    ) -> Outcome:
        """Ask an instance to hand over.

        Args:
            action: Which one.
            view: The view that it was decided on.
            seconds_left: How long the run may still take.
            keep_alive: Is called every few seconds while it is waited; what it raises ends the wait.

        Returns:
            What became of it; if it failed, this is recorded, and the plan says what follows.
        """
        instance = view.instance(action.instance_id)
        begun = self._begin(action.instance_id, view.preparations.get(action.instance_id))
        request = Request(
            instance_id=action.instance_id,
            private_ip=instance.address or "" if instance else "",
            member_id=f"{action.member_id:x}",
            cluster_name=self._cluster,
            deadline=begun.begun + self._timeout,
        )
        try:
            said = self._ask(request, seconds_left, keep_alive)
        except _OutOfTimeError as error:
            return Outcome(Result.NOT_NOW, str(error))
        except PreparationError as error:
            return self._failed(action.instance_id, begun, str(error))
        except ClientError as error:
            if is_failure(error):
                raise  # the next run asks again, as long as there is time
            return self._failed(action.instance_id, begun, explain(error))
        ended = (
            replace(begun, state=PreparationState.DONE, detail=said)
            if self._means.waits
            else replace(begun, command=said)
        )
        self._journal.record_preparation(action.instance_id, ended)
        return Outcome(Result.DONE, said if self._means.waits else f"command {said} is sent")

    def _begin(self, instance_id: str, known: Preparation | None) -> Preparation:
        """Record the attempt, unless it is one that a run has left behind."""
        now = self._clock()
        left_behind = (
            known is not None
            and known.state is PreparationState.RUNNING
            and not known.command
            and now < known.begun + self._timeout
        )
        if known is not None and left_behind:
            return known
        begun = Preparation(now)
        self._journal.record_preparation(instance_id, begun)
        return begun

    def _ask(
        self,
        request: Request,
        seconds_left: Callable[[], float],
        keep_alive: Callable[[], object],
    ) -> str:
        wanted = request.deadline - self._clock()
        seconds = min(wanted, seconds_left() - RESERVE_SECONDS) if self._means.waits else wanted
        cut_short = seconds < wanted
        if seconds <= 0:
            raise _OutOfTimeError("the time of this run is over: the next one asks again")
        try:
            return self._means.ask(request, seconds, keep_alive)
        except PreparationError as error:
            if cut_short and isinstance(error.__cause__, ReadTimeoutError):
                raise _OutOfTimeError(
                    f"{error}, which is all of this run's time: give the function a timeout of at "
                    f"least {self._timeout + RESERVE_SECONDS + 10:.0f} s"
                ) from error
            raise

    def _failed(self, instance_id: str, begun: Preparation, reason: str) -> Outcome:
        failed = replace(begun, state=PreparationState.FAILED, detail=reason)
        self._journal.record_preparation(instance_id, failed)
        self._telemetry.log("ERROR", f"{instance_id} has not handed over: {reason}")
        return Outcome(Result.FAILED, reason)

    def _followed(self, instance_id: str, one: Preparation) -> Preparation:
        if one.state is not PreparationState.RUNNING or not one.command:
            return one
        state, detail = self._means.follow(instance_id, one.command)
        return replace(one, state=state, detail=detail)


def _waiting(
    call: Callable[[], T], keep_alive: Callable[[], object], pause: float = KEEP_ALIVE_SECONDS
) -> T:
    """Call in another thread, which is left behind if the wait is ended."""
    answers: queue.Queue[tuple[T | None, Exception | None]] = queue.Queue()

    def work() -> None:
        try:
            answers.put((call(), None))
        except Exception as error:  # noqa: BLE001 -- raised where it is waited for
            answers.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    while True:
        try:
            answer, error = answers.get(timeout=pause)
        except queue.Empty:
            keep_alive()
            continue
        if error is not None:
            raise error
        return answer  # type: ignore[return-value] # without an error there is an answer


def _exports(values: Mapping[str, str]) -> list[str]:
    """Lines that set what is told as variables, such as ``QUORATE_INSTANCE_ID``."""
    return [f"export QUORATE_{_snake(name)}={shlex.quote(value)}" for name, value in values.items()]


def _snake(name: str) -> str:
    return "".join(f"_{one}" if one.isupper() else one.upper() for one in name)


def _told(payload: bytes) -> str:
    """The end of what was said: of an error of a function, its message."""
    text = payload.decode(errors="replace").strip()
    try:
        value: Any = json.loads(text)
    except ValueError:
        value = None
    if isinstance(value, dict) and "errorMessage" in value:
        text = f"{value.get('errorType', 'error')}: {value['errorMessage']}"
    return text if len(text) <= _SHOWN else f"...{text[-_SHOWN:]}"
