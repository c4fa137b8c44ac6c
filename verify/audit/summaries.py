"""Reads summary-output: for each input partition the latest counts up to the committed offset."""

from collections.abc import Callable, Mapping

import msgspec
from confluent_kafka import Message

from kafka_processor.config import Settings
from kafka_processor.records import SummaryRecord
from verify.audit.findings import CONTRADICTING, Place, Violation
from verify.audit.plan import Committed, Summary

_decode = msgspec.json.Decoder(SummaryRecord).decode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Summaries:
    def __init__(
        self,
        settings: Settings,
        committed: Mapping[int, Committed],
        report: Callable[[Violation], None],
    ) -> None:
        self._topic = settings.summary_topic
        self._group = settings.consumer_group
        self._input = settings.input_topic
        self._committed = committed
        self._report = report
        self._partition_of = {
            f"{self._group}/{self._input}-{partition}".encode(): partition
            for partition in committed
        }
        self._found: dict[int, tuple[int, Summary]] = {}
        self.ahead: dict[int, Summary] = {}
        """The latest record, where it is ahead of the committed offset."""

    def get(self, partition: int) -> Summary | None:
        found = self._found.get(partition)
        return found[1] if found else None

    def take(self, lane_partition: int, messages: list[Message]) -> None:
        for message in messages:
            key = message.key()
            partition = self._partition_of.get(key.encode() if isinstance(key, str) else key or b"")
            if partition is None:
                continue  # of another group or input
            place = Place(self._topic, lane_partition, message.offset() or 0)
            try:
                record = _decode(message.value() or b"")
            except _UNREADABLE:
                self._complain("the summary record cannot be read", partition, place)
                continue
            if (record.consumer_group, record.source_topic, record.source_partition) != (
                self._group,
                self._input,
                partition,
            ):
                self._complain("the summary record contradicts its key", partition, place)
                continue
            self._keep(partition, message.timestamp()[1], Summary(place, record))

    def _keep(self, partition: int, time: int, summary: Summary) -> None:
        if summary.record.next_offset > self._committed[partition].offset:
            self.ahead[partition] = summary
            return
        self.ahead.pop(partition, None)
        # All of a key are in one partition, unless the topic was given more partitions.
        if partition not in self._found or time >= self._found[partition][0]:
            self._found[partition] = (time, summary)

    def _complain(self, what: str, partition: int, place: Place) -> None:
        self._report(Violation(CONTRADICTING, what, partition, None, [place]))
