"""Parses records of processed-output, cleaned-data and processed-errors into entries."""

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from kafka_processor.audit.entries import (
    CODE_OF_OUTCOME,
    FILTERED,
    NAME,
    NOTHING,
    PROCESSED,
    SKIPPED,
    UNKNOWN,
    UNREADABLE,
    Found,
    Headers,
    Names,
    Record,
    StrangeRecord,
    fingerprint,
    folded,
    listed,
    strings_beside,
    strings_in,
)
from kafka_processor.config import Settings

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
"""Characters of the shortest value that is searched for in an error message."""
MAX_ERROR_MESSAGE: Final = 500
MAX_BYTES: Final = 128 * 1024
"""Above the largest record of the contract: twice seven texts of 1,024 escaped characters."""
MAX_HEADERS: Final = 16
"""Headers that are examined; a record should have none."""
_LONGEST: Final = 2_000
"""Characters of a key or header that are examined."""

_is_pseudonym = re.compile(r"[0-9a-f]{64}").fullmatch
_is_key_id = re.compile(r"[0-9a-f]{8}").fullmatch
_has_digit = re.compile(r"[0-9]").search
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Processed(Struct, gc=False, forbid_unknown_fields=True):
    """A record of the expected form, which is checked while it is decoded."""

    message_id: str
    user_id: str
    app_version: str
    device_type: str
    ip: str
    locale: str
    device_id: Annotated[str, Meta(min_length=64, max_length=64)]
    key_id: str
    timestamp: str
    replay_of: str | None = None


_decode_processed = msgspec.json.Decoder(_Processed).decode


class RecordReader:
    def __init__(self, settings: Settings, names: Names, key_ids: Collection[str] = ()) -> None:
        """`key_ids`: of the known keys of the group, which are not device ids."""
        self._known_keys = {key_id: folded(key_id) for key_id in key_ids}
        self._input_topic = settings.input_topic
        self._processed_topic = settings.processed_topic
        self._position = names.position
        self._read = {
            settings.processed_topic: self._processed,
            settings.cleaned_topic: self._cleaned,
            settings.errors_topic: self._error,
        }

    def read(self, topic: str, lane: int, position: int, value: bytes | None) -> tuple[int, Record]:
        """Returns input partition and entry. Raises OtherInput, StrangeRecord."""
        if value is None:
            raise StrangeRecord("it has no value")
        if len(value) > MAX_BYTES:
            raise StrangeRecord(f"it has more than {MAX_BYTES:,} bytes")
        if topic == self._processed_topic:
            with suppress(*_UNREADABLE):
                return self._usual(_decode_processed(value), lane, position)
        try:
            document = _decode(value)
        except _UNREADABLE:
            raise StrangeRecord("it is not a JSON object") from None
        partition, offset = self._position(document.get("message_id"))
        record = self._read[topic](document)
        record.offset, record.lane, record.position = offset, lane, position
        if record.key_id in self._known_keys.values():
            record.key_id = NOTHING
        return partition, record

    def _usual(self, event: _Processed, lane: int, position: int) -> tuple[int, Record]:
        """Does the same for records of the expected form, in half the time."""
        partition, offset = self._position(event.message_id)
        user_id, key_id = hash(event.user_id), event.key_id
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
            hash(event.ip.lower()),
            hash(event.device_id.lower()),
            [],
            "",
            NOTHING if key_id in self._known_keys else hash(key_id.lower()),
            hash(event.timestamp.lower()),
        )

    @staticmethod
    def _processed(document: dict[str, Any]) -> Record:
        record = _record(PROCESSED, document, document)
        record.timestamp = NOTHING  # its form differs from the input's
        record.others += _of_other_form(document) + strings_beside(document, _PROCESSED)
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
        is_known = SKIPPED < outcome < UNKNOWN
        record = self._set_aside(outcome if is_known else UNKNOWN, document, _ERROR)
        if not is_known:
            record.others += strings_in(error_type, "error_type")
        record.others += self._of_source(source, document.get("message_id"))
        text = document.get("error_message")
        if not isinstance(text, str):
            record.others += strings_in(text, "error_message")
        else:
            if len(text) > MAX_ERROR_MESSAGE:
                record.faults = [f"error_message has more than {MAX_ERROR_MESSAGE} characters"]
            may_hold_value = len(text) >= SHORTEST_IN_TEXT and _has_digit(text)
            if may_hold_value or text.startswith(UNREADABLE):
                record.text = text[: 2 * MAX_ERROR_MESSAGE].lower()
        return record

    def _of_source(self, source: Any, message_id: Any) -> Found:
        """Returns its texts, without coordinates that match the message_id."""
        if not isinstance(source, dict):
            return strings_in(source, "source")
        get = source.get
        others = strings_beside(source, _SOURCE, "source.")
        others += strings_in(get("timestamp"), "source.timestamp")
        if f"{get('topic')}-{get('partition')}-{get('offset')}" != message_id:
            for name in ("topic", "partition", "offset"):
                others += strings_in(get(name), f"source.{name}")
        return others

    @staticmethod
    def _set_aside(outcome: int, document: dict[str, Any], known: frozenset[str]) -> Record:
        content = document.get("message_content")
        others = strings_beside(document, known)
        if not isinstance(content, dict):
            record = _record(outcome, document, _NO_CONTENT)
            record.others += others + strings_in(content, "message_content")
            return record
        prefix = "message_content."
        record = _record(outcome, document, content, prefix)
        record.others += _of_other_form(content, prefix) + others
        record.others += strings_beside(content, _CONTENT, prefix)
        return record


def _record(
    outcome: int, document: Mapping[str, Any], content: Mapping[str, Any], prefix: str = ""
) -> Record:
    get = content.get
    written = document.get("timestamp")
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
        folded(get("ip")),
        folded(get("device_id")),
        _nested(document, _COMMON) + _nested(content, _CONTENT, prefix),
        "",
        folded(get("key_id")),
        folded(written),
    )


def _nested(document: Mapping[str, Any], known: frozenset[str], prefix: str = "") -> Found:
    """Returns texts nested in fields that should have a single value."""
    return [
        found
        for name in known.intersection(document)
        if isinstance(document[name], list | dict)
        for found in strings_in(document[name], prefix + name)
    ]


def _of_other_form(content: Mapping[str, Any], prefix: str = "") -> Found:
    """Returns values of device_id and key_id that are not a pseudonym or a key id."""
    get = content.get
    others: Found = []
    if (device_id := get("device_id")) and not (
        type(device_id) is str and _is_pseudonym(device_id)
    ):
        others += strings_in(device_id, f"{prefix}device_id")
    if (key_id := get("key_id")) and not (type(key_id) is str and _is_key_id(key_id)):
        others += strings_in(key_id, f"{prefix}key_id")
    return others


def envelope(
    key: bytes | str | None, headers: Headers, user_id: int = NOTHING
) -> tuple[Found, list[str]]:
    """Returns the texts of a key that is not the record's `user_id` and of headers, and a line for
    each such violation of the contract."""
    others: Found = []
    faults = []
    text = key.decode(errors="replace") if isinstance(key, bytes) else key
    if text and hash(text) != user_id:
        others.append(("key", folded(text[:_LONGEST])))
        faults.append("its key is not its user_id" if user_id else "it has a key")
    if headers:
        faults.append("it has headers")
    for name, value in listed(headers)[:MAX_HEADERS]:
        header = value.decode(errors="replace") if isinstance(value, bytes) else value
        others += [(NAME, folded(name)), ("header", folded((header or "")[:_LONGEST]))]
    return others, faults
