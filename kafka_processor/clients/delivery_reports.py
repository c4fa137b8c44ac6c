"""Records that a producer's client could not deliver, as its delivery reports name them."""

from typing import Final, NamedTuple

from confluent_kafka import KafkaError, Message, Producer

from kafka_processor.clients.kafka_errors import is_purged
from kafka_processor.timing import Deadline

REPORT_WAIT: Final = 0.1
"""Seconds after a failed commit in which the client reports a record that failed."""


class FailedRecord(NamedTuple):
    """A record that could not be delivered."""

    error: KafkaError
    topic: str


class DeliveryReports:
    """The failures of one client."""

    def __init__(self) -> None:
        self.failed: list[FailedRecord] = []

    def take(self, error: KafkaError | None, message: Message) -> None:
        """The client's callback."""
        if error and not is_purged(error):
            self.failed.append(FailedRecord(error, message.topic() or ""))

    def wait(self, client: Producer) -> None:
        """The client fails the commit first, and only then reports the record that is to blame."""
        deadline = Deadline(REPORT_WAIT)
        while not self.failed and (left := deadline.seconds_left) > 0:
            client.poll(left)
