"""The one producer: publishes the records of a batch and commits them with its offsets.

Two ways of delivery share one life: `begin`, `produce` for each record, `commit` (which runs in
the background), `finish` (which waits for it), and `recover` after any failure. A failed batch is
never half done: `recover` leaves nothing of it visible (exactly once) or uncommitted (at least
once), and the caller goes back to the committed offsets.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from secrets import token_hex
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from kafka_processor.client_config import producer_config
from kafka_processor.config import Settings
from kafka_processor.consumer import InputConsumer
from kafka_processor.kafka_errors import describe, error_of, is_purged
from kafka_processor.pipeline import OutputRecord

START_TIMEOUT: Final = 10.0
"""Seconds for one try to take over the transactional id; the caller tries again."""
ABORT_TIMEOUT: Final = 5.0
GRACE: Final = 2.0
"""Seconds that a commit may overrun its timeout before it is given up: the call that sends the
offsets is known to hang when a coordinator dies (librdkafka issues 5456 and 5511)."""


class BatchFailed(Exception):
    """The batch is not delivered; `recover` and go back to the committed offsets."""

    def __init__(self, reason: str, error: KafkaError | None = None, topic: str = "") -> None:
        super().__init__(reason)
        self.error = error
        self.topic = topic
        """Whose record failed, where that is known."""


class _BackgroundCommit(threading.Thread):
    """The steps of one commit, on a thread of their own so that one that hangs can be given up."""

    def __init__(self, steps: Sequence[Callable[[], None]]) -> None:
        super().__init__(name="commit", daemon=True)
        self._steps = steps
        self._lock = threading.Lock()
        self._given_up = False
        self.finished = threading.Event()
        self.exception: Exception | None = None

    def run(self) -> None:
        try:
            for step in self._steps:
                with self._lock:
                    if self._given_up:
                        return
                step()
        except Exception as exception:
            self.exception = exception
        finally:
            self.finished.set()

    def give_up(self) -> None:
        """No further step begins. The one that hangs is harmless: a new producer fences it."""
        with self._lock:
            self._given_up = True


class OutputProducer(ABC):
    """One producer for all outputs. Not thread-safe, but for the commit it runs itself."""

    def __init__(self, settings: Settings, consumer: InputConsumer, logger: Any) -> None:
        self._config = producer_config(settings)
        self._config["on_delivery"] = self._on_failed_delivery
        self._config["logger"] = logger
        self._commit_timeout = settings.transaction_timeout
        self._consumer = consumer
        self._failure: tuple[KafkaError, str] | None = None
        self._background: _BackgroundCommit | None = None
        self._is_open = False

    def start(self) -> None:
        """Makes the client ready to publish. Raises KafkaException; may be called again."""
        self._failure = None
        self._background = None
        self._is_open = False
        self._client = Producer(self._config)

    @property
    def is_committing(self) -> bool:
        return self._background is not None and not self._background.finished.is_set()

    def begin(self) -> None:
        """Opens the batch. Raises BatchFailed."""
        self._is_open = True

    def produce(self, records: Iterable[OutputRecord]) -> None:
        """Publishes records; waits while the client's queue is full. Raises BatchFailed."""
        produce = self._client.produce
        for topic, key, value in records:
            try:
                produce(topic, value, key)
            except BufferError:
                self._produce_patiently(topic, key, value)
            except KafkaException as exception:
                self._client.poll(0)
                error, failed_topic = self._failure or (error_of(exception), topic)
                raise _batch_failed(error, failed_topic) from None

    def _produce_patiently(self, topic: str, key: bytes | None, value: bytes) -> None:
        while True:
            self._client.poll(0.01)
            if self._failure:
                raise _batch_failed(*self._failure)
            try:
                self._client.produce(topic, value, key)
            except BufferError:
                continue
            except KafkaException as exception:
                raise _batch_failed(error_of(exception), topic) from None
            return

    def commit(self, offsets: list[TopicPartition]) -> None:
        """Begins to commit what was published, and the offsets (not empty) with it."""
        self._is_open = False
        self._background = _BackgroundCommit(self._commit_steps(offsets))
        self._background.start()

    def finish(self, timeout: float | None = None) -> None:
        """Waits for the commit under way, if any. Raises BatchFailed if it did not succeed.

        A commit whose end is not known has not succeeded: `recover` finds out.
        """
        if self._background is None:
            return
        limit = self._commit_timeout + GRACE
        if not self._background.finished.wait(limit if timeout is None else min(timeout, limit)):
            raise BatchFailed("the commit was not answered in time")
        exception = self._background.exception
        if isinstance(exception, KafkaException):
            error, topic = self._failure or (error_of(exception), "")
            raise _batch_failed(error, topic)
        if exception:
            raise exception
        self._background = None

    def close(self) -> None:
        """Throws away what is not delivered; nothing of it is committed. Does not wait."""
        self._client.purge()

    @abstractmethod
    def recover(self) -> None:
        """Ends whatever is open, with a new client where need be.

        Raises KafkaException while that is not possible yet: call again.
        """

    @abstractmethod
    def _commit_steps(self, offsets: list[TopicPartition]) -> Sequence[Callable[[], None]]: ...

    def _on_failed_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error and not is_purged(error) and self._failure is None:
            self._failure = (error, message.topic() or "")

    def _replace_client(self) -> None:
        """A new client. The old one ends on a thread of its own: it may be in a call that hangs."""
        if self._background:
            self._background.give_up()
        old = [self._client]
        threading.Thread(target=old.clear, daemon=True).start()
        del self._client
        self.start()


class ExactlyOnceProducer(OutputProducer):
    """Outputs, offsets and counts of a batch in one Kafka transaction (KIP-98, KIP-447)."""

    def __init__(self, settings: Settings, consumer: InputConsumer, logger: Any) -> None:
        super().__init__(settings, consumer, logger)
        # One id for the life of the process: a new client under it ends, and shuts out, what the
        # one before has left open.
        instance = settings.instance_id or token_hex(8)
        self._config["transactional.id"] = f"{settings.consumer_group}-{instance}"
        self._config["transaction.timeout.ms"] = round(settings.transaction_timeout * 1000)

    def start(self) -> None:
        super().start()
        self._client.init_transactions(START_TIMEOUT)

    def begin(self) -> None:
        try:
            self._client.begin_transaction()
        except KafkaException as exception:
            raise _batch_failed(error_of(exception), "") from None
        super().begin()

    def recover(self) -> None:
        if self._can_abort():
            try:
                self._client.abort_transaction(ABORT_TIMEOUT)
            except KafkaException:
                pass
            else:
                self._background = None
                self._failure = None
                self._is_open = False
                return
        self._replace_client()

    def _can_abort(self) -> bool:
        if self._background is None:
            return self._is_open
        exception = self._background.exception
        return isinstance(exception, KafkaException) and error_of(exception).txn_requires_abort()

    def _commit_steps(self, offsets: list[TopicPartition]) -> Sequence[Callable[[], None]]:
        # Of the caller's thread, the one that polls: a later generation would not be checked.
        group = self._consumer.group_metadata()
        deadline = time.monotonic() + self._commit_timeout
        client = self._client
        return (
            lambda: _repeat(
                lambda left: client.send_offsets_to_transaction(offsets, group, left), deadline
            ),
            lambda: _repeat(client.commit_transaction, deadline),
        )


class AtLeastOnceProducer(OutputProducer):
    """Offsets and counts are committed once every record of the batch is acknowledged."""

    def recover(self) -> None:
        self._replace_client()

    def _commit_steps(self, offsets: list[TopicPartition]) -> Sequence[Callable[[], None]]:
        client = self._client

        def flush() -> None:
            undelivered = client.flush(self._commit_timeout)
            if self._failure:
                raise KafkaException(self._failure[0])
            if undelivered:
                raise KafkaException(KafkaError(KafkaError._MSG_TIMED_OUT))

        return flush, lambda: self._consumer.commit(offsets)


def create_producer(settings: Settings, consumer: InputConsumer, logger: Any) -> OutputProducer:
    exactly_once = settings.delivery == "exactly-once"
    kind = ExactlyOnceProducer if exactly_once else AtLeastOnceProducer
    return kind(settings, consumer, logger)


def _repeat(call: Callable[[float], Any], deadline: float) -> None:
    """Repeats a call that fails for now: one that timed out may have succeeded, and says so."""
    while True:
        try:
            call(max(deadline - time.monotonic(), 0.1))
        except KafkaException as exception:
            if not error_of(exception).retriable() or time.monotonic() > deadline:
                raise
        else:
            return


def _batch_failed(error: KafkaError, topic: str) -> BatchFailed:
    where = f"{topic}: " if topic else ""
    return BatchFailed(where + describe(error), error, topic)
