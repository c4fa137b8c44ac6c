"""What the audit asks the brokers: committed offsets, ends, partitions. Changes nothing."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import ConfigResource, ResourceType  # type: ignore[attr-defined]

from kafka_processor.audit.plan import Committed, Span
from kafka_processor.clients.reader_connection import REQUEST_TIMEOUT, ReaderConnection
from kafka_processor.config import Settings
from kafka_processor.membership.committed import committed_offsets


class Cluster:
    """Every method raises CannotReadError."""

    def __init__(self, settings: Settings, check_stop: Callable[[], None]) -> None:
        """`check_stop` is called between requests, and may raise. Raises KafkaException."""
        self._settings = settings
        # The client names the group, but never joins it. Read uncommitted: committed offsets count
        # even while a later transaction commits, and the end of a partition is that of all records.
        self._connection = ReaderConnection(
            settings,
            check_stop,
            group_id=settings.consumer_group,
            isolation_level="read_uncommitted",
        )
        self._client = self._connection.client
        self._admin = self._connection.admin()

    def close(self) -> None:
        self._connection.close()

    def partitions(self, topic: str) -> list[int]:
        def request() -> list[int]:
            metadata = self._client.list_topics(topic, REQUEST_TIMEOUT).topics[topic]
            if metadata.error:
                raise KafkaException(metadata.error)
            return sorted(metadata.partitions)

        return self._connection.ask(topic, request)

    def committed(self, partitions: Collection[int]) -> dict[int, Committed]:
        """Returns what the group has committed of the input, by partition."""
        topic = self._settings.input_topic

        def request() -> dict[int, Committed]:
            answer = committed_offsets(self._client, topic, [*partitions], REQUEST_TIMEOUT)
            return {
                each.partition: Committed(each.offset, each.metadata or "")
                for each in _without_errors(answer)
                if each.offset >= 0
            }

        group = self._settings.consumer_group
        return self._connection.ask(f"the offsets of group {group}", request)

    def span(self, topic: str, partition: int) -> Span:
        """Returns the offsets from the first one that retention has left to the end."""

        def request() -> Span:
            wanted = TopicPartition(topic, partition)
            return Span(*self._client.get_watermark_offsets(wanted, timeout=REQUEST_TIMEOUT))

        return self._connection.ask(topic, request)

    def offsets_at(self, time: int, spans: Mapping[int, Span]) -> dict[int, int]:
        """Returns the first offset at or after a time, in milliseconds, by input partition."""
        topic = self._settings.input_topic
        time = max(time, 0)  # negative values are special in the protocol

        def request() -> dict[int, int]:
            wanted = [TopicPartition(topic, number, time) for number in spans]
            answer = self._client.offsets_for_times(wanted, timeout=REQUEST_TIMEOUT)
            return {
                each.partition: each.offset if each.offset >= 0 else spans[each.partition].end
                for each in _without_errors(answer)
            }

        return self._connection.ask(topic, request)

    def is_compacted(self, topic: str) -> bool:
        """Whether the broker removes single messages; False without the permission to ask."""
        resource = ConfigResource(ResourceType.TOPIC, topic)
        asked = self._admin.describe_configs([resource], request_timeout=REQUEST_TIMEOUT)
        try:
            policy = asked[resource].result()["cleanup.policy"].value
        except KafkaException:
            return False
        return "compact" in str(policy)


def _without_errors(answer: Iterable[Any]) -> list[Any]:
    """Raises KafkaException for the first partition with an error."""
    for each in answer:
        if each.error:
            raise KafkaException(each.error)
    return list(answer)
