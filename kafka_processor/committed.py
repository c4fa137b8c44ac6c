"""What a group has committed, read with care.

The client hands out the metadata of a committed offset without its end: librdkafka copies just the
text (`rd_kafka_topic_partition_list_update`), and the binding reads up to the next zero byte, so
that bytes of its memory may follow. A snapshot therefore ends where its JSON does
(`records.decode_snapshot`), and here what is no text at all is asked for again.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from confluent_kafka import KafkaError, KafkaException, TopicPartition

TRIES: Final = 5


class CommittedOffset(NamedTuple):
    partition: int
    offset: int
    """Negative: there is none."""
    metadata: str | None
    error: KafkaError | None


class _Client(Protocol):
    def committed(
        self, partitions: list[TopicPartition], timeout: float
    ) -> list[TopicPartition]: ...


def committed_offsets(
    client: _Client, topic: str, partitions: Sequence[int], timeout: float
) -> list[CommittedOffset]:
    """Of each of the partitions; `timeout` in seconds, for each try. Raises KafkaException."""
    for _ in range(TRIES):
        wanted = [TopicPartition(topic, partition) for partition in partitions]
        try:
            return [
                CommittedOffset(each.partition, each.offset, each.metadata, each.error)
                for each in client.committed(wanted, timeout=timeout)
            ]
        except UnicodeDecodeError:
            continue
    raise KafkaException(KafkaError(KafkaError._BAD_MSG, "the metadata of an offset is no text"))
