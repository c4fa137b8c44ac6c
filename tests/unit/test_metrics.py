"""metrics-output: every message on one line, records within their limits, always JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_processor.metrics import MessageMetrics
from kafka_processor.pipeline import Pipeline
from tests.unit.pipeline_runs import KEY, NOW, PARTITION, Headers, event, message, settings

LONGEST_NAMES = {
    "INPUT_TOPIC": "i" * 249,
    "PROCESSED_TOPIC": "p" * 249,
    "ERRORS_TOPIC": "e" * 249,
    "CLEANED_TOPIC": "c" * 249,
}
LONGEST_REPLAY: Headers = [("replay-of", b"r" * 249 + b"-2147483647-9223372036854775807")]


def lines_of(count: int, headers: Headers | None = None, **given_settings: str) -> list[str]:
    first = 2**63 - 1 - count
    messages = [message(event(), first + n, (1, 0), headers) for n in range(count)]
    pipeline = Pipeline(settings(MAX_MESSAGE_AGE="0", **given_settings), KEY)
    return pipeline.work(PARTITION, messages, NOW, {}).lines


def details(values: list[bytes]) -> list[dict[str, Any]]:
    found = []
    for value in values:
        record = json.loads(value)
        assert record.keys() == {"message_details"}
        found += record["message_details"]
    return found


@pytest.mark.parametrize("count", [1, 2, 999, 1000, 1001, 2500])
@pytest.mark.parametrize("names", [{}, LONGEST_NAMES])
@pytest.mark.parametrize("headers", [None, LONGEST_REPLAY])
def test_each_message_once_in_records_within_the_limits(
    count: int, names: dict[str, str], headers: Headers | None
) -> None:
    values = list(MessageMetrics.records(lines_of(count, headers, **names), 12345.678, NOW))
    for value in values:
        assert len(value) <= 256 * 1024
        assert 1 <= len(json.loads(value)["message_details"]) <= 1000
    ids = [line["message_id"] for line in details(values)]
    topic = names.get("INPUT_TOPIC", "user-login")
    first = 2**63 - 1 - count
    assert ids == [f"{topic}-{PARTITION}-{first + n}" for n in range(count)]


@pytest.mark.parametrize("length", range(1, 250, 4))
def test_records_stay_below_256_kib_also_where_they_just_reach_it(length: int) -> None:
    lines = lines_of(1000, INPUT_TOPIC="i" * length)
    values = list(MessageMetrics.records(lines, 0.1, NOW))
    assert max(map(len, values)) <= 256 * 1024
    assert len(details(values)) == 1000


def test_records_are_not_split_without_need() -> None:
    assert len(list(MessageMetrics.records(lines_of(1000), 0.1, NOW))) == 1


def test_no_lines_no_record() -> None:
    assert list(MessageMetrics.records([], 0.1, NOW)) == []


@given(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(0, 1e6),
    st.integers(0, 253_402_300_799_999),
)
def test_figures_are_json_numbers(timestamp: int, seconds: float, now: int) -> None:
    pipeline = Pipeline(settings(MAX_MESSAGE_AGE="0"), KEY)
    work = pipeline.work(PARTITION, [message(b"", timestamp=(1, timestamp))], now, {})
    [line] = details(list(MessageMetrics.records(work.lines, seconds, now)))
    assert line["latency"] == (now - timestamp) / 1000
    assert abs(line["processing_time"] - seconds) <= 1e-9


def test_the_whole_line() -> None:
    headers: Headers = [("replay-of", b"user-login-3-2")]
    pipeline = Pipeline(settings(), KEY)
    work = pipeline.work(
        PARTITION,
        [
            message(event(), 5, (1, NOW - 1500), headers),
            message(event(), 6, (1, NOW - 61_000)),
            message(b"", 9, (0, 0)),
        ],
        NOW,
        {},
    )
    shared = {"processing_time": 0.00025, "timestamp": "2024-07-10T02:00:25.120Z"}
    assert details(list(MessageMetrics.records(work.lines, 0.00025, NOW))) == [
        {"message_id": "user-login-3-5", "outcome": "processed", "topic": "processed-output",
         "latency": 1.5, "replay_of": "user-login-3-2", **shared},
        {"message_id": "user-login-3-6", "outcome": "skipped", "topic": None,
         "latency": 61.0, **shared},
        {"message_id": "user-login-3-9", "outcome": "parse_error", "topic": "processed-errors",
         "latency": None, **shared},
    ]  # fmt: skip
