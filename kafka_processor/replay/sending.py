"""Sends copies to the input, some in each transaction, under the one id that all replays share.

Whoever takes that id over ends what the one before has left open, and shuts it out for good: so
what is in the input after `start` is all that there will be, but for what this process sends.
"""

import threading
import time
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from kafka_processor.clients.client_config import producer_config
from kafka_processor.clients.kafka_errors import (
    blames_record,
    describe,
    error_of,
    is_no_permission,
    is_producer_fenced,
    is_purged,
)
from kafka_processor.config import Settings
from kafka_processor.errors import ReplayError, StoppedError
from kafka_processor.replay.copies import headers_of, headers_of_copy
from kafka_processor.replay.failures import RecordRefused
from kafka_processor.replay.scanning import silent_log
from kafka_processor.replay.selection import Position

MAX_COPIES: Final = 1000
"""In one transaction."""
MAX_SECONDS: Final = 0.2
"""From the first copy of a transaction to its commit: for so long those who read the input, which
they do `read_committed`, wait before it with all that came later."""
START_TIMEOUT: Final = 30.0
STEP: Final = 1.0
"""Seconds of one call that waits: how fast a signal is noticed."""
ABORT_TIMEOUT: Final = 2.0
BATCH_SIZE: Final = 1_000_000
LARGEST_RECORD: Final = 1_000_000_000
"""The client's upper limit: what the topic takes is for the broker to say."""

AGAIN: Final = "run the same command again: what was sent is not sent twice"


def transactional_id(input_topic: str) -> str:
    """One for each input, whatever the group: two replays must not miss each other.

    No daemon has it: a topic has no '/', and in a daemon's id there is always one.
    """
    return f"kafka-processor-{input_topic}:replay"


class CopySender:
    """One producer. After anything raised by it it is of no use any more, but for `drop`."""

    def __init__(self, settings: Settings, one_by_one: bool) -> None:
        """`one_by_one`: each copy is acknowledged before the next is sent, so that of one that
        the broker refuses it is known which it is. Raises KafkaException for settings that the
        client does not take."""
        self._topic = settings.input_topic
        self._timeout = settings.transaction_timeout
        self._one_by_one = one_by_one
        self._failures: list[KafkaError] = []
        self._open: list[Position] = []
        self._deadline = 0.0
        self.is_unknown = False
        """Whether a commit was begun whose end is not known."""
        self._client = Producer(
            producer_config(settings, BATCH_SIZE)
            | {
                "transactional.id": transactional_id(self._topic),
                "transaction.timeout.ms": round(self._timeout * 1000),
                "message.max.bytes": LARGEST_RECORD,
                "on_delivery": self._on_delivery,
                "logger": silent_log(),
            }
        )

    def start(self, stopping: threading.Event) -> None:
        """Takes the id over: an open transaction is ended, and another replay can send no more.

        Raises ReplayError, StoppedError.
        """
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            if stopping.is_set():
                raise StoppedError
            try:
                self._client.init_transactions(STEP)
                return
            except KafkaException as exception:
                error = error_of(exception)
                if not error.retriable() or time.monotonic() > deadline:
                    raise self._failed(error) from None

    def is_due(self, now: float) -> bool:
        """Whether the open transaction is to be committed now; `now` of the monotonic clock."""
        return bool(self._open) and (len(self._open) >= MAX_COPIES or now >= self._deadline)

    def send(self, original: Message) -> None:
        """Begins a transaction where none is open.

        Raises ReplayError, RecordRefused.
        """
        partition, offset = original.partition() or 0, original.offset() or 0
        try:
            if not self._open:
                self._client.begin_transaction()
                self._deadline = time.monotonic() + min(MAX_SECONDS, self._timeout / 4)
            self._open.append((partition, offset))
            self._produce(original, partition, f"{self._topic}-{partition}-{offset}")
        except KafkaException as exception:
            error = error_of(exception)
            self._raise_failures()
            if blames_record(error):
                raise RecordRefused((partition, offset), error.str()) from None
            raise self._failed(error) from None
        if self._one_by_one:
            self._client.flush(self._timeout)
        self._raise_failures()

    def _produce(self, original: Message, partition: int, message_id: str) -> None:
        headers: Any = headers_of_copy(headers_of(original), message_id)
        value, key = original.value(), original.key()
        while True:
            try:
                self._client.produce(self._topic, value, key, partition, headers=headers)
            except BufferError:
                self._client.poll(0.01)
                self._raise_failures()
            else:
                self._client.poll(0)
                return

    def commit(self) -> list[Position]:
        """Commits the open transaction, if there is one; returns what was in it.

        Raises ReplayError, RecordRefused.
        """
        if not self._open:
            return []
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                self._client.commit_transaction(max(deadline - time.monotonic(), 0.1))
                break
            except KafkaException as exception:
                error = error_of(exception)
                self._raise_failures()
                if error.retriable() and time.monotonic() < deadline:
                    continue
                if error.txn_requires_abort():
                    raise self._failed(error) from None
                self.is_unknown = True
                raise ReplayError(
                    f"whether the last {len(self._open)} copies were committed is not known: "
                    f"{self._failed(error)}"
                ) from None
        committed, self._open = self._open, []
        return committed

    def drop(self) -> None:
        """Ends what is open, if it can: otherwise the broker does, after TRANSACTION_TIMEOUT."""
        try:
            if self._open and not self.is_unknown:
                self._client.purge()
                self._client.abort_transaction(ABORT_TIMEOUT)
        except KafkaException:
            pass
        self._open = []

    def _on_delivery(self, error: KafkaError | None, _message: Message) -> None:
        if error and not is_purged(error):
            self._failures.append(error)

    def _raise_failures(self) -> None:
        for error in self._failures:
            if blames_record(error):
                raise RecordRefused(self._open[-1] if self._one_by_one else None, error.str())
            raise self._failed(error)

    def _failed(self, error: KafkaError) -> ReplayError:
        if error.code() == KafkaError._FATAL:
            try:
                self._client.begin_transaction()
            except KafkaException as exception:
                error = error_of(exception)  # the cause, which `produce` does not tell
        if is_producer_fenced(error):
            return ReplayError(
                f"another replay of {self._topic} was started and has taken over, or this one "
                f"stood still for too long: it ends here; if no other goes on, {AGAIN}"
            )
        if is_no_permission(error):
            return ReplayError(
                f"no permission: {describe(error)}; it takes Write on topic {self._topic} and on "
                f"transactional id {transactional_id(self._topic)}"
            )
        return ReplayError(f"cannot go on: {describe(error)}; {AGAIN}")
