"""Follows one topic: committed records only, without a consumer group."""

from collections.abc import Callable
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from kafka_processor.clients.kafka_errors import describe, error_of, is_unreadable
from kafka_processor.clients.reader_connection import (
    REQUEST_TIMEOUT,
    SILENT,
    ReaderConnection,
    is_of_unused_group,
)
from kafka_processor.config import Settings
from kafka_processor.errors import CannotReadError
from kafka_processor.timing import Every
from kafka_processor.unreadable.scan import find_batch

LOOKUP_INTERVAL: Final = 1.0
"""Seconds between two lookups of the topic and its partitions."""
STANDSTILL: Final = 5.0
"""Seconds without a record after which partitions are probed: the client does not report all
unreadable records."""


class TopicReader:
    """All partitions of a topic; the topic itself, or partitions of it, may appear later."""

    def __init__(
        self, settings: Settings, topic: str, from_beginning: bool, note: Callable[[str], None]
    ) -> None:
        """`note` gets lines about what is read or waited for. Raises KafkaException for properties
        that the client refuses."""
        # If retention has overtaken us, or the topic was created again: the earliest record.
        self._connection = ReaderConnection(settings, auto_offset_reset="earliest")
        self._client = self._connection.client
        self._topic = topic
        self._brokers = settings.kafka_bootstrap_servers
        self._note = note
        self._from_beginning = from_beginning
        self._settings = settings
        self._partitions: set[int] = set()
        self._positions: dict[int, int] = {}
        """The next offset to read, by partition."""
        self._probed: dict[int, tuple[int, int]] = {}
        """Position and end at the last probe, by partition."""
        self._standstill = Every(STANDSTILL)
        self._lookup = Every(LOOKUP_INTERVAL, is_due_now=True)
        self._trouble: str | None = None

    def read(self, limit: int, timeout: float) -> list[Message]:
        """Returns up to `limit` records; blocks up to `timeout` seconds for the first one.

        Raises CannotReadError if no broker answers at the start, or if waiting does not help.
        """
        if self._lookup.is_due:
            self._look_up_partitions()
            self._lookup.restart()
        messages = self._client.consume(limit, 0) or self._client.consume(1, timeout)
        unreadable: set[int] = set()
        records = [each for each in messages if self._is_record(each, unreadable)]
        if records:
            self._standstill.restart()
        elif self._standstill.is_due:
            self._standstill.restart()
            unreadable.update(self._standing_still())
        for partition in unreadable & self._partitions:
            self._skip_unreadable(partition)
        return records

    def require_connection(self) -> None:
        """Raises CannotReadError if no broker has answered yet."""
        if not self._connection.is_established:
            raise CannotReadError(
                f"no broker answers at {self._brokers}; check KAFKA_BOOTSTRAP_SERVERS"
            )

    def close(self) -> None:
        self._connection.close()

    def _look_up_partitions(self) -> None:
        try:
            metadata = self._client.list_topics(self._topic, REQUEST_TIMEOUT).topics[self._topic]
            self._connection.establish()
            if metadata.error:
                if metadata.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    self._start_over()
                raise KafkaException(metadata.error)
            self._add(set(metadata.partitions) - self._partitions)
        except KafkaException as exception:
            self._connection.check()
            self._report(error_of(exception))
        else:
            if self._trouble:
                self._note(f"reading {self._topic} again")
            self._trouble = None

    def _start_over(self) -> None:
        """The topic does not exist (any more): one that appears is read from its beginning."""
        self._client.unassign()
        self._partitions.clear()
        self._probed.clear()
        self._from_beginning = True

    def _add(self, partitions: set[int]) -> None:
        """Starts to read the partitions. Raises KafkaException; then none is added."""
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
        self._from_beginning = True  # for partitions that appear later
        self._trouble = None

    def _is_record(self, message: Message, unreadable: set[int]) -> bool:
        """Returns whether this is a record; reports errors. `unreadable` gets broken partitions."""
        error, partition = message.error(), message.partition() or 0
        if partition in unreadable:
            return False  # the client continues at an arbitrary offset
        if error and is_unreadable(error):
            unreadable.add(partition)
        elif error and not is_of_unused_group(error):
            self._report(error)
        elif not error:
            self._positions[partition] = (message.offset() or 0) + 1
        return error is None

    def _standing_still(self) -> list[int]:
        """Returns partitions that have not reached their ends."""
        found = []
        for partition in self._partitions:
            place = TopicPartition(self._topic, partition)
            _, end = self._client.get_watermark_offsets(place, cached=True)
            position = self._positions[partition]
            # The last offsets may be transaction markers, so each state is probed only once.
            if position < end and self._probed.get(partition) != (position, end):
                self._probed[partition] = position, end
                found.append(partition)
        return found

    def _skip_unreadable(self, partition: int) -> None:
        """Continues after records that cannot be read, if there are any."""
        self._client.incremental_unassign([TopicPartition(self._topic, partition)])
        start = self._positions[partition]
        batch = find_batch(self._settings, self._topic, partition, start, SILENT, lambda: False)
        if batch:
            self._positions[partition] = batch.end
            self._note(
                f"{self._topic}-{partition}: offsets {batch.first:,} to {batch.end - 1:,} cannot "
                f"be read and are skipped: {batch.reason}"
            )
        self._client.incremental_assign(
            [TopicPartition(self._topic, partition, self._positions[partition])]
        )

    def _report(self, error: KafkaError) -> None:
        """Notes what is waited for, once. Raises CannotReadError if waiting does not help."""
        self._connection.check_permission(error, self._topic)
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            trouble = f"waiting for topic {self._topic}: it does not exist at {self._brokers}"
        else:
            trouble = f"waiting for {self._brokers}: {describe(error)}"
        if self._connection.is_established and trouble != self._trouble:
            self._note(trouble)
            self._trouble = trouble
