"""Each way in which a raw `ip` or `device_id` can get into an output is seen by the audit."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from kafka_processor.audit.entries import folded
from kafka_processor.audit.findings import Place, Text, Violation
from tests.unit.audit_runs import History, Output, audited, history
from tests.unit.pipeline_runs import event

RAW = {"ip": "2001:db8:AbC::5", "device_id": "Device-593-47-5928"}
PROCESSED, FILTERED, FAILED, INVALID, SKIPPED = range(5)
OTHER_KEY = "0a1b2c3d"


def made() -> History:
    """A message of each kind with the raw values, and what the program makes of them."""
    values = [
        event(**RAW),
        event(**RAW, app_version="1.0"),
        event(**RAW | {"ip": "no-address-5"}),
        event(**RAW, locale=5),
        event(**RAW),
    ]
    return history(values, old=frozenset({SKIPPED}))


def personal(found: list[Violation]) -> set[int | None]:
    return {each.offset for each in found if each.kind == "personal"}


class Leak(NamedTuple):
    offset: int
    leak: Callable[[History, str], None]
    """Puts a raw value where it should not be."""


def in_record(offset: int, *path: str) -> Leak:
    """In a field, which is made where there is none."""

    def leak(history: History, raw: str) -> None:
        target = history.record_of(offset).value
        for name in path[:-1]:
            target = target.setdefault(name, {})
        target[path[-1]] = raw

    return Leak(offset, leak)


def in_line(offset: int, name: str, wrap: Callable[[str], Any] = str) -> Leak:
    def leak(history: History, raw: str) -> None:
        history.line_of(offset)[name] = wrap(raw)

    return Leak(offset, leak)


def as_name(offset: int, *path: str) -> Leak:
    """As the name of a field."""

    def leak(history: History, raw: str) -> None:
        target = history.record_of(offset).value
        for name in path:
            target = target[name]
        target[raw] = 1

    return Leak(offset, leak)


def as_value(offset: int, name: str, wrap: Callable[[str], Any]) -> Leak:
    def leak(history: History, raw: str) -> None:
        history.record_of(offset).value[name] = wrap(raw)

    return Leak(offset, leak)


def change(offset: int, changed: Callable[[Output, str], None]) -> Leak:
    return Leak(offset, lambda history, raw: changed(history.record_of(offset), raw))


def set_key(record: Output, raw: str) -> None:
    record.key = raw.encode()


def set_header(record: Output, raw: str) -> None:
    record.headers = [("origin", raw.encode())]


def set_header_name(record: Output, raw: str) -> None:
    record.headers = [(raw, None)]


def set_metrics_key(history: History, raw: str) -> None:
    history.metrics_key = raw.encode()


def set_metrics_header(history: History, raw: str) -> None:
    history.metrics_headers = [("replay-of", raw.encode())]


def set_beside_lines(history: History, raw: str) -> None:
    history.beside_lines = {"first": {"address": [raw]}}


LEAKS = {
    "replay_of of a processed record": in_record(PROCESSED, "replay_of"),
    "replay_of of a filtered record": in_record(FILTERED, "replay_of"),
    "replay_of of an error record": in_record(FAILED, "replay_of"),
    "replay_of of a metrics line": in_line(PROCESSED, "replay_of"),
    "replay_of of a skipped line": in_line(SKIPPED, "replay_of"),
    "replay_of, nested": as_value(PROCESSED, "replay_of", lambda raw: {"id": [raw]}),
    "user_id": in_record(PROCESSED, "user_id"),
    "user_id, nested": as_value(PROCESSED, "user_id", lambda raw: {"id": raw}),
    "app_version": in_record(PROCESSED, "app_version"),
    "locale": in_record(PROCESSED, "locale"),
    "ip": in_record(PROCESSED, "ip"),
    "device_id": in_record(PROCESSED, "device_id"),
    "key_id": in_record(PROCESSED, "key_id"),
    "timestamp": in_record(PROCESSED, "timestamp"),
    "timestamp, nested": as_value(FILTERED, "timestamp", lambda raw: [raw]),
    "a field of its own": in_record(PROCESSED, "extra", "deep"),
    "a name": as_name(PROCESSED),
    "a name, deep": as_value(PROCESSED, "extra", lambda raw: [{"a": {raw: None}}]),
    "clean_type": in_record(FILTERED, "clean_type"),
    "timestamp of a filtered record": in_record(FILTERED, "timestamp"),
    "content": in_record(FILTERED, "message_content", "locale"),
    "content, a name": as_name(FILTERED, "message_content"),
    "content, key_id": in_record(FILTERED, "message_content", "key_id"),
    "content is a text": as_value(FILTERED, "message_content", str),
    "error_type": in_record(FAILED, "error_type"),
    "error_message": as_value(FAILED, "error_message", lambda raw: f"cannot take {raw}, sorry"),
    "source is a text": as_value(FAILED, "source", str),
    "source.topic": in_record(FAILED, "source", "topic"),
    "source.offset": in_record(FAILED, "source", "offset"),
    "source.timestamp": in_record(FAILED, "source", "timestamp"),
    "source, a name": as_name(FAILED, "source"),
    "a field of an invalid one": in_record(INVALID, "message_content", "device_id"),
    "outcome of a line": in_line(PROCESSED, "outcome"),
    "topic of a line": in_line(PROCESSED, "topic"),
    "topic of a skipped line": in_line(SKIPPED, "topic"),
    "timestamp of a line": in_line(PROCESSED, "timestamp"),
    "latency of a line": in_line(PROCESSED, "latency"),
    "a field of a line": in_line(PROCESSED, "extra", lambda raw: [raw]),
    "a name in a line": in_line(SKIPPED, "extra", lambda raw: {raw: 1}),
    "the key": change(PROCESSED, set_key),
    "the key of a record without user": change(FAILED, set_key),
    "a header": change(FILTERED, set_header),
    "the name of a header": change(PROCESSED, set_header_name),
    "the key of a metrics record": Leak(SKIPPED, set_metrics_key),
    "a header of a metrics record": Leak(SKIPPED, set_metrics_header),
    "a metrics record beside its lines": Leak(SKIPPED, set_beside_lines),
}
CASES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "lower case": str.lower,
}
PASSING_THROUGH = ("user_id", "app_version", "locale", "content", "replay_of")
"""In these, a value in another case is only told of as not the input's."""


def test_nothing_is_found_where_nothing_leaks() -> None:
    assert audited(made())[0] == []


@pytest.mark.parametrize("name", RAW)
@pytest.mark.parametrize("place", LEAKS)
@pytest.mark.parametrize("case", CASES)
def test_a_leak_is_found_and_named_by_its_message(name: str, place: str, case: str) -> None:
    tampered = made()
    leak = LEAKS[place]
    is_failed = leak.offset == FAILED and name == "ip"
    raw = CASES[case]("no-address-5" if is_failed else RAW[name])
    leak.leak(tampered, raw)
    found, _ = audited(tampered)
    passes = case != "as it is" and place.startswith(PASSING_THROUGH) and "," not in place
    kind = "contradicting" if passes else "personal"
    assert leak.offset in {each.offset for each in found if each.kind == kind}, found
    for violation in found:
        assert raw.lower() not in violation.what.lower()


def test_a_device_id_in_the_form_of_a_key_id_is_found_in_its_place() -> None:
    """Only the ids of keys that the group has counted with are known to be none."""
    values = [event(device_id=OTHER_KEY), event(device_id="2024-07-10T02:00:25Z")]
    tampered = history(values)
    assert audited(tampered)[0] == []
    tampered.record_of(0).value["key_id"] = OTHER_KEY
    tampered.record_of(1).value["timestamp"] = "2024-07-10T02:00:25Z"
    assert personal(audited(tampered)[0]) == {0, 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"device_id": "2023-09-12T00:45:51Z"},
        {"device_id": "2023-09-12T00:45:51.250Z", "timestamp": "1694479551.250"},
        {"device_id": "2023-09-12t00:45:51z", "timestamp": 1694479551000},
        {"ip": "2001:DB8:85A3::"},
        {"device_id": "10.1.2.0", "ip": "10.1.2.3"},
        {"device_id": "2001:DB8:1::", "ip": "2001:db8:1::7"},
        {"device_id": "same", "user_id": "same"},
        {"device_id": "__other__", "locale": "no label at all"},
        {"device_id": "RU"},
        {"device_id": "parse_error"},
        {"device_id": "ﬀﬀ-İ-9"},
        {"device_id": "not a time", "timestamp": "1e999"},
        {"device_id": "2023-09-12T00:45:51Z", "timestamp": "9" * 1000},
        {"device_id": "2023-09-12T00:45:51Z", "timestamp": {"a": 1}},
    ],
    ids=str,
)
def test_a_sender_cannot_provoke_an_alarm(fields: dict[str, Any]) -> None:
    clean = history([event(**fields), event()])
    clean.texts = {
        folded(label): Text(Place("summary-output", 0, 7), 0)
        for label in ("RU", "android", "__other__", "parse_error")
    }
    assert audited(clean)[0] == []


def test_a_label_in_a_summary_that_no_message_was_counted_under() -> None:
    place = Place("summary-output", 0, 7)
    for raw in (RAW["device_id"], RAW["device_id"].lower(), RAW["ip"]):
        tampered = made()
        tampered.texts = {folded(raw): Text(place, 0), folded("android"): Text(place, 0)}
        [violation] = audited(tampered)[0]
        assert (violation.kind, violation.offset) == ("personal", PROCESSED)
        assert violation.records == [place]
        tampered.texts = {folded(raw): Text(place, 3)}
        assert audited(tampered)[0] == [], "counted from elsewhere on"


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (lambda record: setattr(record, "headers", [("a", b"b")]), "it has headers"),
        (lambda record: setattr(record, "headers", [("", None)]), "it has headers"),
        (lambda record: setattr(record, "key", b"b"), "its key is not its user_id"),
    ],
)
def test_what_no_record_has_contradicts(changed: Callable[[Output], None], what: str) -> None:
    tampered = made()
    changed(tampered.record_of(PROCESSED))
    [violation] = audited(tampered)[0]
    assert (violation.kind, violation.offset, violation.what) == ("contradicting", PROCESSED, what)


def test_an_error_message_of_more_than_500_characters() -> None:
    tampered = made()
    tampered.record_of(FAILED).value["error_message"] = "5" * 100_000
    [violation] = audited(tampered)[0]
    assert violation.what == "error_message has more than 500 characters"
