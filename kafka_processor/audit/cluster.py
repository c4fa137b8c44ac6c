"""What the audit asks the brokers: committed offsets, ends, partitions. It changes nothing."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import ConfigResource, ResourceType  # type: ignore[attr-defined]

from kafka_processor.audit.plan import Committed, Span
from kafka_processor.clients.kafka_errors import describe, error_of
from kafka_processor.clients.reader_connection import REQUEST_TIMEOUT, Connection
from kafka_processor.config import Settings
from kafka_processor.errors import CannotReadError
from kafka_processor.membership.committed import committed_offsets

PATIENCE: Final = 10.0
"""Seconds in which a broker that has answered before must answer again."""

Answer = TypeVar("Answer")


class Cluster:
    def __init__(self, settings: Settings, still_wanted: Callable[[], None]) -> None:
        """`still_wanted` is called between requests, and may raise. Raises SettingsError."""
        self._settings = settings
        self._still_wanted = still_wanted
        # It never joins its group. What is committed is committed, also while the commit of a
        # later transaction is under way; and the end of a partition is that of all records.
        self._connection = Connection(
            settings, group_id=settings.consumer_group, isolation_level="read_uncommitted"
        )
        self._client = self._connection.client
        self._admin = self._connection.admin()

    def close(self) -> None:
        self._connection.close()

    def partitions(self, topic: str) -> list[int]:
        """Raises CannotReadError if there is no such topic."""

        def ask() -> list[int]:
            metadata = self._client.list_topics(topic, REQUEST_TIMEOUT).topics[topic]
            if metadata.error:
                raise KafkaException(metadata.error)
            return sorted(metadata.partitions)

        return self._asked(topic, ask)

    def committed(self, partitions: Collection[int]) -> dict[int, Committed]:
        """What the group has committed of the input, where it has."""
        topic = self._settings.input_topic

        def ask() -> dict[int, Committed]:
            answer = committed_offsets(self._client, topic, [*partitions], REQUEST_TIMEOUT)
            for each in answer:
                if each.error:
                    raise KafkaException(each.error)
            return {
                each.partition: Committed(each.offset, each.metadata or "")
                for each in answer
                if each.offset >= 0
            }

        return self._asked(f"the offsets of group {self._settings.consumer_group}", ask)

    def span(self, topic: str, partition: int) -> Span:
        """From the first offset that retention has left, to the end."""

        def ask() -> Span:
            wanted = TopicPartition(topic, partition)
            return Span(*self._client.get_watermark_offsets(wanted, timeout=REQUEST_TIMEOUT))

        return self._asked(topic, ask)

    def offsets_at(self, time: int, spans: Mapping[int, Span]) -> dict[int, int]:
        """By partition of the input, the first message from that time on, in milliseconds."""
        topic = self._settings.input_topic
        time = max(time, 0)  # negative ones have meanings of their own in the protocol

        def ask() -> dict[int, int]:
            wanted = [TopicPartition(topic, number, time) for number in spans]
            answer = _sound(self._client.offsets_for_times(wanted, timeout=REQUEST_TIMEOUT))
            return {
                each.partition: each.offset if each.offset >= 0 else spans[each.partition].end
                for each in answer
            }

        return self._asked(topic, ask)

    def is_compacted(self, topic: str) -> bool:
        """Whether the broker takes single messages away; False where it does not say."""
        resource = ConfigResource(ResourceType.TOPIC, topic)
        asked = self._admin.describe_configs([resource], request_timeout=REQUEST_TIMEOUT)
        try:
            policy = asked[resource].result()["cleanup.policy"].value
        except KafkaException:
            return False  # it takes a permission of its own
        return "compact" in str(policy)

    def _asked(self, what: str, ask: Callable[[], Answer]) -> Answer:
        deadline = time.monotonic() + PATIENCE
        while True:
            self._still_wanted()
            try:
                answer = ask()
            except KafkaException as exception:
                error = error_of(exception)
                self._connection.check()
                self._connection.check_permission(error, what)
                if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise CannotReadError(
                        f"topic {what} does not exist at {self._connection.brokers}"
                    ) from None
                if self._connection.is_established and time.monotonic() > deadline:
                    raise CannotReadError(
                        f"{self._connection.brokers} does not tell {what}: {describe(error)}"
                    ) from None
                self._client.poll(0.1)
            else:
                self._connection.establish()
                return answer


def _sound(answer: Any) -> list[TopicPartition]:
    """Raises KafkaException for the first partition that the broker did not answer for."""
    for each in answer:
        if each.error:
            raise KafkaException(each.error)
    return list(answer)
