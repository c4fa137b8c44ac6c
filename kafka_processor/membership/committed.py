"""What a group has committed, read with care.

The client hands out the metadata of a committed offset without its end: librdkafka copies just the
text (`rd_kafka_topic_partition_list_update`), and the binding reads up to the next zero byte, so
that bytes of its memory may follow. A snapshot therefore ends where its JSON does
(`records.decode_snapshot`), and here what is no text at all is asked for again. What stays no text
is another program's, and counts as none.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from confluent_kafka import KafkaError, TopicPartition

TRIES: Final = 50
"""Each takes about a millisecond, and finds other bytes in the client's memory."""


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
    found: list[TopicPartition] = []
    texts: list[str | None] = []
    for _ in range(TRIES):
        found = client.committed(
            [TopicPartition(topic, partition) for partition in partitions], timeout=timeout
        )
        try:
            texts = [each.metadata for each in found]
            break
        except UnicodeDecodeError:
            texts = [_text_of(each) for each in found]
    return [
        CommittedOffset(each.partition, each.offset, text, each.error)
        for each, text in zip(found, texts, strict=True)
    ]


def _text_of(found: TopicPartition) -> str | None:
    try:
        return found.metadata
    except UnicodeDecodeError:
        return None
