"""What an invocation brings: hints are handed on, nonsense goes to the dead-letter queue."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .events import Hint, Ignored, Malformed, read_event, read_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient

    from .dependency import Dependency
    from .events import Message
    from .telemetry import Telemetry


class MalformedEventError(Exception):
    """What came is no event, and there is no dead-letter queue to put it into."""


@dataclass(frozen=True)
class Inbox:
    """Takes what the queue, or EventBridge, invokes the function with.

    Attributes:
        cluster: The name of the cluster.
        group: The name of its Auto Scaling group: events of others are ignored.
        dead_letter_queue_url: Where nonsense goes; None: it fails the invocation.
        client: Returns the client of SQS.
        dependency: The dependency of SQS.
        telemetry: Logs.
    """

    cluster: str
    group: str
    dead_letter_queue_url: str | None
    client: Callable[[], SQSClient]
    dependency: Dependency
    telemetry: Telemetry

    def take(self, event: object) -> list[Hint]:
        """Take the messages of an event.

        Args:
            event: A batch of SQS messages, or a single event of EventBridge; anything else is
                malformed.

        Returns:
            Those that are a reason to look at the cluster.

        Raises:
            MalformedEventError: There is nonsense, and no queue for it.
        """
        return [hint for text, message in self._read(event) if (hint := self._sort(text, message))]

    def _read(self, event: object) -> list[tuple[str, Message]]:
        records = event.get("Records") if isinstance(event, dict) else None
        if not isinstance(records, list):
            return [(json.dumps(event), read_event(event, self.group))]
        return [(body, read_message(body, self.group)) for body in map(_body, records)]

    def _sort(self, text: str, message: Message) -> Hint | None:
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
        queue_url = self.dead_letter_queue_url
        if queue_url is None:
            raise MalformedEventError("the event is none that the function knows: see its log")
        self.dependency.call(
            lambda: self.client().send_message(
                QueueUrl=queue_url, MessageBody=text or " ", MessageGroupId=self.cluster
            ),
            "SendMessage",
        )


def _body(record: object) -> str:
    """The text of a message; of a record that is no message, as another service sends, all of it."""
    body = record.get("body") if isinstance(record, dict) else None
    return body if isinstance(body, str) else json.dumps(record)
