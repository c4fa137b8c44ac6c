"""What the topics hold, record by record: counts, latencies, and the latest of each topic."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import msgspec

from kafka_processor.config import Settings
from kafka_processor.message_id import position_in
from kafka_processor.outcomes import Outcome
from kafka_processor.records import (
    CleanedRecord,
    ErrorRecord,
    MessageDetails,
    MetricsRecord,
    ProcessedRecord,
    SummaryRecord,
)

LATENCIES: Final = 5000
"""Latencies of so many messages give the percentiles."""
INPUTS: Final = 20_000
"""So many raw messages are kept for their outcome to come."""


class Input(NamedTuple):
    """A raw message as it was read from the input topic; `timestamp` in milliseconds."""

    value: bytes | None
    timestamp: int


@dataclass
class Latest:
    """The latest record of each kind, beside the message it came from where that is known."""

    processed: tuple[ProcessedRecord, Input] | None = None
    error: tuple[ErrorRecord, Input] | None = None
    cleaned: tuple[CleanedRecord, Input] | None = None
    skipped: MessageDetails | None = None
    summary: SummaryRecord | None = None


@dataclass
class Counts:
    received: int = 0
    """Records in the input topic."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """Records in the topics of the outcomes; skipped: lines in the metrics."""
    metrics_lines: int = 0

    @property
    def handled(self) -> int:
        return self.outcomes.total()


@dataclass
class SummaryTotals:
    """The sum over the latest summary of each partition."""

    received: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    """As in `Counts`: processed, filtered, skipped, and each type of error."""
    device_types: Counter[str] = field(default_factory=Counter)
    locales: Counter[str] = field(default_factory=Counter)


class Ledger:
    """Takes in records of all topics, in any order between topics."""

    def __init__(self, settings: Settings) -> None:
        self.counts = Counts()
        self.latest = Latest()
        self._latencies: deque[float] = deque(maxlen=LATENCIES)
        self._inputs: dict[tuple[int, int], Input] = {}
        self._summaries: dict[str, SummaryRecord] = {}
        # One byte an input offset: how many outcomes its message has.
        self._is_input: dict[int, bytearray] = {}
        self._outcomes_of: dict[int, bytearray] = {}
        self._input_topic = settings.input_topic
        self._take_value = {
            settings.processed_topic: self._take_processed,
            settings.errors_topic: self._take_error,
            settings.cleaned_topic: self._take_cleaned,
            settings.metrics_topic: self._take_metrics,
            settings.summary_topic: self._take_summary,
        }

    def take(
        self,
        topic: str,
        place: tuple[int, int],
        value: bytes | None,
        timestamp: int,
        now: float,
    ) -> None:
        """One record: `place` is its partition and offset, `timestamp` its own in milliseconds,
        `now` when it was read, in seconds. Raises msgspec.MsgspecError if it is not as documented.
        """
        if topic != self._input_topic:
            self._take_value[topic](value or b"", now)
            return
        self.counts.received += 1
        _increment(self._is_input, place)
        self._inputs[place] = Input(value, timestamp)
        if len(self._inputs) > INPUTS:
            del self._inputs[next(iter(self._inputs))]

    def _take_processed(self, value: bytes, now: float) -> None:
        record = _decode_processed(value)
        origin = self._outcome("processed", record.message_id)
        if origin:
            self.latest.processed = (record, origin)
            self._latencies.append(now - origin.timestamp / 1000)

    def _take_error(self, value: bytes, _: float) -> None:
        record = _decode_error(value)
        origin = self._outcome(record.error_type, record.message_id)
        if origin:
            self.latest.error = (record, origin)

    def _take_cleaned(self, value: bytes, _: float) -> None:
        record = _decode_cleaned(value)
        origin = self._outcome("filtered", record.message_id)
        if origin:
            self.latest.cleaned = (record, origin)

    def _take_metrics(self, value: bytes, _: float) -> None:
        lines = _decode_metrics(value).message_details
        self.counts.metrics_lines += len(lines)
        for line in lines:
            if line.outcome == "skipped":  # nothing else is published of these
                self._outcome("skipped", line.message_id)
                self.latest.skipped = line

    def _take_summary(self, value: bytes, _: float) -> None:
        record = _decode_summary(value)
        key = f"{record.consumer_group}/{record.source_topic}-{record.source_partition}"
        self._summaries[key] = record
        self.latest.summary = record

    def _outcome(self, outcome: Outcome, message_id: str) -> Input | None:
        place = position_in(self._input_topic, message_id)
        if place is None:
            return None
        self.counts.outcomes[outcome] += 1
        _increment(self._outcomes_of, place)
        return self._inputs.pop(place, None)

    def without_outcome(self) -> int:
        """Messages of the input that have none."""
        return sum(
            1
            for partition, inputs in self._is_input.items()
            for is_input, outcomes in _zip(inputs, self._outcomes_of.get(partition, bytearray()))
            if is_input and not outcomes
        )

    def with_several_outcomes(self) -> int:
        return sum(
            1 for outcomes in self._outcomes_of.values() for number in outcomes if number > 1
        )

    def percentile(self, share: float) -> float | None:
        """Seconds from a message's timestamp to the reading of its processed record."""
        ordered = sorted(self._latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else None

    def summary_totals(self) -> SummaryTotals:
        totals = SummaryTotals()
        for record in self._summaries.values():
            totals.received += record.total_received_count
            totals.outcomes.update(
                processed=record.processed_count,
                filtered=record.filtered_count,
                skipped=record.skipped_count,
                **record.error_type_counts,
            )
            totals.device_types.update(record.device_type_counts)
            totals.locales.update(record.locale_counts)
        return totals

    def is_complete(self, sent: int) -> bool:
        """Whether each of `sent` messages was seen with its outcome, its metrics and in the sums.

        Cheap: it compares numbers; `without_outcome` looks at each message.
        """
        counts = self.counts
        numbers = (counts.received, counts.handled, counts.metrics_lines)
        return min(*numbers, self.summary_totals().received) >= sent

    def copy_of_latest(self) -> Latest:
        return replace(self.latest)

    def copy_of_counts(self) -> Counts:
        return replace(self.counts, outcomes=self.counts.outcomes.copy())


def _increment(numbers: dict[int, bytearray], place: tuple[int, int]) -> None:
    partition, offset = place
    of_partition = numbers.setdefault(partition, bytearray())
    if offset >= len(of_partition):
        of_partition.extend(bytes(offset + 1 - len(of_partition)))
    of_partition[offset] = min(of_partition[offset] + 1, 255)


def _zip(inputs: bytearray, outcomes: bytearray) -> Iterable[tuple[int, int]]:
    return zip(inputs, outcomes.ljust(len(inputs), b"\0"), strict=False)


_decode_processed = msgspec.json.Decoder(ProcessedRecord).decode
_decode_error = msgspec.json.Decoder(ErrorRecord).decode
_decode_cleaned = msgspec.json.Decoder(CleanedRecord).decode
_decode_metrics = msgspec.json.Decoder(MetricsRecord).decode
_decode_summary = msgspec.json.Decoder(SummaryRecord).decode
