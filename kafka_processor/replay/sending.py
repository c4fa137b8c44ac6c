"""Sends copies to the input in transactions, under a transactional id that all replays share.

Taking over the id aborts the open transaction of the previous owner and fences it. So after `start`
only this process can add copies to the input.
"""

import threading
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
from kafka_processor.clients.reader_connection import SILENT
from kafka_processor.config import Settings
from kafka_processor.errors import ReplayError, StoppedError
from kafka_processor.message_id import Position, id_at
from kafka_processor.replay.copies import headers_of, headers_of_copy
from kafka_processor.replay.failures import RecordRefused
from kafka_processor.replay.scanning import STOPPED
from kafka_processor.timing import Deadline

MAX_COPIES: Final = 1000
"""Copies in one transaction."""
MAX_SECONDS: Final = 0.2
"""From the first copy of a transaction to its commit: an open transaction delays all
`read_committed` consumers of the input."""
START_TIMEOUT: Final = 30.0
STEP: Final = 1.0
"""Seconds of one blocking call: signals are noticed in between."""
ABORT_TIMEOUT: Final = 2.0
BATCH_SIZE: Final = 1_000_000
LARGEST_RECORD: Final = 1_000_000_000
"""The client's upper limit; the broker decides what the topic accepts."""

AGAIN: Final = "run the same command again: copies that were sent are not sent twice"


def transactional_id(input_topic: str) -> str:
    """One id for each input, whatever the group, so that concurrent replays fence each other.

    No daemon has it: its ids always contain a '/', and a topic name never does.
    """
    return f"kafka-processor-{input_topic}:replay"


class CopySender:
    """One producer. After an exception only `drop` may be called."""

    def __init__(self, settings: Settings, one_by_one: bool) -> None:
        """`one_by_one`: each copy is acknowledged before the next one is sent, so that a refused
        copy is known. Raises KafkaException for properties that the client refuses."""
        self._topic = settings.input_topic
        self._timeout = settings.transaction_timeout
        self._one_by_one = one_by_one
        self._failures: list[KafkaError] = []
        self._open: list[Position] = []
        self._commit_at = Deadline(0)
        self.is_unknown = False
        """Whether the outcome of a commit is unknown."""
        self._client = Producer(
            producer_config(settings, BATCH_SIZE)
            | {
                "transactional.id": transactional_id(self._topic),
                "transaction.timeout.ms": round(self._timeout * 1000),
                "message.max.bytes": LARGEST_RECORD,
                "on_delivery": self._on_delivery,
                "logger": SILENT,
            }
        )

    def start(self, stopping: threading.Event) -> None:
        """Takes over the transactional id. Raises ReplayError, StoppedError."""
        deadline = Deadline(START_TIMEOUT)
        while True:
            if stopping.is_set():
                raise StoppedError(STOPPED)
            try:
                self._client.init_transactions(STEP)
                return
            except KafkaException as exception:
                error = error_of(exception)
                if not error.retriable() or deadline.has_passed:
                    raise self._failed(error) from None

    def is_due(self, within: float = 0.0) -> bool:
        """Whether the open transaction has to be committed now or `within` some seconds."""
        is_full = len(self._open) >= MAX_COPIES
        return bool(self._open) and (is_full or self._commit_at.seconds_left <= within)

    def send(self, original: Message) -> None:
        """Sends a copy; begins a transaction if none is open. Raises ReplayError, RecordRefused."""
        partition, offset = original.partition() or 0, original.offset() or 0
        try:
            if not self._open:
                self._client.begin_transaction()
                self._commit_at = Deadline(min(MAX_SECONDS, self._timeout / 4))
            self._open.append((partition, offset))
            self._produce(original, partition, id_at(self._topic, partition, offset))
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
        """Commits the open transaction, if any; returns the originals of its copies.

        Raises ReplayError, RecordRefused.
        """
        if not self._open:
            return []
        deadline = Deadline(self._timeout)
        while True:
            try:
                self._client.commit_transaction(max(deadline.seconds_left, 0.1))
                break
            except KafkaException as exception:
                error = error_of(exception)
                self._raise_failures()
                if error.retriable() and not deadline.has_passed:
                    continue
                if error.txn_requires_abort():
                    raise self._failed(error) from None
                self.is_unknown = True
                raise ReplayError(
                    f"it is not known whether the last {len(self._open)} copies were committed: "
                    f"{self._failed(error)}"
                ) from None
        committed, self._open = self._open, []
        return committed

    def drop(self) -> None:
        """Tries to abort the open transaction; otherwise the broker does after its timeout."""
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
                error = error_of(exception)  # the cause, which `produce` does not report
        if is_producer_fenced(error):
            return ReplayError(
                f"another replay of {self._topic} has taken over, or this one was suspended for "
                f"too long; if no other is running, {AGAIN}"
            )
        if is_no_permission(error):
            return ReplayError(
                f"no permission: {describe(error)}; add ACLs with WRITE on topic {self._topic} and "
                f"on transactional id {transactional_id(self._topic)}"
            )
        return ReplayError(f"cannot continue: {describe(error)}; {AGAIN}")
