"""Reads input and outputs once each, and stores the entries to be joined in the spill."""

from collections.abc import Callable, Mapping
from operator import methodcaller
from typing import Final

from confluent_kafka import Message

from kafka_processor.audit.cluster import Cluster
from kafka_processor.audit.entries import Headers, Line, Names, OtherInput, Record, StrangeRecord
from kafka_processor.audit.findings import CONTRADICTING, Place, Violation
from kafka_processor.audit.inputs import InputReader, unreadable_entry
from kafka_processor.audit.lines import LineReader
from kafka_processor.audit.plan import Span, Stretch
from kafka_processor.audit.reading import SpanReader, TakeUnreadable
from kafka_processor.audit.records import RecordReader, envelope
from kafka_processor.audit.retention import Lane, Retention
from kafka_processor.audit.spill import BUCKET, Spill
from kafka_processor.audit.unreadable import Unreadable
from kafka_processor.config import Settings

_read_headers: Final = methodcaller("headers")
"""Raises for a name that is not UTF-8, unlike `message.headers()`."""
_UNREADABLE_HEADERS: Final = (SystemError, UnicodeError)
LINE_RECORDS: Final = 50
"""Metrics records requested at once: each has up to 1,000 lines and 256 KiB."""


class Gathering:
    """Reads all topics; the entries are in the spill afterwards."""

    def __init__(
        self,
        settings: Settings,
        cluster: Cluster,
        reader: SpanReader,
        spill: Spill,
        stretches: Mapping[int, Stretch],
        report: Callable[[Violation], None],
    ) -> None:
        self.lanes: list[Lane] = []
        """The output partitions; their indexes are the lanes of entries."""
        self.retention = Retention()
        self.of_other_inputs = 0
        """Skipped outcomes, which are about messages of other input topics."""
        self._settings = settings
        self._cluster = cluster
        self._reader = reader
        self._spill = spill
        self._stretches = stretches
        self._report = report
        self._overfull: set[tuple[int, int]] = set()
        """Partition and number of buckets with omitted entries."""

    def read_input(self, spans: Mapping[int, Span]) -> None:
        topic = self._settings.input_topic
        entry = InputReader(self._settings).entry

        def take(partition: int, messages: list[Message]) -> None:
            entries = [
                entry(partition, message.offset() or 0, message.value(), _headers(message))
                for message in messages
            ]
            if entries:
                self._spill.add_run(partition, entries)

        def skip(partition: int) -> int:
            low = self._cluster.span(topic, partition).start
            self._stretches[partition].retention_reached(low)
            return low

        def take_unreadable(partition: int, found: Unreadable) -> None:
            for offset in range(found.first, found.end):
                self._spill.add(partition, unreadable_entry(offset))

        self._reader.read(topic, spans, take, skip, take_unreadable)

    def read_records(self, topic: str, spans: Mapping[int, Span], records: RecordReader) -> None:
        lanes = self._new_lanes(topic, spans)
        add, stretches = self._add, self._stretches

        def take(lane_partition: int, messages: list[Message]) -> None:
            lane = lanes[lane_partition]
            for message in messages:
                position = message.offset() or 0
                value: bytes | None = message.value()
                try:
                    partition, record = records.read(topic, lane, position, value)
                except OtherInput:
                    self.of_other_inputs += 1
                    continue
                except StrangeRecord as strange:
                    self._tell_strange(strange, lane, position)
                    continue
                key, headers = message.key(), output_headers(message)
                if headers or hash(key) != record.key_user_id:
                    others, faults = envelope(key, headers, record.key_user_id)
                    record.others = [*record.others, *others]
                    record.faults = [*record.faults, *faults]
                stretch = stretches.get(partition)
                if stretch and self._belongs(stretch, record.offset, lane, position):
                    add(partition, record)

        self._reader.read(topic, spans, take, self._skip(topic, lanes), self._unreadable(lanes))

    def read_lines(self, topic: str, spans: Mapping[int, Span], names: Names) -> None:
        lines = LineReader(self._settings, names)
        lanes = self._new_lanes(topic, spans)
        add, stretches = self._add, self._stretches

        def take_record(lane: int, position: int, message: Message) -> None:
            value: bytes | None = message.value()
            key, headers = message.key(), output_headers(message)
            others, faults = envelope(key, headers) if key or headers else ([], [])
            if faults:
                self._tell_strange(StrangeRecord(", ".join(faults)), lane, position)
            for found in lines.read(lane, position, value, others):
                if isinstance(found, StrangeRecord):
                    self._tell_strange(found, lane, position)
                    continue
                partition, line = found
                stretch = stretches.get(partition)
                if stretch and self._belongs(stretch, line.offset, lane, position):
                    add(partition, line)

        def take(lane_partition: int, messages: list[Message]) -> None:
            lane = lanes[lane_partition]
            for message in messages:
                position = message.offset() or 0
                try:
                    take_record(lane, position, message)
                except StrangeRecord as strange:
                    self._tell_strange(strange, lane, position)

        skip, unreadable = self._skip(topic, lanes), self._unreadable(lanes)
        self._reader.read(topic, spans, take, skip, unreadable, LINE_RECORDS)
        self.of_other_inputs += lines.of_other_inputs

    def _new_lanes(self, topic: str, spans: Mapping[int, Span]) -> dict[int, int]:
        """Assigns lanes to the partitions of a topic."""
        numbers = {}
        for partition, span in spans.items():
            numbers[partition] = len(self.lanes)
            self.lanes.append(Lane(topic, partition))
            if span.start:
                self.retention.begin(numbers[partition], topic)
        return numbers

    def _skip(self, topic: str, lanes: Mapping[int, int]) -> Callable[[int], int]:
        def skip(partition: int) -> int:
            self.retention.begin(lanes[partition], topic)
            return self._cluster.span(topic, partition).start

        return skip

    def _add(self, partition: int, entry: Record | Line) -> None:
        bucket = entry.offset // BUCKET
        if self._spill.add(partition, entry) or (partition, bucket) in self._overfull:
            return
        self._overfull.add((partition, bucket))
        first, last = bucket * BUCKET, (bucket + 1) * BUCKET - 1
        what = (
            f"the messages {first:,} to {last:,} have more output records than can be compared, so "
            "some are probably forged; records from this one on are not compared"
        )
        places = [self._place(entry.lane, entry.position)]
        self._report(Violation(CONTRADICTING, what, partition, None, places))

    def _unreadable(self, lanes: Mapping[int, int]) -> TakeUnreadable:
        def tell(partition: int, found: Unreadable) -> None:
            for position in range(found.first, found.end):
                strange = StrangeRecord(f"it cannot be read ({found.reason})")
                self._tell_strange(strange, lanes[partition], position)

        return tell

    def _belongs(self, stretch: Stretch, offset: int, lane: int, position: int) -> bool:
        """Whether to judge an entry about that message; reports one beyond the end of the input."""
        if lane in self.retention.lanes and offset < stretch.end:
            self.retention.see(lane, stretch.partition, offset)
        if stretch.start <= offset < stretch.stop:
            return True
        if offset >= stretch.end and not stretch.is_restricted:
            what = "there is no such message in the input"
            places = [self._place(lane, position)]
            self._report(Violation(CONTRADICTING, what, stretch.partition, offset, places))
        return False

    def _tell_strange(self, strange: StrangeRecord, lane: int, position: int) -> None:
        what = f"not of the contract's form: {strange}"
        self._report(Violation(CONTRADICTING, what, None, None, [self._place(lane, position)]))

    def _place(self, lane: int, position: int) -> Place:
        return Place(self.lanes[lane].topic, self.lanes[lane].partition, position)


def _headers(message: Message) -> Headers:
    """Returns None also if a name is not UTF-8: no replay and no daemon writes such headers."""
    try:
        headers: Headers = _read_headers(message)
    except _UNREADABLE_HEADERS:
        return None
    return headers


def output_headers(message: Message) -> Headers:
    """Returns the headers of an output record, which should have none; one empty if unreadable."""
    try:
        headers: Headers = _read_headers(message)
    except _UNREADABLE_HEADERS:
        return [("", None)]
    return headers
