"""Where a partition goes on: the offset and the counts that the group has committed."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from kafka_processor.committed import CommittedOffset, committed_offsets
from kafka_processor.config import Settings
from kafka_processor.kafka_errors import error_of

LOOKUP_TIMEOUT: Final = 1.0
"""Seconds for one look-up of offsets; partitions that we have already stand still meanwhile."""
PAUSE: Final = 0.2
"""Seconds between two look-ups, while not all is known."""


@dataclass(frozen=True)
class Placement:
    """Where a partition goes on, and what was stored there."""

    partition: int
    offset: int
    committed: int | None
    metadata: str | None
    gap: int = 0
    """Messages that retention, or a new topic, took away before they were read."""


class OffsetLookup:
    """Patient: what cannot be looked up now is left out, and asked for again the next time."""

    def __init__(self, settings: Settings, complain: Callable[[str, KafkaError], None]) -> None:
        self._topic = settings.input_topic
        self._starts_at_end = settings.auto_offset_reset == "latest"
        self._complain = complain
        self._next = 0.0
        self._is_one_by_one = False
        self._last_asked = -1

    def find(
        self, client: Consumer, partitions: Collection[int], out_of_range: Collection[int]
    ) -> list[Placement]:
        """Of those that are known; `out_of_range`: those that cannot be read where they were left.

        The others are not: with a broker away, or while the broker still ends the transaction of a
        process that was killed (KIP-447: unstable offsets).
        """
        if time.monotonic() < self._next:
            return []
        found: list[Placement] = []
        try:
            for asked in self._questions(sorted(partitions)):
                found += self._ask(client, asked, out_of_range)
        except KafkaException as exception:
            self._complain("cannot look up committed offsets yet", error_of(exception))
            self._is_one_by_one = True
        if len(found) < len(partitions):
            self._next = time.monotonic() + PAUSE
        else:
            self._is_one_by_one = False
        return found

    def _questions(self, partitions: Sequence[int]) -> Iterator[Sequence[int]]:
        """All at once. Once that has failed one by one, beginning behind the last one asked: the
        offset of one partition that is undecided would hold up all."""
        if not self._is_one_by_one:
            yield partitions
            return
        for partition in sorted(partitions, key=lambda each: (each <= self._last_asked, each)):
            self._last_asked = partition
            yield [partition]

    def _ask(
        self, client: Consumer, partitions: Sequence[int], out_of_range: Collection[int]
    ) -> Iterator[Placement]:
        for found in committed_offsets(client, self._topic, partitions, LOOKUP_TIMEOUT):
            if found.error:
                self._complain("cannot look up committed offsets yet", found.error)
            elif found.offset >= 0 and found.partition not in out_of_range:
                yield Placement(found.partition, found.offset, found.offset, found.metadata)
            else:
                yield self._place_by_watermarks(client, found)

    def _place_by_watermarks(self, client: Consumer, found: CommittedOffset) -> Placement:
        low, high = client.get_watermark_offsets(
            TopicPartition(self._topic, found.partition), timeout=LOOKUP_TIMEOUT
        )
        if found.offset < 0:
            return Placement(found.partition, high if self._starts_at_end else low, None, None)
        if low <= found.offset <= high:
            return Placement(found.partition, found.offset, found.offset, found.metadata)
        gap = max(low - found.offset, 0)
        return Placement(found.partition, low, found.offset, found.metadata, gap)
