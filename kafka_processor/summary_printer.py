"""The running counts of each partition: what they hold, when they are published, how they are kept.

They are stored as a `Snapshot` in the metadata of each committed offset, so that they move with the
partition and commit atomically with the messages that they count.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from kafka_processor.config import Settings
from kafka_processor.errors import KeyChangedError
from kafka_processor.event.labels import (
    MAX_DEVICE_TYPES,
    MAX_LOCALES,
    IsLabel,
    add_counts,
    is_device_type,
    is_locale,
    labels,
)
from kafka_processor.event.timestamps import rfc3339
from kafka_processor.outcomes import OUTCOMES, Kind
from kafka_processor.pipeline import Work
from kafka_processor.records import (
    SNAPSHOT_VERSION,
    TOPIC_ID_LENGTH,
    OutputRecord,
    Snapshot,
    SummaryRecord,
    decode_snapshot,
    encode,
)
from kafka_processor.serializer import JSON, Serializer

MAX_DELAY: Final = 4.0
"""Seconds from a change to its publication: the contract's 5, less one for the commit itself."""


class PartitionCounts:
    """The counts of one partition, up to `next_offset`."""

    def __init__(
        self,
        next_offset: int,
        topic_id: str = "",
        *,
        is_device_type: IsLabel = is_device_type,
        is_locale: IsLabel = is_locale,
    ) -> None:
        self.next_offset = next_offset
        self.topic_id = topic_id
        self.counted_since = next_offset
        self.kinds: Counter[Kind] = Counter()
        """Without errors, which are counted by type."""
        self.errors: Counter[str] = Counter()
        self.replayed = 0
        self.device_types: dict[str, int] = {}
        self.locales: dict[str, int] = {}
        self._is_device_type = is_device_type
        self._is_locale = is_locale

    def add(self, work: Work) -> None:
        self.next_offset = work.next_offset
        self.replayed += work.replayed
        for outcome, count in work.outcomes.items():
            kind = OUTCOMES[outcome].counted_as
            if kind == "error":
                self.errors[outcome] += count
            else:
                self.kinds[kind] += count
        self._add_labels(work.device_types, work.locales)

    def _add_labels(self, device_types: Mapping[str, int], locales: Mapping[str, int]) -> None:
        add_counts(self.device_types, device_types, self._is_device_type, MAX_DEVICE_TYPES)
        add_counts(self.locales, locales, self._is_locale, MAX_LOCALES)

    def snapshot(self, key_id: str) -> str:
        """Returns the text to store, at most 4,096 characters whatever was counted."""
        snapshot = Snapshot(
            version=SNAPSHOT_VERSION,
            next_offset=self.next_offset,
            key_id=key_id,
            counted_since_offset=self.counted_since,
            processed=self.kinds["processed"],
            filtered=self.kinds["filtered"],
            skipped=self.kinds["skipped"],
            replayed=self.replayed,
            errors=self.errors,
            device_types=self.device_types,
            locales=self.locales,
            topic_id=self.topic_id[:TOPIC_ID_LENGTH],
        )
        return encode(snapshot).decode()

    def take_up(self, snapshot: Snapshot) -> None:
        """Continues from stored counts. What is not a label, or not any more, goes to
        `__other__`."""
        self.next_offset = snapshot.next_offset
        self.topic_id = snapshot.topic_id
        self.counted_since = snapshot.counted_since_offset
        self.kinds = Counter(
            {
                "processed": snapshot.processed,
                "filtered": snapshot.filtered,
                "skipped": snapshot.skipped,
            }
        )
        self.errors = Counter(snapshot.errors)
        self.replayed = snapshot.replayed
        self._add_labels(snapshot.device_types, snapshot.locales)


class SummaryPrinter:
    """The counts of the partitions that this process owns, and when they are due in the topic."""

    def __init__(
        self,
        settings: Settings,
        key_id: str,
        *,
        former_key_id: str | None = None,
        serializer: Serializer = JSON,
    ) -> None:
        """`former_key_id`: another name of the same key, under which counts may be stored."""
        self._settings = settings
        self._encode = serializer.encoder(settings.summary_topic, SummaryRecord)
        self._key_id = key_id
        self._own_key_ids = (key_id, former_key_id)
        self._is_device_type = labels(is_device_type, settings.device_type_labels)
        self._is_locale = labels(is_locale, settings.locale_labels)
        self._counts: dict[int, PartitionCounts] = {}
        self._changed: set[int] = set()
        self._since_publication = 0
        self._first_change: float | None = None

    def restore(
        self,
        partition: int,
        committed: int | None,
        metadata: str | None,
        start: int,
        now: float,
        topic_id: str = "",
    ) -> str | None:
        """Takes up a partition at `start`, with the counts stored with its committed offset.

        Restored counts are published again: they may have been committed and never published.
        Returns None if counts continue or have never begun, else why they restart. Raises
        KeyChangedError if the counts were made under another key.
        """
        counts = self._new_counts(start, topic_id)
        self._counts[partition] = counts
        if committed is None:
            return None
        try:
            snapshot = decode_snapshot(metadata or "")
        except (msgspec.MsgspecError, RecursionError):
            return "no counts are stored with the committed offset"
        if snapshot.next_offset != committed:
            return f"the counts stored with the committed offset {committed} belong to another one"
        if not snapshot.is_possible:
            return f"the counts stored with the committed offset {committed} are not possible"
        if snapshot.key_id not in self._own_key_ids and not self._settings.allow_key_change:
            raise KeyChangedError(
                f"DEVICE_ID_KEY: partition {partition} of {self._settings.input_topic} was counted "
                f"under key {snapshot.key_id}, this process has key {self._key_id}; "
                "give it the same key, or set ALLOW_KEY_CHANGE=true"
            )
        if start < committed:
            return f"the input resumes at {start}, below the committed offset {committed}"
        counts.take_up(snapshot)
        counts.next_offset = start
        counts.topic_id = topic_id
        self._mark_changed(partition, now)
        return None

    def restart(self, partition: int) -> None:
        """Drops restored counts: their messages belong to a topic that was deleted."""
        old = self._counts[partition]
        self._counts[partition] = self._new_counts(old.next_offset, old.topic_id)

    def _new_counts(self, next_offset: int, topic_id: str) -> PartitionCounts:
        return PartitionCounts(
            next_offset,
            topic_id,
            is_device_type=self._is_device_type,
            is_locale=self._is_locale,
        )

    def forget_all(self) -> None:
        self.forget(list(self._counts))

    def forget(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            self._counts.pop(partition, None)
            self._changed.discard(partition)

    def add(self, partition: int, work: Work, now: float) -> None:
        """Counts messages; `now` in seconds of a monotonic clock."""
        self._counts[partition].add(work)
        self._since_publication += work.messages
        self._mark_changed(partition, now)

    def _mark_changed(self, partition: int, now: float) -> None:
        self._changed.add(partition)
        if self._first_change is None:
            self._first_change = now

    def is_due(self, now: float) -> bool:
        """Whether there are changes that should be in the topic by now."""
        if not self._changed:
            return False
        many = self._since_publication >= self._settings.summary_publish_interval
        late = self._first_change is not None and now - self._first_change >= MAX_DELAY
        return many or late

    def unpublished(self, partitions: Iterable[int]) -> list[int]:
        return sorted(self._changed.intersection(partitions))

    def publish(self, partitions: Iterable[int], now: int) -> Iterator[OutputRecord]:
        """Yields a record for each of the partitions that has changed; `now` in milliseconds."""
        for partition in self.unpublished(partitions):
            self._changed.discard(partition)
            key = f"{self._settings.consumer_group}/{self._settings.input_topic}-{partition}"
            value = self._encode(self._record(partition, now))
            yield self._settings.summary_topic, key.encode(), value
        if not self._changed:
            self._since_publication = 0
            self._first_change = None

    def snapshot(self, partition: int) -> tuple[int, str]:
        """Returns the offset to commit for a partition, and the counts to store with it."""
        counts = self._counts[partition]
        return counts.next_offset, counts.snapshot(self._key_id)

    def _record(self, partition: int, now: int) -> SummaryRecord:
        counts = self._counts[partition]
        errors = counts.errors.total()
        return SummaryRecord(
            consumer_group=self._settings.consumer_group,
            source_topic=self._settings.input_topic,
            source_partition=partition,
            next_offset=counts.next_offset,
            counted_since_offset=counts.counted_since,
            total_received_count=counts.kinds.total() + errors,
            processed_count=counts.kinds["processed"],
            filtered_count=counts.kinds["filtered"],
            skipped_count=counts.kinds["skipped"],
            error_count=errors,
            replayed_count=counts.replayed,
            error_type_counts=counts.errors,
            device_type_counts=counts.device_types,
            locale_counts=counts.locales,
            timestamp=rfc3339(now) or "",
        )
