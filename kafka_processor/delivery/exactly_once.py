"""Outputs, offsets and counts of a batch in one Kafka transaction (KIP-98, KIP-447)."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from secrets import token_hex
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from kafka_processor.clients.background_commit import Patience
from kafka_processor.clients.client_config import ClientConfig, connection_config
from kafka_processor.clients.kafka_errors import error_of, is_producer_fenced
from kafka_processor.config import Settings
from kafka_processor.consumer import InputConsumer
from kafka_processor.errors import ProducerRefusedError
from kafka_processor.producer import GRACE, OutputProducer, batch_failed
from kafka_processor.record_limits import RecordLimits
from kafka_processor.timing import Deadline
from kafka_processor.topics.configs import broker_setting

START_TIMEOUT: Final = 1.0
"""Seconds for one attempt to take over the transactional id; the next attempt continues it."""
ABORT_TIMEOUT: Final = 1.0
LAST_ABORT_TIMEOUT: Final = 0.4
"""Seconds for an abort while the process ends."""
FIRST_PATIENCE: Final = 3.0
"""Seconds until a commit is first abandoned; many times what one takes. The call that sends the
offsets is known to hang, in spite of its timeout, when a coordinator dies (librdkafka issues 5456
and 5511); a new client, which costs a tenth of a second, does not."""


def transactional_id(settings: Settings) -> str:
    """`<group>/<INSTANCE_ID>`, with a random instance where none is set.

    An INSTANCE_ID has no `/`, so that no two pairs of group and instance share an id.
    """
    return f"{settings.consumer_group}/{settings.instance_id or token_hex(8)}"


class ExactlyOnceProducer(OutputProducer):
    """Nothing of a batch is visible before all of it is."""

    def __init__(
        self,
        settings: Settings,
        consumer: InputConsumer,
        limits: RecordLimits,
        logger: Any,
        client_options: ClientConfig | None = None,
    ) -> None:
        super().__init__(settings, consumer, limits, logger, client_options)
        self._patience = Patience(FIRST_PATIENCE, settings.transaction_timeout + GRACE)
        # One id for the life of the process: a new client under it aborts what its predecessor
        # left open, and fences it.
        self._options.setdefault("transactional.id", transactional_id(settings))
        self._options["transaction.timeout.ms"] = round(settings.transaction_timeout * 1000)

    def begin(self) -> None:
        try:
            self._ready_client().begin_transaction()
        except KafkaException as exception:
            raise batch_failed(error_of(exception)) from None
        super().begin()

    def close(self) -> None:
        super().close()
        if self._client and self._is_open:
            # Otherwise readers wait until the broker finds the transaction overdue.
            with suppress(KafkaException):
                self._client.abort_transaction(LAST_ABORT_TIMEOUT)

    def probe_fence(self) -> bool:
        """Aborts the open transaction, which only the owner of the transactional id may."""
        if self._client is None:
            return False
        try:
            self._client.abort_transaction(ABORT_TIMEOUT)
        except KafkaException as exception:
            return is_producer_fenced(error_of(exception))
        return False

    def _take_over(self, client: Producer) -> None:
        try:
            client.init_transactions(START_TIMEOUT)
        except KafkaException as exception:
            error = error_of(exception)
            if error.code() == KafkaError.INVALID_TRANSACTION_TIMEOUT:
                raise ProducerRefusedError(self._why_timeout_is_refused(), error) from None
            if error.code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
                id_ = self._options["transactional.id"]
                reason = f"no permission: WRITE on transactional id {id_} ({error.name()})"
                raise ProducerRefusedError(f"{reason}; ask for an ACL", error) from None
            raise

    def _why_timeout_is_refused(self) -> str:
        ours = self._settings.transaction_timeout
        reason = f"TRANSACTION_TIMEOUT: {ours:g} s is more than the broker allows"
        admin = AdminClient(connection_config(self._settings) | {"logger": self._options["logger"]})
        try:
            limit = broker_setting(admin, "transaction.max.timeout.ms")
        except KafkaException:
            limit = None
        if limit is None:
            return f"{reason}; set it to at most the broker's transaction.max.timeout.ms"
        seconds = int(limit) / 1000
        return f"{reason} (transaction.max.timeout.ms={limit}); set it to {seconds:g} or less"

    def _abort(self, client: Producer) -> bool:
        # A record that failed, or is dropped in flight, leaves a gap in the sequence numbers that
        # fails the next transaction: then only a new client helps.
        if self._reports.failed or not self._is_abortable() or len(client):
            return False
        try:
            client.abort_transaction(ABORT_TIMEOUT)
        except KafkaException:
            return False
        return True

    def _is_abortable(self) -> bool:
        if self._background is None:
            return self._is_open
        exception = self._background.exception
        return isinstance(exception, KafkaException) and error_of(exception).txn_requires_abort()

    def _commit_steps(self, offsets: list[TopicPartition]) -> Sequence[Callable[[], None]]:
        # Read on the thread that polls, now: a later generation would hide a rebalance.
        group = self._consumer.group_metadata()
        deadline = Deadline(self._commit_timeout)
        client = self._ready_client()
        return (
            lambda: _repeat(
                lambda left: client.send_offsets_to_transaction(offsets, group, left), deadline
            ),
            self._demand_same_topic(),
            lambda: _repeat(client.commit_transaction, deadline),
        )


def _repeat(call: Callable[[float], Any], deadline: Deadline) -> None:
    """Repeats a call until `deadline` while its error is retriable; a repeated call that has
    succeeded before returns at once."""
    while True:
        try:
            call(max(deadline.seconds_left, 0.1))
        except KafkaException as exception:
            if not error_of(exception).retriable() or deadline.has_passed:
                raise
        else:
            return
