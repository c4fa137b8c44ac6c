"""A record of metrics-output → the entries of its lines."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from kafka_processor.config import Settings
from verify.audit.entries import (
    CODE_OF_OUTCOME,
    NOTHING,
    UNKNOWN,
    Line,
    Names,
    OtherInput,
    StrangeRecord,
    strings_beside,
    strings_in,
)


class _Line(Struct, gc=False, forbid_unknown_fields=True):
    message_id: str
    outcome: str
    topic: str | None
    timestamp: datetime
    processing_time: float | None = None
    latency: float | None = None
    replay_of: str | None = None


class _Lines(Struct):
    message_details: list[_Line]


class _AnyLines(Struct):
    message_details: list[dict[str, Any]]


_Row = tuple[Any, Any, Any, Any, list[tuple[str, int]]]
"""message_id, outcome, topic, replay_of, others."""

_KNOWN: Final = frozenset(_Line.__struct_fields__)
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_is_time = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,12}Z").fullmatch
_decode = msgspec.json.Decoder(_Lines).decode
_decode_any = msgspec.json.Decoder(_AnyLines).decode


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
        """Lines that were passed over, since they are about messages of other topics."""

    def read(
        self, lane: int, position: int, value: bytes | None
    ) -> Iterator[tuple[int, Line] | StrangeRecord]:
        """Partition of the input message and the entry, for each line; or what is wrong with it.

        Raises StrangeRecord for the record as a whole.
        """
        code_of, topic_of = CODE_OF_OUTCOME.get, self._topic_of.get
        for message_id, outcome, topic, replay_of, others in self._rows(value or b""):
            try:
                partition, offset = self._position(message_id)
            except OtherInput:
                self.of_other_inputs += 1
            except StrangeRecord as strange:
                yield strange
            else:
                code = code_of(outcome, UNKNOWN)
                fits_topic = code != UNKNOWN and topic == topic_of(outcome)
                replayed = hash(replay_of) if replay_of else NOTHING
                yield partition, Line(offset, code, lane, position, fits_topic, replayed, others)

    def _rows(self, value: bytes) -> Iterable[_Row]:
        try:
            lines = _decode(value).message_details
        except _UNREADABLE:
            return self._unusual_rows(value)
        return [(line.message_id, line.outcome, line.topic, line.replay_of, []) for line in lines]

    def _unusual_rows(self, value: bytes) -> list[_Row]:
        """The same for a record with a line that has further fields, or others than expected."""
        try:
            lines = _decode_any(value).message_details
        except _UNREADABLE:
            raise StrangeRecord("it is no record of metrics lines") from None
        return [self._unusual_row(line) for line in lines]

    def _unusual_row(self, line: dict[str, Any]) -> _Row:
        others = strings_beside(line, _KNOWN)
        outcome, replay_of = line.get("outcome"), line.get("replay_of")
        if not isinstance(outcome, str) or outcome not in CODE_OF_OUTCOME:
            others += strings_in(outcome, "outcome")
            outcome = None
        topic = line.get("topic", "")
        if topic != self._topic_of.get(outcome or ""):
            others += strings_in(topic, "topic")
        time = line.get("timestamp")
        if not (isinstance(time, str) and _is_time(time)):
            others += strings_in(time, "timestamp")
        text = replay_of if isinstance(replay_of, str) else None
        return line.get("message_id"), outcome, topic, text, others
