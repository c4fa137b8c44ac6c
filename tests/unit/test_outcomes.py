"""The contract's order of outcomes and its edges, one by one."""

import json
from collections import Counter
from typing import Any

import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from kafka_processor.audit.entries import NOTHING
from kafka_processor.audit.inputs import replayed_message
from kafka_processor.pipeline import Pipeline
from tests.unit import reference
from tests.unit.pipeline_runs import (
    EVENT,
    KEY,
    MESSAGE_ID,
    NOW,
    OFFSET,
    PARTITION,
    Headers,
    event,
    event_without,
    message,
    run,
    settings,
)

TOO_OLD = (1, NOW - 60_001)


def test_the_event_of_the_contract_is_processed() -> None:
    result = run(event())
    assert result.published is not None
    assert result.published.topic == "processed-output"
    assert result.published.key == EVENT["user_id"].encode()
    assert result.record == {
        "message_id": MESSAGE_ID,
        "user_id": EVENT["user_id"],
        "app_version": "2.3.0",
        "device_type": "android",
        "ip": "199.172.111.0",
        "locale": "RU",
        "device_id": reference.pseudonym("593-47-5928", KEY),
        "key_id": reference.key_id(KEY),
        "timestamp": "2023-09-12T00:45:51Z",
    }


@pytest.mark.parametrize(
    ("timestamp", "limit", "outcome"),
    [
        (TOO_OLD, "60", "skipped"),
        ((1, NOW - 60_000), "60", "processed"),
        ((2, NOW - 60_001), "60", "skipped"),  # log append time
        ((0, 0), "60", "processed"),  # none
        ((1, NOW + 3_600_000), "60", "processed"),
        ((1, 0), "0", "processed"),
        ((1, 0), "60", "skipped"),
        ((1, NOW - 501), "0.5", "skipped"),
        ((1, NOW - 500), "0.5", "processed"),
    ],
)
def test_age_decides_first(timestamp: tuple[int, int], limit: str, outcome: str) -> None:
    assert run(event(), timestamp=timestamp, MAX_MESSAGE_AGE=limit).outcome == outcome


@pytest.mark.parametrize("value", [None, b"", b"{", event(ip=5), event(app_version="1")])
def test_what_is_too_old_is_skipped_whatever_it_holds(value: bytes | None) -> None:
    result = run(value, timestamp=TOO_OLD)
    assert result.published is None
    assert result.line["outcome"] == "skipped"
    assert result.line["topic"] is None
    assert result.line["latency"] == 60.001
    assert result.work.skipped_ages == [60_001]


def test_a_record_timestamp_that_is_missing_leaves_latency_and_source_null() -> None:
    result = run(b"", timestamp=(0, 0))
    assert result.line["latency"] is None
    assert result.record["source"]["timestamp"] is None


@pytest.mark.parametrize("milliseconds", [2**63 - 1, -(2**63), -1, 253_402_300_800_000])
def test_a_record_timestamp_out_of_the_world_does_no_harm(milliseconds: int) -> None:
    result = run(b"", timestamp=(1, milliseconds), MAX_MESSAGE_AGE="0")
    assert result.outcome == "parse_error"
    assert isinstance(result.line["latency"], float)
    assert result.record["source"]["timestamp"] is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b" ",
        b"null",
        b"[]",
        b"5",
        b'"a"',
        b"\xff",
        event() + b"x",
        event() + event(),
        event()[:-1],
        b"\xef\xbb\xbf" + event(),
        event().replace(b"RU", b"\xff"),
        event().replace(b"RU", b"\xed\xa0\x80"),
        event().replace(b"RU", b"\\ud800"),
        event(ip=["?"]).replace(b"?", b"\\udc00"),
        event().replace(b"RU", b"\xc0\x80"),
        event().replace(b"RU", b"R\nU"),
        event().replace(b"RU", b"\\ud83d\\u0041"),
        event(timestamp=float("nan")),
        event(timestamp=float("-inf")),
        event(extra=float("nan")),
        event(extra="?").replace(b'"?"', b"tru"),
        event(extra="?").replace(b'"?"', b"01"),
        event(extra="?").replace(b'"?"', b"[1,]"),
        event(extra="?").replace(b"?", b"\\x"),
        event(extra="?").replace(b"?", b"\n"),
        event(extra="?").replace(b'?"', b"?"),
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        event().replace(b'"RU"', b"[" * 100_000),
        event().decode().encode("utf-16"),
        b"{'user_id': 'a'}",
    ],
)
def test_what_is_no_json_object_in_utf_8_is_a_parse_error(value: bytes | None) -> None:
    result = run(value)
    assert result.published is not None
    assert result.outcome == "parse_error"
    assert result.published.topic == "processed-errors"
    assert result.published.key is None
    assert result.record["user_id"] is None
    assert result.record["message_content"] is None


@pytest.mark.parametrize(
    "content",
    [b'"\xff"', b'"\xed\xa0\x80"', b'"\\ud800"', b"1e400", b"9" * 400, b'[{"a":[-1e999]}]'],
)
def test_of_an_unlisted_field_only_the_end_has_to_be_found(content: bytes) -> None:
    for large in (b"", b" " * 100_000):
        value = event(extra="?").replace(b'"?"', large + content)
        assert run(value).outcome in ("processed", "parse_error")
        value = event(extra="?", ip=5).replace(b'"?"', large + content)
        assert run(value).outcome in ("invalid_field", "parse_error")


@pytest.mark.parametrize("space", [b"", b" " * 100_000])
@pytest.mark.parametrize("name", ["timestamp", "user_id"])
@pytest.mark.parametrize("version", ["2.3.0", "1.0"])
@pytest.mark.parametrize("number", ["1e400", "-1e999", "9" * 309, "-1" + "0" * 309, "9" * 5000])
def test_a_number_that_no_double_holds_is_an_error(
    space: bytes, name: str, version: str, number: str
) -> None:
    value = event(**{name: 0, "app_version": version})
    value = value.replace(f'"{name}": 0'.encode(), f'"{name}": {number}'.encode()) + space
    assert number.encode() in value
    assert run(value).outcome in ("parse_error", "invalid_field", "transform_error")


@pytest.mark.parametrize("space", [b"", b" " * 100_000])
@pytest.mark.parametrize("name", ["timestamp", "ip", "\\u0069p"])
def test_it_is_one_too_where_another_value_counts(space: bytes, name: str) -> None:
    last = event()[1:] + space
    for number in ("1e400", "-1e400", "[1e400]", "0.1e310", "9" * 309, "9" * 250 + "e+99"):
        assert run(f'{{"{name}": {number}, '.encode() + last).outcome == "parse_error"
    texts = (r'"\",1e400,"', r'"\\\",1e400,"')
    held = ("1e-" + "9" * 400, "0." + "0" * 400 + "1e410", "1" + "0" * 400 + "e-399")
    for number in (
        *texts,
        *held,
        "9" * 308,
        "1e308",
        "1e-999",
        "0e999",
        '"1e400"',
        '"' + "9" * 400 + '"',
    ):
        assert run(f'{{"{name}": {number}, '.encode() + last).outcome == "processed"


@pytest.mark.parametrize("space", [b"", b" " * 100_000])
@pytest.mark.parametrize(
    "value", [b'"\xff"', b'"\xed\xa0\x80"', b'"\\ud800"', b'["\xff"]', b'{"a":"\xff"}', b"[1,]"]
)
def test_what_is_no_json_is_none_too_where_another_value_counts(space: bytes, value: bytes) -> None:
    assert run(b'{"ip":' + value + b"," + event()[1:] + space).outcome == "parse_error"
    assert run(b'{"ip":' + value + b"," + event(ip=5)[1:] + space).outcome == "parse_error"


@pytest.mark.parametrize("before", range(60))
def test_it_is_found_wherever_it_begins(before: int) -> None:
    start = f'{{"locale": {"9" * 309}, "other": "{"-" * 400}", '.replace("{", "{" + " " * before)
    assert run(start.encode() + event()[1:]).outcome == "parse_error"


@pytest.mark.parametrize("name", reference.FIELDS)
@pytest.mark.parametrize("how", ["absent", "null", "empty"])
def test_each_missing_field_is_named(name: str, how: str) -> None:
    changes = {} if how == "absent" else {name: None if how == "null" else ""}
    value = event_without(name) if how == "absent" else event(**changes)
    result = run(value)
    assert result.outcome == "missing_field"
    assert name in result.record["error_message"]
    content = result.record["message_content"]
    if how == "absent":
        assert name not in content
    else:
        assert content[name] == (None if how == "null" or name == "device_id" else "")
    assert ("key_id" in content) == (name != "device_id")


def test_all_missing_fields_are_named_in_the_order_of_the_contract() -> None:
    message = run(b"{}").record["error_message"]
    places = [message.index(name) for name in reference.FIELDS]
    assert places == sorted(places)


def test_missing_comes_before_invalid_and_a_blank_is_not_missing() -> None:
    assert run(event(ip=5, locale="")).outcome == "missing_field"
    assert run(event(locale=" ")).outcome == "processed"


def test_all_invalid_fields_are_named_in_the_order_of_the_contract() -> None:
    result = run(json.dumps(dict.fromkeys(reversed(reference.FIELDS), True)).encode())
    assert result.outcome == "invalid_field"
    message = result.record["error_message"]
    places = [message.index(name) for name in reference.FIELDS]
    assert places == sorted(places)
    assert set(result.record["message_content"].values()) == {None}


@pytest.mark.parametrize("char", ["a", "é", "\u20ac", "\U0001f600"])
def test_the_longest_string_has_1024_code_points(char: str) -> None:
    assert run(event(locale=char * 1024)).outcome == "processed"
    result = run(event(locale=char * 1025))
    assert result.outcome == "invalid_field"
    assert result.record["message_content"]["locale"] is None


@pytest.mark.parametrize(
    ("timestamp", "outcome"),
    [
        ("1694479551", "processed"),
        ("1694479551.5", "processed"),
        ("0", "processed"),
        (1694479551.5, "processed"),
        ("1e9", "invalid_field"),
        ("+5", "invalid_field"),
        ("-5", "invalid_field"),
        (" 5 ", "invalid_field"),
        ("5\n", "invalid_field"),
        ("5.", "invalid_field"),
        (".5", "invalid_field"),
        ("\u0665", "invalid_field"),
        (" ", "invalid_field"),
        (True, "invalid_field"),
        ([5], "invalid_field"),
        (-1, "transform_error"),
        (253_402_300_800_000, "transform_error"),
        ("253402300800000", "transform_error"),
    ],
)
def test_timestamps(timestamp: Any, outcome: str) -> None:
    result = run(event(timestamp=timestamp))
    assert result.outcome == outcome
    if outcome == "invalid_field":
        assert result.record["message_content"]["timestamp"] is None
    if outcome == "transform_error":
        assert result.record["message_content"]["timestamp"] == timestamp


@pytest.mark.parametrize("ip", [" 1.2.3.4 ", "010.1.2.3", "1.2.3.4:80", "fe80::1%eth0", "host"])
def test_what_is_no_address_is_a_transform_error_without_the_value(ip: str) -> None:
    result = run(event(ip=ip))
    assert result.published is not None
    assert result.outcome == "transform_error"
    assert result.record["message_content"]["ip"] is None
    assert ip.encode() not in result.published.value


def test_an_unaccepted_version_is_filtered_before_address_and_time_are_looked_at() -> None:
    result = run(event(app_version="2.3.1", ip="host", timestamp=-1))
    assert result.published is not None
    assert result.outcome == "filtered"
    assert result.published.topic == "cleaned-data"
    assert result.published.key == EVENT["user_id"].encode()
    content = result.record["message_content"]
    assert (content["ip"], content["timestamp"]) == (None, -1)


def test_accepted_versions_are_compared_whole() -> None:
    accepted = " 2.3.0, 2.4.0 ,"
    result = run(event(app_version="2.4.0"), ACCEPTED_APP_VERSIONS=accepted)
    assert result.outcome == "processed"
    for version in ("2.4", "2.4.0 ", "2.3.0, 2.4.0"):
        result = run(event(app_version=version), ACCEPTED_APP_VERSIONS=accepted)
        assert result.outcome == "filtered"


def test_of_a_name_given_twice_the_last_counts() -> None:
    twice = event()[:-1] + b', "locale": "IN", "l\\u006fcale": "DE"}'
    assert run(twice).record["locale"] == "DE"
    assert run(event()[:-1] + b', "locale": null}').outcome == "missing_field"
    assert run(b'{"locale": {"a": 1}, ' + event()[1:]).outcome == "processed"


def test_fields_that_are_not_listed_are_dropped() -> None:
    assert run(event(password="p", key_id="k")).record == run(event()).record
    content = run(event(password="p", key_id="k", app_version="1")).record["message_content"]
    assert content.keys() == {*reference.FIELDS, "key_id"}
    assert content["key_id"] == reference.key_id(KEY)


def test_a_record_that_the_broker_refused_becomes_a_publish_error_without_content() -> None:
    for value in (event(), event(app_version="1"), event(ip="host")):
        result = run(value, refused={(3, 42): "processed-output refuses the record: " + "x" * 600})
        assert result.published is not None
        assert result.outcome == "publish_error"
        assert result.line["topic"] == result.published.topic == "processed-errors"
        assert result.published.key == EVENT["user_id"].encode()
        assert result.record["message_content"] is None
        assert len(result.record["error_message"]) == 500
        assert not result.work.locales


def test_a_refusal_concerns_that_record_alone() -> None:
    assert run(event(), refused={(3, 41): "x", (2, 42): "x"}).outcome == "processed"


@pytest.mark.parametrize(
    ("value", "timestamp"),
    [
        (event(), (1, NOW)),
        (event(app_version="1"), (1, NOW)),
        (b"", (1, NOW)),
        (event(), TOO_OLD),
    ],
)
def test_a_replayed_message_says_of_which_and_counts(
    value: bytes, timestamp: tuple[int, int]
) -> None:
    headers: Headers = [("other", b"x"), ("replay-of", b"user-login-3-7")]
    result = run(value, timestamp=timestamp, headers=headers)
    assert result.work.replayed == 1
    assert result.line["replay_of"] == "user-login-3-7"
    if result.published:
        assert result.record["replay_of"] == "user-login-3-7"


@pytest.mark.parametrize(
    "header",
    [None, b"", b"593-47-5928", b"user-login-3-42", b"user-login-3-43", b"user-login-0-7",
     b"user-login-2-7", b"user-login-33-7", b"other-3-7", b"user-login-3-07", b"user-login-3-+7",
     b"user-login-3-", b"user-login-3--7", b" user-login-3-7", b"user-login-3-7\n", b"-3-7",
     "user-login-3-\u0667".encode(), b"user-login-3-1_0", b"user-login-3-" + b"0" * 10_000,
     b"x-user-login-3-7", b"user-login-3-7-7"],
)  # fmt: skip
@pytest.mark.parametrize("timestamp", [(1, NOW), TOO_OLD])
def test_a_header_that_names_no_earlier_message_of_the_partition_is_ignored(
    header: bytes | None, timestamp: tuple[int, int]
) -> None:
    assert run(event(), timestamp, [("replay-of", header)])[:2] == run(event(), timestamp)[:2]
    assert replayed_message([("replay-of", header)], "user-login", PARTITION, OFFSET) == NOTHING


@given(st.integers(0, 60), st.integers(0, 9), st.sampled_from(["user-login", "a", "a-1"]))
def test_the_audit_reads_the_header_alike(offset: int, partition: int, topic: str) -> None:
    headers: Headers = [("replay-of", f"{topic}-{partition}-{offset}".encode())]
    result = run(event(), headers=headers)
    named = result.line.get("replay_of")
    assert (named is not None) == (topic == "user-login" and partition == 3 and offset < OFFSET)
    of_audit = replayed_message(headers, "user-login", PARTITION, OFFSET)
    assert of_audit == (hash(named) if named else NOTHING)


@pytest.mark.parametrize("size", [1000, 50_000])
def test_a_message_that_is_larger_than_allowed_is_not_looked_into(size: int) -> None:
    value = event(extra="x" * (size - len(event(extra=""))))
    assert len(value) == size
    assert run(value, MAX_MESSAGE_BYTES=str(size)).outcome == "processed"
    for other in (value, b"\xff" * size):
        result = run(other, MAX_MESSAGE_BYTES=str(size - 1))
        assert result.outcome == "parse_error"
        assert f"MAX_MESSAGE_BYTES allows ({size - 1} bytes)" in result.record["error_message"]
        assert result.record["user_id"] is None
        assert result.record["message_content"] is None
    assert run(value, timestamp=TOO_OLD, MAX_MESSAGE_BYTES="1").outcome == "skipped"
    assert run(None, MAX_MESSAGE_BYTES="1").outcome == "parse_error"


def test_by_default_a_message_may_have_a_mebibyte() -> None:
    empty = len(event(extra=""))
    assert run(event(extra="x" * (2**20 - empty))).outcome == "processed"
    assert run(event(extra="x" * (2**20 - empty + 1))).outcome == "parse_error"


class MessageWithUnreadableHeaders:
    """As the client has one: asked again, its headers end the process."""

    def __init__(self, one: Message) -> None:
        self.offset, self.value, self.timestamp = one.offset, one.value, one.timestamp
        self._is_asked = False

    def __len__(self) -> int:
        return 0

    def headers(self) -> None:
        assert not self._is_asked
        self._is_asked = True
        raise SystemError("returned a result with an exception set") from UnicodeError()


@pytest.mark.parametrize(
    ("value", "timestamp", "outcome"),
    [
        (event(), (1, NOW), "processed"),
        (event(app_version="1"), (1, NOW), "filtered"),
        (b"", (1, NOW), "parse_error"),
        (event(), TOO_OLD, "skipped"),
    ],
)
def test_headers_whose_names_are_no_text_are_those_of_no_replay(
    value: bytes, timestamp: tuple[int, int], outcome: str
) -> None:
    strange = MessageWithUnreadableHeaders(message(value, 42, timestamp))
    replayed = message(event(), 43, headers=[("replay-of", b"user-login-3-7")])
    work = Pipeline(settings(), KEY).work(3, [strange, replayed], NOW, {})
    assert work.outcomes == Counter([outcome, "processed"])
    assert work.replayed == 1
    assert ["replay_of" in line for line in work.lines] == [False, True]


@pytest.mark.parametrize(
    "header", [b"", None, b"user-login", b'a"-0-7', b"\xff-0-7", b"a\n-0-7", b"a-0-7\n"]
)
def test_a_header_that_names_no_message_is_no_replay(header: bytes | None) -> None:
    result = run(event(), headers=[("replay-of", header)])
    assert result.work.replayed == 0
    assert "replay_of" not in result.line
    assert "replay_of" not in result.record


@pytest.mark.parametrize("name", reference.FIELDS)
def test_error_records_are_small(name: str) -> None:
    huge = dict.fromkeys(reference.FIELDS, "\U0001f600" * 1024) | {name: "x" * 2_000_000}
    for value in (json.dumps(huge).encode(), b"x" * 2_000_000, b'{"' + b"k" * 2_000_000):
        result = run(value)
        assert result.published is not None
        assert len(result.published.value) < 64 * 1024
