"""Reads summary-output: the latest counts of each input partition up to the committed offset."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from confluent_kafka import Message

from kafka_processor.audit.entries import strings_beside, strings_in
from kafka_processor.audit.findings import CONTRADICTING, Place, Text, Violation
from kafka_processor.audit.gathering import output_headers
from kafka_processor.audit.plan import Committed, Summary
from kafka_processor.config import Settings
from kafka_processor.records import SummaryRecord

MAX_BYTES: Final = 64 * 1024
"""Above the largest summary record of the contract."""
MAX_TEXTS: Final = 10_000
"""Labels and other texts that are kept of a partition."""
_LABELS: Final = ("error_type_counts", "device_type_counts", "locale_counts")
_KNOWN: Final = frozenset(SummaryRecord.__struct_fields__)
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


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
        """The latest record by partition, if it is ahead of the committed offset."""
        self.texts: defaultdict[int, dict[int, Text]] = defaultdict(dict)
        """Texts of records up to the committed offset, by partition and folded fingerprint."""

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
            value = message.value() or b""
            if len(value) > MAX_BYTES:
                what = f"the summary record has more than {MAX_BYTES:,} bytes"
                self._complain(what, partition, place)
                continue
            if output_headers(message):
                self._complain("the summary record has headers", partition, place)
            try:
                document = _decode(value)
                self._note_texts(partition, document, place)
                record = msgspec.convert(document, SummaryRecord)
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

    def _note_texts(self, partition: int, document: dict[str, Any], place: Place) -> None:
        reached, since = document.get("next_offset"), document.get("counted_since_offset")
        if not isinstance(reached, int) or not isinstance(since, int):
            return
        if reached > self._committed[partition].offset:
            return  # it may count messages that are not audited
        found = strings_beside(document, _KNOWN)
        for name in _LABELS:
            counts = document.get(name)
            if isinstance(counts, dict):
                counts = {
                    label: n if isinstance(n, str | list | dict) else None
                    for label, n in counts.items()
                }
            found += strings_in(counts, name)
        texts = self.texts[partition]
        for _, text in found:
            if len(texts) < MAX_TEXTS or text in texts:
                texts[text] = Text(place, since)

    def _keep(self, partition: int, time: int, summary: Summary) -> None:
        if summary.record.next_offset > self._committed[partition].offset:
            self.ahead[partition] = summary
            return
        self.ahead.pop(partition, None)
        # Records of a key are in one partition, unless partitions were added to the topic.
        if partition not in self._found or time >= self._found[partition][0]:
            self._found[partition] = (time, summary)

    def _complain(self, what: str, partition: int, place: Place) -> None:
        self._report(Violation(CONTRADICTING, what, partition, None, [place]))
