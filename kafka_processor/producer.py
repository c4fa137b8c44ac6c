"""The one producer: produces the records of a batch and commits them with its offsets.

The two delivery guarantees (`delivery/exactly_once.py`, `delivery/at_least_once.py`) share one life
cycle: `begin`, `produce` for each record, `commit` (which runs in the background), `advance_commit`
until `is_committing` is False, `finish`, and `recover` after any failure. A failed batch is never
half done: `recover` leaves nothing of it visible (exactly once) or uncommitted (at least once), and
the caller goes back to the committed offsets.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from kafka_processor.clients.background_commit import BackgroundCommit, CommitThread, Patience
from kafka_processor.clients.client_config import ClientConfig, producer_config
from kafka_processor.clients.delivery_reports import DeliveryReports, FailedRecord
from kafka_processor.clients.disposal import free_in_background
from kafka_processor.clients.kafka_errors import describe, describe_refusal, error_of
from kafka_processor.config import Settings
from kafka_processor.consumer import InputConsumer
from kafka_processor.errors import ProducerRefusedError
from kafka_processor.record_limits import RecordLimits
from kafka_processor.records import OutputRecord
from kafka_processor.timing import Deadline

GRACE: Final = 2.0
"""Seconds that a commit may overrun its timeout before it is abandoned."""
FULL_QUEUE_WAIT: Final = 1.0
"""Seconds that a full queue has to take another record: a stop has to wait for that."""


class BatchFailed(Exception):
    """The batch is not delivered: `recover`, and go back to the committed offsets."""

    def __init__(
        self,
        reason: str,
        error: KafkaError | None = None,
        records: Sequence[FailedRecord] = (),
    ) -> None:
        super().__init__(reason)
        self.error = error
        self.records = records
        """Those that are known to have failed."""


class OutputProducer(ABC):
    """The `Output` of the loop. Not thread-safe, except for the commit that it runs itself."""

    def __init__(
        self,
        settings: Settings,
        consumer: InputConsumer,
        limits: RecordLimits,
        logger: Any,
        client_options: ClientConfig | None = None,
    ) -> None:
        self.limits = limits
        """Of the output topics; each new client is configured by what they are then."""
        self._settings = settings
        self._options: ClientConfig = {**(client_options or {}), "logger": logger}
        self._commit_timeout = settings.transaction_timeout
        longest = settings.transaction_timeout + GRACE
        self._patience = Patience(first=longest, longest=longest)
        self._consumer = consumer
        self._client: Producer | None = None
        self._is_ready = False
        self._commits = CommitThread()
        self._reports = DeliveryReports()
        """Of this client."""
        self._reset()

    def _reset(self) -> None:
        self._reports.failed.clear()
        self._background: BackgroundCommit | None = None
        self._is_open = False
        self._offsets: list[TopicPartition] = []

    def start(self) -> None:
        """Makes the client ready to produce.

        Raises KafkaException while it is not: call again; ProducerRefusedError.
        """
        if self._client is None:
            self._reports = DeliveryReports()
            self._client = self._new_client(self._reports)
            self._reset()
        try:
            self._take_over(self._client)
        except ProducerRefusedError:
            self._drop_client()
            raise
        except KafkaException as exception:
            if not error_of(exception).retriable():
                self._drop_client()
            raise
        self._is_ready = True

    def demand_properties(self) -> None:
        """Raises KafkaException for properties that the client rejects. Reaches no broker."""
        free_in_background([self._new_client(DeliveryReports())])

    def _new_client(self, reports: DeliveryReports) -> Producer:
        config = producer_config(self._settings, self.limits.smallest) | self._options
        return Producer(config | {"on_delivery": reports.take})

    def recover(self) -> None:
        """Ends whatever is open, with a new client where need be.

        Raises KafkaException while that is not possible yet: call again; ProducerRefusedError.
        """
        if self._is_ready:
            if self._client and self._abort(self._client):
                self._reset()
                return
            self._drop_client()
        self.start()

    def probe_fence(self) -> bool:
        """Returns whether another process is known to own our transactional id."""
        return False

    def serve(self) -> None:
        """Calls the client's callbacks; its statistics would pile up in an idle process."""
        if self._client and self._background is None:
            self._client.poll(0)

    @property
    def is_committing(self) -> bool:
        """Whether `finish` would have to wait: the commit has not ended, nor is it overdue."""
        commit = self._background
        if commit is None or self._reports.failed or commit.is_overdue:
            return False
        return not self._has_ended(commit)

    def wait(self, timeout: float) -> bool:
        """Waits up to `timeout` seconds for the background; returns whether `finish` may follow."""
        if self._background:
            self._background.finished.wait(timeout)
        return not self.is_committing

    def advance_commit(self) -> None:  # noqa: B027
        """Takes the next step of the commit in flight that is for the polling thread to take."""

    def begin(self) -> None:
        """Opens the batch. Raises BatchFailed."""
        self._is_open = True

    def produce(self, records: Iterable[OutputRecord]) -> None:
        """Produces records; waits while the client's queue is full. Raises BatchFailed."""
        client = self._ready_client()
        produce = client.produce
        for topic, key, value in records:
            try:
                produce(topic, value, key)
            except BufferError:
                self._produce_patiently(client, topic, key, value)
            except KafkaException as exception:
                client.poll(0)
                self._raise_failed_delivery()
                raise _refused_at_once(error_of(exception), topic) from None

    def _produce_patiently(
        self, client: Producer, topic: str, key: bytes | None, value: bytes
    ) -> None:
        deadline = Deadline(FULL_QUEUE_WAIT)
        while True:
            client.poll(0.01)
            self._raise_failed_delivery()
            try:
                client.produce(topic, value, key)
            except BufferError:
                if deadline.has_passed:
                    raise BatchFailed("the brokers do not take what is produced") from None
                continue
            except KafkaException as exception:
                raise _refused_at_once(error_of(exception), topic) from None
            return

    def commit(self, offsets: list[TopicPartition]) -> None:
        """Begins to commit what was produced, and the offsets (not empty) with it.

        Raises BatchFailed.
        """
        commit = BackgroundCommit(self._commit_steps(offsets), self._patience.seconds)
        try:
            self._commits.run(commit)
        except RuntimeError as error:
            raise BatchFailed(f"no thread for the commit: {error}") from None
        self._is_open = False
        self._offsets = offsets
        self._background = commit

    def finish(self, timeout: float = 0.0, *, is_in_rebalance: bool = False) -> None:
        """Takes the result of the commit in flight, for which it waits up to `timeout` seconds.

        Raises BatchFailed if the commit has failed, or has not ended. One whose end is not known
        has not succeeded: `recover` finds out. Within a rebalance no answer of the group can be
        heard, and none is waited for.
        """
        commit = self._background
        if commit is None:
            return
        # Behind a record that failed the client sends nothing more, and the commit would wait.
        self._raise_failed_delivery()
        if not commit.finished.wait(timeout):
            self._raise_failed_delivery()
            self._patience.after_giving_up()
            raise BatchFailed("the commit was not answered in time")
        exception = commit.exception or self._end_commit(is_in_rebalance=is_in_rebalance)
        if isinstance(exception, KafkaException):
            self._reports.wait(self._ready_client())
            self._raise_failed_delivery()
            raise batch_failed(error_of(exception))
        if exception:
            raise exception
        self._patience.after_success(commit.age)
        self._background = None

    def close(self) -> None:
        """Drops what is not delivered; nothing of it is committed. Does not wait."""
        is_hanging = self._background and not self._background.finished.is_set()
        if self._client and not is_hanging:
            self._client.purge()

    def _ready_client(self) -> Producer:
        if self._client is None or not self._is_ready:
            raise BatchFailed("the producer is not ready")
        return self._client

    @abstractmethod
    def _take_over(self, client: Producer) -> None:
        """Makes a new client ready; continues where an earlier call has failed."""

    @abstractmethod
    def _abort(self, client: Producer) -> bool:
        """Aborts what is open; returns whether the client can be used further."""

    def _has_ended(self, commit: BackgroundCommit) -> bool:
        return commit.finished.is_set()

    @property
    def needs_polling(self) -> bool:
        """Whether the commit in flight ends only while the consumer is polled."""
        return False

    def _end_commit(self, *, is_in_rebalance: bool) -> Exception | None:  # noqa: ARG002
        """What remains to be done once the background has finished; returns what went wrong."""
        return None

    @abstractmethod
    def _commit_steps(self, offsets: list[TopicPartition]) -> Sequence[Callable[[], None]]: ...

    def _demand_same_topic(self) -> Callable[[], None]:
        """A step of a commit: messages of a topic that took the input's name must not be committed
        under the offsets of the one before. Asked now, after the last message was fetched."""
        has_changed = self._consumer.ask_for_topic()

        def demand() -> None:
            if has_changed():
                raise BatchFailed("the input topic was deleted and created again")

        return demand

    def _raise_failed_delivery(self) -> None:
        if failed := self._reports.failed:
            reason = describe_refusal(failed[0].topic, failed[0].error)
            raise BatchFailed(reason, failed[0].error, list(failed))

    def _drop_client(self) -> None:
        """The client ends on a thread of its own: it may be in a call that hangs."""
        if self._background:
            self._background.give_up()
            if not self._background.finished.is_set():
                self._commits.abandon()
        old = [self._client]
        self._client = None
        self._is_ready = False
        free_in_background(old)


def _refused_at_once(error: KafkaError, topic: str) -> BatchFailed:
    """The client itself rejects the record."""
    return BatchFailed(describe_refusal(topic, error), error, [FailedRecord(error, topic)])


def batch_failed(error: KafkaError) -> BatchFailed:
    return BatchFailed(describe(error), error)
