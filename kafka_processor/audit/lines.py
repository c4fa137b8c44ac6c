"""Parses records of metrics-output into entries, one for each line."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from kafka_processor.audit.entries import (
    CODE_OF_OUTCOME,
    NOTHING,
    UNKNOWN,
    Found,
    Line,
    Names,
    OtherInput,
    StrangeRecord,
    fingerprint,
    folded,
    strings_beside,
    strings_in,
)
from kafka_processor.config import Settings


class _Line(Struct, gc=False, forbid_unknown_fields=True):
    message_id: str
    outcome: str
    topic: str | None
    timestamp: str
    processing_time: float | None = None
    latency: float | None = None
    replay_of: str | None = None


class _Lines(Struct, forbid_unknown_fields=True):
    message_details: list[_Line]


_Row = tuple[Any, Any, Any, Any, int, Found]
"""message_id, outcome, topic, replay_of, written, others."""
MAX_LINES: Final = 1000
MAX_BYTES: Final = 256 * 1024

_KNOWN: Final = frozenset(_Line.__struct_fields__)
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_decode = msgspec.json.Decoder(_Lines).decode
_decode_any = msgspec.json.Decoder(dict[str, Any]).decode


class LineReader:
    def __init__(self, settings: Settings, names: Names) -> None:
        self._position = names.position
        self._topic_of: dict[str, str | None] = {
            **dict.fromkeys(CODE_OF_OUTCOME, settings.errors_topic),
            "processed": settings.processed_topic,
            "filtered": settings.cleaned_topic,
            "skipped": None,
        }
        self.of_other_inputs = 0
        """Skipped lines, which are about messages of other input topics."""

    def read(
        self, lane: int, position: int, value: bytes | None, envelope: Found | None = None
    ) -> Iterator[tuple[int, Line] | StrangeRecord]:
        """Yields input partition and entry of each line, or what is wrong with it.

        `envelope`: texts of the key and headers. Raises StrangeRecord for the whole record.
        """
        code_of, topic_of = CODE_OF_OUTCOME.get, self._topic_of.get
        for message_id, outcome, topic, replay_of, written, found in self._rows(value or b""):
            try:
                partition, offset = self._position(message_id)
            except OtherInput:
                self.of_other_inputs += 1
            except StrangeRecord as strange:
                yield strange
            else:
                code = code_of(outcome, UNKNOWN)
                fits_topic = code != UNKNOWN and topic == topic_of(outcome)
                replayed = fingerprint(replay_of) if replay_of else NOTHING
                if envelope or not fits_topic:
                    found.extend(envelope or ())
                    found.extend(strings_in(topic, "topic"))
                    found.extend(strings_in(outcome, "outcome") if code == UNKNOWN else ())
                yield (
                    partition,
                    Line(offset, code, lane, position, fits_topic, replayed, found, written),
                )

    def _rows(self, value: bytes) -> Iterable[_Row]:
        if len(value) > MAX_BYTES:
            raise StrangeRecord(f"it has more than {MAX_BYTES:,} bytes")
        try:
            lines = _decode(value).message_details
        except _UNREADABLE:
            return self._unusual_rows(value)
        self._count(lines)
        written = {text: folded(text) for text in {line.timestamp for line in lines}}
        return [
            (one.message_id, one.outcome, one.topic, one.replay_of, written[one.timestamp], [])
            for one in lines
        ]

    @staticmethod
    def _count(lines: list[Any]) -> None:
        if len(lines) > MAX_LINES:
            raise StrangeRecord(f"it has more than {MAX_LINES:,} lines")

    def _unusual_rows(self, value: bytes) -> list[_Row]:
        """Parses a record with unknown fields, or fields of other types."""
        try:
            document = _decode_any(value)
            lines = msgspec.convert(document.get("message_details"), list[dict[str, Any]])
        except _UNREADABLE:
            raise StrangeRecord("it is not a record of metrics lines") from None
        self._count(lines)
        beside = strings_beside(document, {"message_details"})
        return [self._unusual_row(line, beside) for line in lines]

    @staticmethod
    def _unusual_row(line: dict[str, Any], beside: Found) -> _Row:
        others = beside + strings_beside(line, _KNOWN)
        outcome, replay_of, time = line.get("outcome"), line.get("replay_of"), line.get("timestamp")
        if not isinstance(outcome, str):
            others += strings_in(outcome, "outcome")
            outcome = None
        for name in ("processing_time", "latency"):
            if not isinstance(line.get(name), int | float):
                others += strings_in(line.get(name), name)
        for name, value in (("replay_of", replay_of), ("timestamp", time)):
            if not isinstance(value, str):
                others += strings_in(value, name)
        topic = line.get("topic", "")
        if not isinstance(topic, str | None):
            others += strings_in(topic, "topic")
            topic = ""
        return line.get("message_id"), outcome, topic, replay_of, folded(time), others
