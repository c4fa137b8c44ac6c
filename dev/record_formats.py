"""Writes `docs/record-formats.md` from the types that records are encoded with.

Run `python -m dev.record_formats` after a change of `kafka_processor/records.py`; a unit test
compares.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct, inspect

from kafka_processor.records import (
    CleanedRecord,
    ErrorRecord,
    LoginEvent,
    MessageDetails,
    MetricsRecord,
    ProcessedRecord,
    Source,
    SummaryRecord,
)

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "record-formats.md"

MEANINGS: Final = {
    "app_version": "version of the app",
    "clean_type": "why the message was filtered out",
    "consumer_group": "the group that counts",
    "counted_since_offset": "input offset at which counting started",
    "device_id": "pseudonym of the device: HMAC-SHA256, 64 lower-case hex digits",
    "device_type": "type of the device",
    "device_type_counts": "processed messages by device type; other labels under `__other__`",
    "error_count": "messages with an error, all types together",
    "error_message": "what is wrong: names of fields and types, never values",
    "error_type": "the kind of error",
    "error_type_counts": "messages with an error, by type",
    "filtered_count": "messages filtered out",
    "ip": "masked address",
    "key_id": "which secret key made the pseudonym, 8 hex digits",
    "latency": "seconds from the record's timestamp until it was processed; null without one",
    "locale": "language or country",
    "locale_counts": "processed messages by locale; other labels under `__other__`",
    "message_content": "the listed fields that were present, safe to publish; null for "
    "`parse_error` and `publish_error`",
    "message_details": "one object for each message",
    "message_id": "`<input topic>-<partition>-<offset>` of the input message",
    "next_offset": "input offset after the last counted message",
    "offset": "input offset",
    "outcome": "what happened to the message",
    "partition": "input partition",
    "processed_count": "messages processed",
    "processing_time": "seconds spent on the message",
    "replay_of": "only in records of a replayed message: the `message_id` of its original",
    "replayed_count": "messages that were sent again by the replay",
    "skipped_count": "messages older than `MAX_MESSAGE_AGE`",
    "source": "coordinates of the input message",
    "source_partition": "input partition",
    "source_topic": "input topic",
    "timestamp": "when the record was written, RFC 3339 UTC with milliseconds",
    "topic": "name of a topic",
    "total_received_count": "processed + filtered + skipped + error",
    "user_id": "id of the user",
}
"""By field name; `SPECIAL` has those that mean something else in one record."""

SPECIAL: Final = {
    (LoginEvent, "device_id"): "id of the device, in any form",
    (LoginEvent, "ip"): "IPv4 or IPv6 address",
    (LoginEvent, "timestamp"): "seconds, or from 1e11 on milliseconds, since 1970",
    (ProcessedRecord, "timestamp"): "time of the login, RFC 3339 UTC",
    (Source, "timestamp"): "the input record's Kafka timestamp; null without one",
    (Source, "topic"): "input topic",
    (ErrorRecord, "user_id"): "id of the user; null if it is not valid",
    (CleanedRecord, "message_content"): "the listed fields that were present, safe to publish",
    (MessageDetails, "topic"): "where the record went; null if skipped",
    (MessageDetails, "timestamp"): "when the message was processed, RFC 3339 UTC with milliseconds",
}


class Format(NamedTuple):
    title: str
    about: str
    record: type[Struct]
    example: Struct
    parts: tuple[type[Struct], ...] = ()
    """Objects inside the record."""


_USER: Final = "424cdd21-063a-43a7-b91b-7ca1a833afae"
_PSEUDONYM: Final = "5a121cd1928344df4c9001ea8b4b6bfdad92370d2ab7b73a8815334f36aa557a"
_WRITTEN: Final = "2023-09-12T00:45:52.114Z"

FORMATS: Final = (
    Format(
        "user-login",
        "`INPUT_TOPIC`: what comes in. All seven fields are required; other fields are ignored.",
        LoginEvent,
        LoginEvent(
            user_id=_USER,
            ip="199.172.111.135",
            device_id="593-47-5928",
            app_version="2.3.0",
            device_type="android",
            timestamp=1694479551,
            locale="RU",
        ),
    ),
    Format(
        "processed-output",
        "`PROCESSED_TOPIC`: one record for each processed message. Key: `user_id`.",
        ProcessedRecord,
        ProcessedRecord(
            message_id="user-login-3-549",
            user_id=_USER,
            app_version="2.3.0",
            device_type="android",
            ip="199.172.111.0",
            locale="RU",
            device_id=_PSEUDONYM,
            key_id="ee32621f",
            timestamp="2023-09-12T00:45:51Z",
        ),
    ),
    Format(
        "processed-errors",
        "`ERRORS_TOPIC`: one record for each message with an error. Key: `user_id` where it is "
        "valid.",
        ErrorRecord,
        ErrorRecord(
            message_id="user-login-3-550",
            user_id=_USER,
            error_type="missing_field",
            error_message="missing: device_type",
            message_content={"user_id": _USER, "locale": "RU"},
            source=Source(
                topic="user-login",
                partition=3,
                offset=550,
                timestamp="2023-09-12T00:45:52.102Z",
            ),
            timestamp=_WRITTEN,
        ),
        (Source,),
    ),
    Format(
        "cleaned-data",
        "`CLEANED_TOPIC`: one record for each message that was filtered out. Key: `user_id`.",
        CleanedRecord,
        CleanedRecord(
            message_id="user-login-3-551",
            user_id=_USER,
            clean_type="filtered_app_version",
            message_content={"user_id": _USER, "app_version": "2.4.0"},
            timestamp=_WRITTEN,
        ),
    ),
    Format(
        "metrics-output",
        "`METRICS_TOPIC`: what happened to each message; up to 1,000 messages a record. No key.",
        MetricsRecord,
        MetricsRecord(
            message_details=[
                MessageDetails(
                    message_id="user-login-3-549",
                    outcome="processed",
                    topic="processed-output",
                    processing_time=0.000004,
                    latency=0.012,
                    timestamp=_WRITTEN,
                )
            ]
        ),
        (MessageDetails,),
    ),
    Format(
        "summary-output",
        "`SUMMARY_TOPIC` (compacted): cumulative counts of one input partition. Key: "
        "`<group>/<input topic>-<partition>`. The total is the sum over the latest record of "
        "each key.",
        SummaryRecord,
        SummaryRecord(
            consumer_group="kafka-processor",
            source_topic="user-login",
            source_partition=3,
            next_offset=552,
            counted_since_offset=0,
            total_received_count=552,
            processed_count=540,
            filtered_count=8,
            skipped_count=0,
            error_count=4,
            replayed_count=0,
            error_type_counts={"missing_field": 4},
            device_type_counts={"android": 310, "iOS": 230},
            locale_counts={"RU": 300, "DE": 239, "__other__": 1},
            timestamp=_WRITTEN,
        ),
    ),
)


def page() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Record formats"
    yield ""
    yield "Every record is one JSON object in UTF-8. The rules behind the fields are in [the"
    yield "contract](contract.md). Consumers must ignore fields that they do not know."
    yield ""
    yield "`python -m dev.record_formats` writes this page from `kafka_processor/records.py`."
    for each in FORMATS:
        yield from ("", f"## {each.title}", "", each.about, "")
        yield from _table(each.record)
        for part in each.parts:
            owner = next(n for n, kind in _fields(each.record) if part.__name__ in str(kind))
            yield from ("", f"In `{owner}`:")
            yield ""
            yield from _table(part)
        yield from ("", "```json", msgspec.json.format(msgspec.json.encode(each.example)).decode())
        yield "```"
    yield from (
        "",
        "The examples are shortened in one place: `message_content` has every listed field that",
        "was present.",
    )


def _table(record: type[Struct]) -> Iterator[str]:
    yield "| field | type | meaning |"
    yield "| --- | --- | --- |"
    for name, kind in _fields(record):
        meaning = SPECIAL.get((record, name)) or MEANINGS[name]
        yield f"| `{name}` | {_describe(kind)} | {meaning} |"


def _fields(record: type[Struct]) -> Iterator[tuple[str, inspect.Type]]:
    information = inspect.type_info(record)
    assert isinstance(information, inspect.StructType)
    for field in information.fields:
        yield field.encode_name, field.type


SIMPLE: Final[dict[type[inspect.Type], str]] = {
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.RawType: "number",
    inspect.NoneType: "null",
    inspect.StructType: "object",
}


def _describe(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.StrType):
        longest = kind.max_length
        return f"string of 1 to {longest:,} characters" if longest else "string"
    if isinstance(kind, inspect.LiteralType):
        return ", ".join(f"`{value}`" for value in sorted(map(str, kind.values)))
    if isinstance(kind, inspect.ListType):
        return f"list of {_describe(kind.item_type)}s"
    if isinstance(kind, inspect.DictType):
        return f"object, each value: {_describe(kind.value_type)}"
    if isinstance(kind, inspect.UnionType):
        return _union(kind)
    return SIMPLE[type(kind)]


def _union(kind: inspect.UnionType) -> str:
    # null last, and of the object itself: `object, each value: string or null; or null`
    inner = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
    names = dict.fromkeys(map(_describe, inner))
    if "number" in names:
        names.pop("integer", None)
    text = " or ".join(names)
    if len(inner) == len(kind.types):
        return text
    return (
        f"{text}{';' if any(isinstance(each, inspect.DictType) for each in inner) else ''} or null"
    )


def main() -> int:
    PAGE.write_text(page(), "utf-8")
    print(f"written: {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
