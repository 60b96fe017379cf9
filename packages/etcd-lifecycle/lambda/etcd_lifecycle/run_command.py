"""Has instances run the lines of a shell script, by SSM Run Command, and waits for their end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError
from python_retry import CircuitOpenError

from .aws import error_code, explain, is_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_ssm.type_defs import GetCommandInvocationResultTypeDef

    from .dependency import Dependency

DOCUMENT: Final = "AWS-RunShellScript"
"""The document of SSM that runs the lines of a shell script."""

DELIVERY_SECONDS: Final = 30
"""How long SSM may take to deliver a command: the least that it takes for this."""

RUNNING: Final = frozenset({"Pending", "InProgress", "Delayed", "Cancelling"})
"""The states of a command that has not ended."""

POLL_SECONDS: Final = 0.3
"""Between two looks whether a command has ended."""


@dataclass(frozen=True)
class Ended:
    """A script that has ended.

    Attributes:
        exit_code: Its exit code.
        stdout: What it wrote; SSM keeps 24,000 characters.
        stderr: What it wrote as errors; SSM keeps 8,000 characters.
    """

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class NotEnded:
    """A script of which no end is known.

    Attributes:
        why: Why, in a sentence.
        sent: Whether it may have run, or run yet.
    """

    why: str
    sent: bool


Outcome: TypeAlias = Ended | NotEnded


class ShellCommands:
    """Sends scripts to instances, and waits for their end."""

    def __init__(
        self,
        ssm: SSMClient,
        dependency: Dependency,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Take what it works with; nothing is called yet.

        Args:
            ssm: The client of SSM.
            dependency: The dependency of SSM Run Command.
            clock: Returns seconds that never go back.
            sleep: Waits for the seconds that it is given.
        """
        self._ssm = ssm
        self._dependency = dependency
        self._clock = clock
        self._sleep = sleep

    def run(
        self,
        instance_ids: Sequence[str],
        lines: Sequence[str],
        patience: float,
        *,
        changes: bool = False,
    ) -> Mapping[str, Outcome]:
        """Have instances run a script at the same time, and wait for the end of each.

        Args:
            instance_ids: The instances; 50 at most.
            lines: The lines of the script.
            patience: How long it is waited, in seconds.
            changes: Whether it changes something, so that it is sent once.

        Returns:
            What became of it, by instance.
        """
        end = self._clock() + patience
        try:
            command = self._send(instance_ids, lines, patience, attempts=1 if changes else 3)
        except CircuitOpenError as error:
            return dict.fromkeys(instance_ids, NotEnded(f"not asked: {error}", sent=False))
        except (ClientError, BotoCoreError) as error:
            if error_code(error) == "InvalidInstanceId" and len(instance_ids) > 1:
                # One that SSM does not know (any more) must not hide the others.
                alone = [
                    self.run([one], lines, end - self._clock(), changes=changes)
                    for one in instance_ids
                ]
                return {key: value for each in alone for key, value in each.items()}
            untold = NotEnded(_not_sent(error), sent=is_failure(error))
            return dict.fromkeys(instance_ids, untold)
        return {one: self._wait(command, one, end, patience) for one in instance_ids}

    def _send(
        self, instance_ids: Sequence[str], lines: Sequence[str], patience: float, *, attempts: int
    ) -> str:
        answer = self._dependency.call(
            lambda: self._ssm.send_command(
                InstanceIds=list(instance_ids),
                DocumentName=DOCUMENT,
                Comment="Quorate asks etcd",
                TimeoutSeconds=DELIVERY_SECONDS,
                Parameters={
                    "commands": list(lines),
                    "executionTimeout": [str(max(1, int(patience)))],
                },
            ),
            "SendCommand",
            attempts=attempts,
        )
        return answer["Command"]["CommandId"]

    def _wait(self, command: str, instance_id: str, end: float, patience: float) -> Outcome:
        status = "Pending"
        while True:
            try:
                answer = self._look(command, instance_id)
            except CircuitOpenError as error:
                return NotEnded(f"sent, but its end cannot be seen: {error}", sent=True)
            except (ClientError, BotoCoreError) as error:
                return NotEnded(f"sent, but its end cannot be seen: {explain(error)}", sent=True)
            if answer is not None:
                status = answer["Status"]
                if status not in RUNNING:
                    return _ended(answer)
            if self._clock() + POLL_SECONDS > end:
                return NotEnded(_too_late(status, patience), sent=True)
            self._sleep(POLL_SECONDS)

    def _look(self, command: str, instance_id: str) -> GetCommandInvocationResultTypeDef | None:
        """How a command stands; None as long as that is not known, right after it was sent."""
        try:
            return self._dependency.call(
                lambda: self._ssm.get_command_invocation(CommandId=command, InstanceId=instance_id),
                "GetCommandInvocation",
            )
        except ClientError as error:
            if error_code(error) == "InvocationDoesNotExist":
                return None
            raise


def _ended(answer: GetCommandInvocationResultTypeDef) -> Outcome:
    status, details = answer["Status"], answer.get("StatusDetails", "")
    if status in {"Success", "Failed"} and answer.get("ResponseCode", -1) >= 0:
        return Ended(
            answer["ResponseCode"],
            answer.get("StandardOutputContent", ""),
            answer.get("StandardErrorContent", ""),
        )
    undelivered = details in {"DeliveryTimedOut", "Undeliverable", "Terminated"}
    return NotEnded(f"the command has ended as {details or status}", sent=not undelivered)


def _too_late(status: str, patience: float) -> str:
    if status in {"Pending", "Delayed"}:
        return (
            f"the instance has not taken the command within {patience:.0f} s: it is down or hangs, or "
            "its SSM agent does not run, or has no way to SSM"
        )
    return f"the command has not ended within {patience:.0f} s"


def _not_sent(error: Exception) -> str:
    told = f"no command could be sent: {explain(error)}"
    if error_code(error) == "InvalidInstanceId":
        told += (
            "; SSM does not know the instance: its agent does not run, has no way to SSM, or its role "
            "lacks the managed policy AmazonSSMManagedInstanceCore"
        )
    return told
