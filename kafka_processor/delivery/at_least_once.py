"""Offsets and counts are committed once every record of the batch is acknowledged."""

from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from kafka_processor.clients.background_commit import BackgroundCommit
from kafka_processor.producer import OutputProducer


class AtLeastOnceProducer(OutputProducer):
    """The background waits for the acknowledgements; the offsets are committed by the thread that
    polls, because the client lets only one thread at a time use a consumer.
    """

    def _take_over(self, client: Producer) -> None:
        """There is nothing to take over."""

    def _abort(self, _client: Producer) -> bool:
        return False

    def _commit_steps(self, _offsets: list[TopicPartition]) -> Sequence[Callable[[], None]]:
        client = self._ready_client()
        failures = self._failures

        def flush() -> None:
            undelivered = client.flush(self._commit_timeout)
            if failures:
                raise KafkaException(failures[0].error)
            if undelivered:
                raise KafkaException(KafkaError(KafkaError._MSG_TIMED_OUT))

        self._is_offset_commit_sent = False
        return (flush, self._demand_same_topic())

    def _has_ended(self, commit: BackgroundCommit) -> bool:
        if not commit.finished.is_set():
            return False
        if commit.exception:
            return True
        if not self._is_offset_commit_sent:
            self._consumer.begin_commit(self._offsets)
            self._is_offset_commit_sent = True
        return self._consumer.is_commit_answered

    def wait(self, timeout: float) -> bool:
        super().wait(timeout)
        return not self.is_committing()

    @property
    def needs_polling(self) -> bool:
        return self._background is not None and self._background.finished.is_set()

    def _finish_commit(self, timeout: float) -> Exception | None:
        try:
            if not self._is_offset_commit_sent:
                self._consumer.begin_commit(self._offsets)
            self._consumer.finish_commit(timeout)
        except KafkaException as exception:
            return exception
        return None
