"""Offsets and counts are committed once every record of the batch is acknowledged."""

from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from kafka_processor.clients.background_commit import BackgroundCommit
from kafka_processor.producer import OutputProducer


class AtLeastOnceProducer(OutputProducer):
    """The background waits for the acknowledgements; the polling thread commits the offsets
    (`membership/offset_commit.py`)."""

    _is_offset_commit_sent = False

    def _take_over(self, client: Producer) -> None:
        """There is nothing to take over."""

    def _abort(self, _client: Producer) -> bool:
        return False

    def _commit_steps(self, _offsets: list[TopicPartition]) -> Sequence[Callable[[], None]]:
        client = self._ready_client()
        failed = self._reports.failed

        def flush() -> None:
            undelivered = client.flush(self._commit_timeout)
            if failed:
                raise KafkaException(failed[0].error)
            if undelivered:
                raise KafkaException(KafkaError(KafkaError._MSG_TIMED_OUT))

        self._is_offset_commit_sent = False
        return (flush, self._demand_same_topic())

    def advance_commit(self) -> None:
        """Commits the offsets once the records are acknowledged. Raises KafkaException."""
        commit = self._background
        if commit and commit.finished.is_set() and not commit.exception:
            self._send_offsets()

    def _send_offsets(self) -> None:
        if not self._is_offset_commit_sent:
            self._consumer.begin_commit(self._offsets)
            self._is_offset_commit_sent = True

    def _has_ended(self, commit: BackgroundCommit) -> bool:
        if not commit.finished.is_set():
            return False
        return bool(commit.exception) or self._is_answered

    @property
    def _is_answered(self) -> bool:
        return self._is_offset_commit_sent and self._consumer.is_commit_answered

    @property
    def needs_polling(self) -> bool:
        return self._background is not None and self._background.finished.is_set()

    def _end_commit(self, *, is_in_rebalance: bool) -> Exception | None:
        """Within a rebalance an unanswered commit counts as done: the coordinator takes it before
        it takes our consent to the rebalance, and if it refuses it, messages are repeated."""
        try:
            self._send_offsets()
        except KafkaException as exception:
            return exception
        error = self._consumer.commit_error if self._is_answered else None
        if not self._is_answered and not is_in_rebalance:
            error = KafkaError(KafkaError._TIMED_OUT)
        return KafkaException(error) if error else None
