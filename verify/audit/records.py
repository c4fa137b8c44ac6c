"""A record of processed-output, cleaned-data or processed-errors → its entry."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from kafka_processor.config import Settings
from verify.audit.entries import (
    CODE_OF_OUTCOME,
    FILTERED,
    NOTHING,
    PROCESSED,
    SKIPPED,
    UNKNOWN,
    UNREADABLE,
    Headers,
    Names,
    Record,
    StrangeRecord,
    fingerprint,
    listed,
    strings_beside,
    strings_in,
)

_CONTENT: Final = frozenset(
    ("user_id", "ip", "device_id", "app_version", "device_type", "timestamp", "locale", "key_id")
)
_COMMON: Final = frozenset(("message_id", "user_id", "timestamp", "replay_of"))
_PROCESSED: Final = _COMMON | _CONTENT
_CLEANED: Final = _COMMON | {"clean_type", "message_content"}
_ERROR: Final = _COMMON | {"error_type", "error_message", "message_content", "source"}
_SOURCE: Final = frozenset(("topic", "partition", "offset", "timestamp"))
_NO_CONTENT: Final[Mapping[str, Any]] = {}
SHORTEST_IN_TEXT: Final = 7
"""Characters of a value that is searched for in an error message."""

_is_pseudonym = re.compile(r"[0-9a-f]{64}").fullmatch
_is_key_id = re.compile(r"[0-9a-f]{8}").fullmatch
_is_time = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{3})?Z").fullmatch
_has_digit = re.compile(r"[0-9]").search
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

Found = list[tuple[str, int]]


class _Processed(Struct, gc=False, forbid_unknown_fields=True):
    """A record as it should be: the form of what is in it is checked while it is decoded."""

    message_id: str
    user_id: str
    app_version: str
    device_type: str
    ip: str
    locale: str
    device_id: Annotated[str, Meta(min_length=64, max_length=64)]
    key_id: str
    timestamp: datetime
    replay_of: str | None = None


_decode_processed = msgspec.json.Decoder(_Processed).decode


class RecordReader:
    def __init__(self, settings: Settings, names: Names) -> None:
        self._input_topic = settings.input_topic
        self._processed_topic = settings.processed_topic
        self._position = names.position
        self._read = {
            settings.processed_topic: self._processed,
            settings.cleaned_topic: self._cleaned,
            settings.errors_topic: self._error,
        }

    def read(self, topic: str, lane: int, position: int, value: bytes | None) -> tuple[int, Record]:
        """Partition of the input message, and the entry. Raises OtherInput, StrangeRecord."""
        if value is None:
            raise StrangeRecord("it has no value")
        if topic == self._processed_topic:
            with suppress(*_UNREADABLE):
                return self._usual(_decode_processed(value), lane, position)
        try:
            document = _decode(value)
        except _UNREADABLE:
            raise StrangeRecord("it is no JSON object") from None
        partition, offset = self._position(document.get("message_id"))
        record = self._read[topic](document)
        record.offset, record.lane, record.position = offset, lane, position
        return partition, record

    def _usual(self, event: _Processed, lane: int, position: int) -> tuple[int, Record]:
        """The same for nearly all records there are, in half the time."""
        partition, offset = self._position(event.message_id)
        user_id = hash(event.user_id)
        others = [] if _is_usual_key_id(event.key_id) else strings_in(event.key_id, "key_id")
        return partition, Record(
            offset,
            PROCESSED,
            lane,
            position,
            hash(event.replay_of) if event.replay_of else NOTHING,
            user_id,
            user_id,
            hash(event.app_version),
            hash(event.device_type),
            hash(event.locale),
            NOTHING,
            hash(event.ip),
            hash(event.device_id),
            others,
            "",
        )

    @staticmethod
    def _processed(document: dict[str, Any]) -> Record:
        record = _record(PROCESSED, document, document)
        record.timestamp = NOTHING  # of another form than the input's
        record.others = _of_other_form(document) + _others(document, _PROCESSED)
        return record

    def _cleaned(self, document: dict[str, Any]) -> Record:
        is_known = document.get("clean_type") == "filtered_app_version"
        record = self._set_aside(FILTERED if is_known else UNKNOWN, document, _CLEANED)
        if not is_known:
            record.others += strings_in(document.get("clean_type"), "clean_type")
        return record

    def _error(self, document: dict[str, Any]) -> Record:
        error_type, source = document.get("error_type"), document.get("source")
        outcome = CODE_OF_OUTCOME.get(error_type, UNKNOWN) if type(error_type) is str else UNKNOWN
        is_known = outcome > SKIPPED
        record = self._set_aside(outcome if is_known else UNKNOWN, document, _ERROR)
        if not is_known:
            record.others += strings_in(error_type, "error_type")
        if not isinstance(source, dict):
            record.others += strings_in(source, "source")
            return record
        record.others += _others(source, _SOURCE, "source.")
        if source.get("topic") != self._input_topic:
            record.others += strings_in(source.get("topic"), "source.topic")
        text = document.get("error_message")
        if not isinstance(text, str):
            record.others += strings_in(text, "error_message")
        elif text.startswith(UNREADABLE) or (len(text) >= SHORTEST_IN_TEXT and _has_digit(text)):
            record.text = text
        return record

    @staticmethod
    def _set_aside(outcome: int, document: dict[str, Any], known: frozenset[str]) -> Record:
        content = document.get("message_content")
        if not isinstance(content, dict):
            record = _record(outcome, document, _NO_CONTENT)
            record.others = strings_in(content, "message_content") + _others(document, known)
            return record
        prefix = "message_content."
        record = _record(outcome, document, content)
        record.others = _of_other_form(content, prefix) + _others(document, known)
        record.others += strings_beside(content, _CONTENT, prefix)
        return record


def _record(outcome: int, document: Mapping[str, Any], content: Mapping[str, Any]) -> Record:
    get = content.get
    return Record(
        0,
        outcome,
        0,
        0,
        fingerprint(document.get("replay_of")),
        fingerprint(document.get("user_id")),
        fingerprint(get("user_id")),
        fingerprint(get("app_version")),
        fingerprint(get("device_type")),
        fingerprint(get("locale")),
        fingerprint(get("timestamp")),
        fingerprint(get("ip")),
        fingerprint(get("device_id")),
        [],
        "",
    )


@lru_cache(maxsize=64)
def _is_usual_key_id(key_id: str) -> bool:
    return bool(_is_key_id(key_id))


def _of_other_form(content: Mapping[str, Any], prefix: str = "") -> Found:
    """What stands where a pseudonym or a key id should, and is none."""
    get = content.get
    others: Found = []
    if (device_id := get("device_id")) and not (
        type(device_id) is str and _is_pseudonym(device_id)
    ):
        others += strings_in(device_id, f"{prefix}device_id")
    if (key_id := get("key_id")) and not (type(key_id) is str and _is_key_id(key_id)):
        others += strings_in(key_id, f"{prefix}key_id")
    return others


def _others(document: Mapping[str, Any], known: frozenset[str], prefix: str = "") -> Found:
    """Fields that the contract does not list, and a timestamp that is no time."""
    time = document.get("timestamp")
    others: Found = []
    if not known.issuperset(document):
        others = strings_beside(document, known, prefix)
    if time and not (type(time) is str and _is_time(time)):
        others += strings_in(time, f"{prefix}timestamp")
    return others


def envelope(key: bytes | str | None, headers: Headers, user_id: int) -> Found:
    """What a record's key holds, where it is not the `user_id` of the record, and its headers."""
    others: Found = []
    text = key.decode(errors="replace") if isinstance(key, bytes) else key
    if text and hash(text) != user_id:
        others.append(("key", hash(text)))
    for _, value in listed(headers):
        header = value.decode(errors="replace") if isinstance(value, bytes) else value
        others += strings_in(header, "header")
    return others
