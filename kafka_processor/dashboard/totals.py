"""All messages since counting began: the sum over the latest summary of each input partition.

Records are kept as bytes and decoded when the page is drawn, so that a long topic is read fast.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from kafka_processor.dashboard.formats import UNREADABLE, Summary, decode_summary
from kafka_processor.event.labels import OTHER, IsLabel, is_device_type, is_locale
from kafka_processor.outcomes import ERROR_TYPES, KINDS, Kind

MAX_PARTITIONS: Final = 4096
MAX_RECORD: Final = 16 * 1024
"""Bytes; over twice the largest summary. One such record waits to be decoded in each partition."""
MAX_LABELS_OF_PARTITION: Final = 65
"""The most locales that a summary lists, 64, and `__other__`."""
MAX_LABELS: Final = 256
"""Locales, or device types, over all partitions."""
MAX_SPREAD: Final = 3600
"""Seconds over which growth is spread, at most: a producer may write any timestamp."""
PUBLISHED_WITHIN: Final = 5
"""Seconds within which a change is published (contract)."""

_is_partition = re.compile(rb"[0-9]{1,6}").fullmatch


@dataclass
class Totals:
    received: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    """Messages that were processed, filtered or skipped, and those that failed, by error type."""
    replayed: int = 0
    device_types: Counter[str] = field(default_factory=Counter)
    locales: Counter[str] = field(default_factory=Counter)
    by_partition: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Received and failed messages."""


class Growth(NamedTuple):
    """Messages between two summaries of a partition, to be spread over `seconds`."""

    seconds: range
    kinds: Mapping[Kind, int]


class _Waiting(NamedTuple):
    value: bytes
    second: int
    first_second: int
    """When the first record since the last decoded one was written."""


class _Latest(NamedTuple):
    summary: Summary
    second: int


class SummaryTotals:
    """Takes the summaries of one group and input topic, and ignores all others in the topic."""

    def __init__(
        self,
        *,
        group: str,
        topic: str,
        is_device_type: IsLabel = is_device_type,
        is_locale: IsLabel = is_locale,
    ) -> None:
        self._group = group
        self._is_device_type = is_device_type
        self._is_locale = is_locale
        self._topic = topic
        self._prefix = f"{group}/{topic}-".encode()
        self._waiting: dict[int, _Waiting] = {}
        self._latest: dict[int, _Latest] = {}
        self.unreadable = 0
        self.last: int | None = None
        """When the latest summary was written, in seconds."""

    def take(self, key: bytes | None, value: bytes | None, second: int) -> None:
        """`second`: when it was written."""
        if not key or not key.startswith(self._prefix):
            return
        number = key[len(self._prefix) :]
        if not _is_partition(number) or int(number) >= MAX_PARTITIONS:
            return
        if not value:
            self._waiting.pop(int(number), None)
            self._latest.pop(int(number), None)
        elif len(value) > MAX_RECORD:
            self.unreadable += 1
        else:
            before = self._waiting.get(int(number))
            first_second = before.first_second if before else second
            self._waiting[int(number)] = _Waiting(value, second=second, first_second=first_second)

    def forget(self) -> None:
        """Call it when the topic was deleted."""
        self._waiting.clear()
        self._latest.clear()

    def read_waiting(self) -> Iterator[Growth]:
        """Decodes what has arrived since the last call, and yields how much counts have grown."""
        for partition, (value, second, first_second) in self._waiting.items():
            try:
                summary = self._checked(decode_summary(value), partition)
            except (*UNREADABLE, _OfAnotherError):
                self.unreadable += 1
                continue
            before = self._latest.get(partition)
            self._latest[partition] = _Latest(summary, second)
            self.last = max(self.last or 0, second)
            if before:
                start = max(before.second, first_second - PUBLISHED_WITHIN, second - MAX_SPREAD)
                grown = _kinds(summary) - _kinds(before.summary)
                yield Growth(range(min(start + 1, second), second + 1), grown)
        self._waiting.clear()

    def totals(self) -> Totals:
        whole = Totals()
        for partition, (summary, _) in self._latest.items():
            whole.received += summary.total_received_count
            whole.replayed += summary.replayed_count
            kinds = _kinds(summary)
            del kinds["error"]  # counted by type
            whole.outcomes.update(kinds)
            whole.outcomes.update(summary.error_type_counts)
            whole.device_types.update(summary.device_type_counts)
            whole.locales.update(summary.locale_counts)
            whole.by_partition[partition] = summary.total_received_count, summary.error_count
        whole.device_types = _listed(whole.device_types, self._is_device_type)
        whole.locales = _listed(whole.locales, self._is_locale)
        return whole

    def _checked(self, summary: Summary, partition: int) -> Summary:
        """Returns the summary without unknown labels. Raises _OfAnotherError."""
        found = summary.consumer_group, summary.source_topic, summary.source_partition
        if found != (self._group, self._topic, partition):
            raise _OfAnotherError
        is_error_type = ERROR_TYPES.__contains__
        summary.error_type_counts = _listed(summary.error_type_counts, is_error_type)
        most = MAX_LABELS_OF_PARTITION
        summary.device_type_counts = _listed(summary.device_type_counts, self._is_device_type, most)
        summary.locale_counts = _listed(summary.locale_counts, self._is_locale, most)
        return summary


class _OfAnotherError(Exception):
    """The key of a record names one group, topic and partition, and its value another."""


def _listed(counts: Mapping[str, int], is_label: IsLabel, most: int = MAX_LABELS) -> Counter[str]:
    """Returns at most `most` labels; the others count as `__other__`."""
    listed: Counter[str] = Counter()
    for label, count in counts.items():
        has_room = label in listed or len(listed) < most
        listed[label if has_room and is_label(label) else OTHER] += count
    return listed


def _kinds(summary: Summary) -> Counter[Kind]:
    return Counter({kind: getattr(summary, f"{kind}_count") for kind in KINDS})
