"""Looks up what decides where partitions start: committed offsets, the topic's id and its ends."""

import time
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition
from structlog.typing import FilteringBoundLogger

from kafka_processor.clients.kafka_errors import error_of
from kafka_processor.config import Settings
from kafka_processor.membership.committed import CommittedOffset, committed_offsets
from kafka_processor.membership.input_topic import InputTopic
from kafka_processor.membership.start_offsets import (
    Past,
    StartOffset,
    StartReason,
    decide_start,
    is_of_other_topic,
)
from kafka_processor.membership.trouble import Trouble

LOOKUP_TIMEOUT: Final = 1.0
"""Seconds for one look-up of offsets."""
FIRST_LOOKUP_TIMEOUT: Final = 0.25
"""Seconds for the first one while other partitions are read, which stand still meanwhile. Doubled
each time that it was too short."""
PAUSE: Final = 0.2
"""Seconds between two look-ups, while not all is known."""
PAUSE_OF_READER: Final = 2.0
"""The same while other partitions are read, as a multiple of what the look-up took."""


class OffsetLookup:
    """Patient: what cannot be looked up now is left out, and asked for again the next time."""

    def __init__(
        self, settings: Settings, topic: InputTopic, trouble: Trouble, log: FilteringBoundLogger
    ) -> None:
        self._name = settings.input_topic
        self._summary_topic = settings.summary_topic
        self._topic = topic
        self._reset = settings.auto_offset_reset
        self._trouble = trouble
        self._log = log
        self._next = 0.0
        self._is_one_by_one = False
        self._last_asked = -1
        self._timeout = LOOKUP_TIMEOUT
        self._is_begun = False
        """The group has committed offsets of the topic, or the topic is younger than this
        process."""
        self._last: dict[int, StartOffset] = {}
        """Where this process has started each partition last."""

    def expect_new_topic(self) -> None:
        """The topic was created after this process began: it is read from its beginning."""
        self._is_begun = True

    def find(
        self,
        client: Consumer,
        partitions: Collection[int],
        out_of_range: Collection[int],
        is_reading: bool,
    ) -> list[StartOffset]:
        """Of those that are known; `out_of_range`: those that cannot be read where they were left.

        The others are not: with a broker away, or while the broker still ends the transaction of a
        process that was killed (KIP-447: unstable offsets). `is_reading`: other partitions are read
        already; if the topic is another one now, none is found until they too are looked up.
        """
        began = time.monotonic()
        if began < self._next:
            return []
        if not is_reading:
            self._timeout = LOOKUP_TIMEOUT
        found: list[StartOffset] = []
        try:
            topic_id = self._topic.look(self._timeout)
            if topic_id is not None and not (is_reading and self._topic.has_changed):
                self._is_begun = self._is_begun or self._topic.has_changed
                self._topic.read_id = topic_id
                for asked in self._questions(sorted(partitions)):
                    found += self._ask(client, asked, out_of_range, topic_id)
        except KafkaException as exception:
            self._trouble.complain("cannot look up committed offsets yet", error_of(exception))
            self._is_one_by_one = True
            self._timeout = min(2 * self._timeout, LOOKUP_TIMEOUT)
        self._last |= {each.partition: each for each in found}
        if len(found) < len(partitions):
            now = time.monotonic()
            self._next = now + max(PAUSE, PAUSE_OF_READER * (now - began) if is_reading else 0)
        else:
            self._is_one_by_one = False
            self._timeout = FIRST_LOOKUP_TIMEOUT
        self._log_starts(client, found)
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
        self,
        client: Consumer,
        partitions: Sequence[int],
        out_of_range: Collection[int],
        topic_id: str,
    ) -> Iterator[StartOffset]:
        for found in committed_offsets(client, self._name, partitions, self._timeout):
            if found.error:
                self._trouble.complain("cannot look up committed offsets yet", found.error)
                continue
            past = self._past(client, found)
            is_usable = past.committed is not None and found.partition not in out_of_range
            if is_usable and not is_of_other_topic(past, topic_id):
                yield StartOffset(
                    past.partition,
                    found.offset,
                    found.offset,
                    past.metadata,
                    reason=StartReason.COMMITTED,
                    topic_id=topic_id,
                )
            else:
                low, high = client.get_watermark_offsets(
                    TopicPartition(self._name, found.partition), timeout=self._timeout
                )
                yield decide_start(past, topic_id, low, high, starts_at_end=self._reset == "latest")

    def _past(self, client: Consumer, found: CommittedOffset) -> Past:
        last = self._last.get(found.partition)
        read_as = last.topic_id if last else ""
        if found.offset >= 0:
            self._is_begun = True
            return Past(found.partition, found.offset, found.metadata, read_as=read_as)
        if last is None and not self._is_begun:
            self._is_begun = self._has_committed(client)
        return Past(
            found.partition,
            None,
            None,
            started_at=last.offset if last else None,
            read_as=read_as,
            is_of_begun_topic=self._is_begun,
        )

    def _has_committed(self, client: Consumer) -> bool:
        """Whether the group has committed an offset of any partition of the topic, also of those
        that other members have. Raises KafkaException while that is not known."""
        partitions = client.list_topics(self._name, LOOKUP_TIMEOUT).topics[self._name].partitions
        all_found = committed_offsets(client, self._name, sorted(partitions), LOOKUP_TIMEOUT)
        if any(found.offset >= 0 for found in all_found):
            return True
        for found in all_found:
            if found.error:
                raise KafkaException(found.error)
        return False

    def _log_starts(self, client: Consumer, found: Sequence[StartOffset]) -> None:
        """Names the partitions that start without a committed offset."""
        new = {
            each.partition: each.offset
            for each in found
            if each.reason is StartReason.NEW_PARTITION
        }
        if new:
            self._log.info("new partitions are read from their beginning", starts_at=new)
        reset = {each.partition: each.offset for each in found if each.reason is StartReason.RESET}
        if not reset:
            return
        if self._has_summary(client):
            self._log.warning(
                "the group has no committed offsets, but SUMMARY_TOPIC has records: if the group "
                "has run before, its offsets have expired or were deleted; see the brokers' "
                "offsets.retention.minutes",
                starts_at=reset,
                AUTO_OFFSET_RESET=self._reset,
            )
        else:
            self._log.info(
                "the group has no committed offsets yet",
                starts_at=reset,
                AUTO_OFFSET_RESET=self._reset,
            )

    def _has_summary(self, client: Consumer) -> bool:
        """Whether the summary topic has held records: some group has run before. False where that
        cannot be looked up."""
        try:
            topic = client.list_topics(self._summary_topic, LOOKUP_TIMEOUT).topics[
                self._summary_topic
            ]
            ends = client.offsets_for_times(
                [TopicPartition(topic.topic, number, OFFSET_END) for number in topic.partitions],
                timeout=LOOKUP_TIMEOUT,
            )
        except KafkaException:
            return False
        return any(end.offset > 0 for end in ends)
