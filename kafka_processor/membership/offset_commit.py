"""A commit of offsets without a transaction: sent by the thread that polls, answered in a poll.

The Python client lets one thread at a time use a consumer, and not in turns: a second thread may
wait forever beside one that polls.
"""

from collections.abc import Iterable
from typing import Final

from confluent_kafka import Consumer, KafkaError, TopicPartition

_NO_PARTITIONS: Final[frozenset[tuple[int, int]]] = frozenset()


class OffsetCommit:
    """The last one; a new one replaces it."""

    def __init__(self) -> None:
        self._sent = self._answered = _NO_PARTITIONS
        """Partitions and offsets."""
        self.error: KafkaError | None = None
        """Why the commit that was answered last has failed, if it has."""

    def begin(self, client: Consumer, offsets: list[TopicPartition]) -> None:
        self._sent = _positions(offsets)
        self._answered = _NO_PARTITIONS
        client.commit(offsets=offsets, asynchronous=True)

    @property
    def is_answered(self) -> bool:
        return self._answered == self._sent

    def take_answer(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """The client's callback."""
        self._answered = _positions(partitions)
        self.error = error or next((p.error for p in partitions if p.error), None)


def _positions(partitions: Iterable[TopicPartition]) -> frozenset[tuple[int, int]]:
    return frozenset((p.partition, p.offset) for p in partitions)
