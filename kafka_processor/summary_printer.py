"""The running counts: per partition, what is in them, when to publish, how they are kept.

They travel as a `Snapshot` in the metadata of each committed offset, so that they move with the
partition and commit atomically with what they count.
"""

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
from kafka_processor.pipeline import OutputRecord, Work
from kafka_processor.records import (
    TOPIC_ID_LENGTH,
    Snapshot,
    SummaryRecord,
    decode_snapshot,
    encode,
)

MAX_DELAY: Final = 4.0
"""Seconds from a change to its publication: one less than promised, for the commit itself."""


class PartitionCounts:
    """What was counted of one partition, up to `next_offset`."""

    def __init__(
        self,
        next_offset: int,
        topic_id: str = "",
        is_device_type: IsLabel = is_device_type,
        is_locale: IsLabel = is_locale,
    ) -> None:
        self.next_offset = next_offset
        self.topic_id = topic_id
        self.counted_since = next_offset
        self.processed = self.filtered = self.skipped = self.replayed = 0
        self.errors: dict[str, int] = {}
        self.device_types: dict[str, int] = {}
        self.locales: dict[str, int] = {}
        self._is_device_type = is_device_type
        self._is_locale = is_locale

    def add(self, work: Work) -> None:
        self.next_offset = work.next_offset
        self.replayed += work.replayed
        for outcome, count in work.outcomes.items():
            if outcome in ("processed", "filtered", "skipped"):
                setattr(self, outcome, getattr(self, outcome) + count)
            else:
                self.errors[outcome] = self.errors.get(outcome, 0) + count
        self._add_labels(work.device_types, work.locales)

    def _add_labels(self, device_types: Mapping[str, int], locales: Mapping[str, int]) -> None:
        add_counts(self.device_types, device_types, self._is_device_type, MAX_DEVICE_TYPES)
        add_counts(self.locales, locales, self._is_locale, MAX_LOCALES)

    def snapshot(self, key_id: str) -> str:
        """At most 4,096 characters, whatever was counted."""
        return encode(
            Snapshot(
                1,
                self.next_offset,
                key_id,
                self.counted_since,
                self.processed,
                self.filtered,
                self.skipped,
                self.replayed,
                self.errors,
                self.device_types,
                self.locales,
                self.topic_id[:TOPIC_ID_LENGTH],
            )
        ).decode()

    def take_up(self, snapshot: Snapshot) -> None:
        """Continues from stored counts. What is no label, or no longer, goes to `__other__`."""
        self.next_offset = snapshot.next_offset
        self.topic_id = snapshot.topic_id
        self.counted_since = snapshot.counted_since_offset
        self.processed = snapshot.processed
        self.filtered = snapshot.filtered
        self.skipped = snapshot.skipped
        self.replayed = snapshot.replayed
        self.errors = snapshot.errors
        self._add_labels(snapshot.device_types, snapshot.locales)


class SummaryPrinter:
    """The counts of the partitions that this process has, and when they are due in the topic."""

    """`former_key_id`: another name of the same key, under which counts may have been stored."""

    def __init__(self, settings: Settings, key_id: str, former_key_id: str | None = None) -> None:
        self._settings = settings
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

        What is restored counts as changed: it may have been committed and never published.
        Returns None where counting goes on or has never begun, else why it starts anew. Raises
        KeyChangedError if the counts were made under another key.
        """
        counts = PartitionCounts(start, topic_id, self._is_device_type, self._is_locale)
        self._counts[partition] = counts
        if committed is None:
            return None
        try:
            snapshot = decode_snapshot(metadata or "")
        except (msgspec.MsgspecError, RecursionError):
            return "there are no counts with the committed offset"
        if snapshot.next_offset != committed:
            return f"the counts with the committed offset {committed} are others'"
        if not snapshot.is_possible:
            return f"the counts with the committed offset {committed} are impossible: a forgery?"
        if snapshot.key_id not in self._own_key_ids and not self._settings.allow_key_change:
            raise KeyChangedError(
                f"DEVICE_ID_KEY: partition {partition} of {self._settings.input_topic} was counted "
                f"under key {snapshot.key_id}, this process has key {self._key_id}; "
                "give it the same key, or set ALLOW_KEY_CHANGE=true"
            )
        if start < committed:
            return f"the input goes on at {start}, below the committed offset {committed}"
        counts.take_up(snapshot)
        counts.next_offset = start
        counts.topic_id = topic_id
        self._mark_changed(partition, now)
        return None

    def restart(self, partition: int) -> None:
        """Drops what was restored: it counts messages of a topic that is gone."""
        old = self._counts[partition]
        self._counts[partition] = PartitionCounts(
            old.next_offset, old.topic_id, self._is_device_type, self._is_locale
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
        """Whether there are changes that the topic should have by now."""
        if not self._changed:
            return False
        many = self._since_publication >= self._settings.summary_publish_interval
        late = self._first_change is not None and now - self._first_change >= MAX_DELAY
        return many or late

    def unpublished(self, partitions: Iterable[int]) -> list[int]:
        return sorted(self._changed.intersection(partitions))

    def publish(self, partitions: Iterable[int], now: int) -> Iterator[OutputRecord]:
        """A record for each of the partitions that has changed; `now` in milliseconds."""
        for partition in self.unpublished(partitions):
            self._changed.discard(partition)
            key = f"{self._settings.consumer_group}/{self._settings.input_topic}-{partition}"
            yield self._settings.summary_topic, key.encode(), encode(self._record(partition, now))
        if not self._changed:
            self._since_publication = 0
            self._first_change = None

    def snapshot(self, partition: int) -> tuple[int, str]:
        """The offset to commit for a partition, and the counts to commit with it."""
        counts = self._counts[partition]
        return counts.next_offset, counts.snapshot(self._key_id)

    def _record(self, partition: int, now: int) -> SummaryRecord:
        counts = self._counts[partition]
        errors = sum(counts.errors.values())
        return SummaryRecord(
            self._settings.consumer_group,
            self._settings.input_topic,
            partition,
            counts.next_offset,
            counts.counted_since,
            counts.processed + counts.filtered + counts.skipped + errors,
            counts.processed,
            counts.filtered,
            counts.skipped,
            errors,
            counts.replayed,
            counts.errors,
            counts.device_types,
            counts.locales,
            rfc3339(now) or "",
        )
