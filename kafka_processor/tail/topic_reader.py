"""Reads one topic as it grows, committed records only: no consumer group, nothing committed."""

import time
from collections.abc import Callable
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from kafka_processor.audit.unreadable import STANDSTILL, find_unreadable
from kafka_processor.clients.kafka_errors import describe, error_of, is_unreadable
from kafka_processor.clients.reader_connection import (
    REQUEST_TIMEOUT,
    Connection,
    is_of_unused_group,
)
from kafka_processor.config import Settings
from kafka_processor.errors import CannotReadError

LOOK_INTERVAL: Final = 1.0
"""Seconds between two looks for the topic and its partitions."""


class TopicReader:
    """All partitions of a topic; the topic itself, or partitions of it, may appear later."""

    def __init__(
        self, settings: Settings, topic: str, from_beginning: bool, note: Callable[[str], None]
    ) -> None:
        """`note` is told what is read or waited for. Raises SettingsError for a property that the
        client does not take."""
        # Where retention was faster than us, or the topic is a new one: what there is.
        self._connection = Connection(settings, auto_offset_reset="earliest")
        self._client = self._connection.client
        self._topic = topic
        self._brokers = settings.kafka_bootstrap_servers
        self._note = note
        self._from_beginning = from_beginning
        self._settings = settings
        self._partitions: set[int] = set()
        self._positions: dict[int, int] = {}
        """The next offset to be read of each partition."""
        self._looked_at: dict[int, tuple[int, int]] = {}
        """By partition, position and end, when it was last looked for what cannot be read."""
        self._last_read = time.monotonic()
        self._trouble: str | None = None
        self._next_look = 0.0

    def read(self, limit: int, timeout: float) -> list[Message]:
        """What is there, at most `limit` records; waits `timeout` seconds for the first one.

        Raises CannotReadError: no broker answers at the start, or waiting does not help.
        """
        if time.monotonic() >= self._next_look:
            self._look_for_partitions()
            self._next_look = time.monotonic() + LOOK_INTERVAL
        messages = self._client.consume(limit, 0) or self._client.consume(1, timeout)
        unreadable: set[int] = set()
        records = [each for each in messages if self._is_record(each, unreadable)]
        if records:
            self._last_read = time.monotonic()
        elif time.monotonic() - self._last_read > STANDSTILL:
            self._last_read = time.monotonic()
            unreadable.update(self._standing_still())
        for partition in unreadable & self._partitions:
            self._pass_over(partition)
        return records

    def demand_connection(self) -> None:
        """Raises CannotReadError if no broker has answered so far."""
        if not self._connection.is_established:
            raise CannotReadError(f"no broker answers at {self._brokers}")

    def close(self) -> None:
        self._connection.close()

    def _look_for_partitions(self) -> None:
        try:
            metadata = self._client.list_topics(self._topic, REQUEST_TIMEOUT).topics[self._topic]
            self._connection.establish()
            if metadata.error:
                if metadata.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    self._begin_anew()
                raise KafkaException(metadata.error)
            self._take_up(set(metadata.partitions) - self._partitions)
        except KafkaException as exception:
            self._connection.check()
            self._report(error_of(exception))
        else:
            if self._trouble:
                self._note(f"reading {self._topic} again")
            self._trouble = None

    def _begin_anew(self) -> None:
        """There is no such topic, or no longer: one that appears is new as a whole."""
        self._client.unassign()
        self._partitions.clear()
        self._looked_at.clear()
        self._from_beginning = True

    def _take_up(self, partitions: set[int]) -> None:
        """Starts to read partitions: all of them or, with a KafkaException, none."""
        if not partitions:
            return
        found = []
        for number in partitions:
            partition = TopicPartition(self._topic, number)
            low, high = self._client.get_watermark_offsets(partition, timeout=REQUEST_TIMEOUT)
            partition.offset = low if self._from_beginning else high
            found.append(partition)
        self._client.incremental_assign(found)
        self._positions |= {each.partition: each.offset for each in found}
        more = " more" if self._partitions else ""
        start = "from the beginning" if self._from_beginning else "from now on"
        self._note(
            f"reading {self._topic} at {self._brokers}, committed records {start}, "
            f"partitions: {len(partitions)}{more}"
        )
        self._partitions |= partitions
        self._from_beginning = True  # partitions that appear later are new as a whole
        self._trouble = None

    def _is_record(self, message: Message, unreadable: set[int]) -> bool:
        """Reports an error; `unreadable` gets partitions in which something cannot be read."""
        error, partition = message.error(), message.partition() or 0
        if partition in unreadable:
            return False  # what the client finds behind that may be anything
        if error and is_unreadable(error):
            unreadable.add(partition)
        elif error and not is_of_unused_group(error):
            self._report(error)
        elif not error:
            self._positions[partition] = (message.offset() or 0) + 1
        return error is None

    def _standing_still(self) -> list[int]:
        """Partitions that are not read to their end: of some records the client says nothing."""
        found = []
        for partition in self._partitions:
            place = TopicPartition(self._topic, partition)
            _, end = self._client.get_watermark_offsets(place, cached=True)
            position = self._positions[partition]
            # The last offsets may be ends of transactions: then a second look finds nothing new.
            if position < end and self._looked_at.get(partition) != (position, end):
                self._looked_at[partition] = position, end
                found.append(partition)
        return found

    def _pass_over(self, partition: int) -> None:
        """Reads on behind what cannot be read, if there is such a thing, and says so."""
        place = TopicPartition(self._topic, partition)
        self._client.incremental_unassign([place])
        start = self._positions[partition]
        try:
            _, end = self._client.get_watermark_offsets(place, timeout=REQUEST_TIMEOUT)
        except KafkaException:
            end = start  # a broker is away: the next time
        found = find_unreadable(self._settings, self._topic, partition, start, end)
        if found:
            self._positions[partition] = found.end
            self._note(
                f"{self._topic}-{partition}: offsets {found.first:,} to {found.end - 1:,} cannot "
                f"be read, reading on behind them: {found.reason}"
            )
        self._client.incremental_assign(
            [TopicPartition(self._topic, partition, self._positions[partition])]
        )

    def _report(self, error: KafkaError) -> None:
        """One line for what is waited for. Raises CannotReadError where waiting does not help."""
        self._connection.check_permission(error, self._topic)
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            trouble = f"waiting for topic {self._topic}: it does not exist at {self._brokers}"
        else:
            trouble = f"waiting for {self._brokers}: {describe(error)}"
        if self._connection.is_established and trouble != self._trouble:
            self._note(trouble)
            self._trouble = trouble
