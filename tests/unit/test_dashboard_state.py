"""The dashboard's state: records in, a snapshot out; hostile records too."""

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_processor.config import load_settings
from kafka_processor.dashboard.failures import LATEST, MAX_MESSAGE
from kafka_processor.dashboard.group import Group, Member
from kafka_processor.dashboard.snapshot import Snapshot, encode
from kafka_processor.dashboard.state import MAX_RECORD, State
from kafka_processor.outcomes import OUTCOMES, ErrorType
from kafka_processor.terminal.printable import printable

NOW = 1_720_000_000_000
MAX_SNAPSHOT = 100_000
"""Bytes."""
SETTINGS = load_settings({})
SUMMARY, ERRORS, METRICS = (SETTINGS.summary_topic, SETTINGS.errors_topic, SETTINGS.metrics_topic)


def state(**settings: str) -> State:
    return State(load_settings(settings), 900)


def take(
    board: State, topic: str, value: object, ago: float = 3.0, key: bytes | None = None
) -> None:
    """`ago`: seconds before now."""
    time = NOW - round(ago * 1000)
    board.take((topic, 0), key, json.dumps(value).encode(), time, NOW)


def lines(*outcomes: str, latency: float | None = 0.02) -> dict[str, Any]:
    return {
        "message_details": [
            {"message_id": "user-login-0-1", "outcome": each, "topic": None,
             "processing_time": 1e-6, "latency": latency, "timestamp": "2024-07-10T02:00:25.000Z"}
            for each in outcomes
        ]
    }  # fmt: skip


def failure(**changes: Any) -> dict[str, Any]:
    return {
        "message_id": "user-login-0-7",
        "user_id": "user-that-is-not-shown",
        "error_type": "missing_field",
        "error_message": "missing: device_type",
        "message_content": {"locale": "content-that-is-not-shown"},
        "source": {"topic": "user-login", "partition": 0, "offset": 7, "timestamp": None},
        "timestamp": "2024-07-10T02:00:25.000Z",
        **changes,
    }


def test_metrics_give_rates_latencies_and_the_share_of_errors() -> None:
    board = state()
    take(board, METRICS, lines("processed", "processed", "filtered", "parse_error"))
    take(board, METRICS, lines("skipped", latency=300.0))
    snapshot = board.snapshot(NOW)
    figures = snapshot.figures
    assert (figures.messages, figures.failed) == (5, 1)
    assert figures.p99 == pytest.approx(0.02, rel=0.03), "what was skipped is not in it"
    assert figures.last_outcome == NOW - 3000
    series = snapshot.series
    assert (series.processed, series.filtered, series.skipped, series.error) == ([2], [1], [1], [1])


def test_without_metrics_rates_come_from_the_summary() -> None:
    board = state(METRICS_TOPIC="")
    assert board.topics == (SUMMARY, ERRORS)
    for ago, processed in ((10, 100), (5, 600)):
        record = {
            "consumer_group": SETTINGS.consumer_group, "source_topic": "user-login",
            "source_partition": 0, "total_received_count": processed, "processed_count": processed,
            "filtered_count": 0, "skipped_count": 0, "error_count": 0, "error_type_counts": {},
            "device_type_counts": {}, "locale_counts": {},
        }  # fmt: skip
        take(board, SUMMARY, record, ago, b"kafka-processor/user-login-0")
        snapshot = board.snapshot(NOW)
    assert snapshot.series.processed[:5] == [100] * 5
    assert not snapshot.has_metrics
    assert snapshot.figures.last_outcome == NOW - 5000


def test_errors_are_counted_by_type_and_the_latest_shown() -> None:
    board = state()
    for number in range(LATEST + 5):
        take(board, ERRORS, failure(message_id=f"user-login-0-{number}"), ago=100 - number)
    take(board, ERRORS, failure(error_type="made_up", message_id="old"), ago=5000)
    snapshot = board.snapshot(NOW)
    assert [each.message_id for each in snapshot.latest_errors] == [
        f"user-login-0-{number}" for number in range(LATEST + 4, 4, -1)
    ]
    assert {each.name: each.recent for each in snapshot.error_types if each.recent} == {
        "missing_field": LATEST + 5
    }
    labels = {each.name: each.label for each in snapshot.error_types}
    assert labels == {name: OUTCOMES[name].label for name in get_args(ErrorType)}


def test_an_error_is_shown_no_longer_than_the_charts_go_back() -> None:
    board = state()
    take(board, ERRORS, failure(), ago=3)
    assert board.snapshot(NOW + 890_000).latest_errors
    assert not board.snapshot(NOW + 900_000).latest_errors


def test_what_others_write_to_the_same_topics_is_left_out() -> None:
    board = state(INPUT_TOPIC="other.input")
    take(board, METRICS, lines("processed"))
    take(board, ERRORS, failure())
    take(board, ERRORS, failure(message_id="otherXinput-0-1"))
    take(board, ERRORS, failure(message_id="other.input-0-1-0-1"))
    snapshot = board.snapshot(NOW)
    assert (snapshot.figures.messages, snapshot.latest_errors) == (0, [])
    take(board, ERRORS, failure(message_id="other.input-0-1"))
    assert board.snapshot(NOW).latest_errors


def test_a_topic_that_was_made_again_is_not_counted_twice() -> None:
    board = state()
    for _ in range(2):
        take(board, METRICS, lines("processed"))
        take(board, ERRORS, failure())
        snapshot = board.snapshot(NOW)
        assert (snapshot.figures.messages, len(snapshot.latest_errors)) == (1, 1)
        for topic in board.topics:
            board.forget(topic)


def test_nothing_is_judged_before_all_is_read() -> None:
    board = state()
    assert board.snapshot(NOW).health.reasons == ["No broker has answered yet."]
    board.trouble = ""
    for topic in board.topics:
        board.progress.start((topic, 0))
    reasons = board.snapshot(NOW).health.reasons
    assert reasons == [f"{topic} is still being read." for topic in board.topics]
    for topic in board.topics:
        board.progress.reached_end((topic, 0))
    assert board.snapshot(NOW).health.level == "idle"
    board.progress.cannot_read((METRICS, 0), "TOPIC_AUTHORIZATION_FAILED")
    health = board.snapshot(NOW).health
    assert health.word == "Waiting"
    assert health.reasons == [f"{METRICS} cannot be read: TOPIC_AUTHORIZATION_FAILED."]


def test_while_the_page_is_behind_nothing_stands_still() -> None:
    board = state()
    board.trouble = ""
    for topic in board.topics:
        board.progress.start((topic, 0))
        board.progress.reached_end((topic, 0))
    board.group = Group("stable", (Member("one", (0,)),), {0: 1}, {}, {0: 50})
    take(board, METRICS, lines("processed"), ago=200)
    assert board.snapshot(NOW).health.level == "well"
    board.progress.reached_end((METRICS, 0))
    assert board.snapshot(NOW).health.level == "trouble"


def test_neither_user_nor_content_is_in_the_snapshot() -> None:
    board = state()
    take(board, ERRORS, failure())
    text = encode(board.snapshot(NOW))
    assert b"device_type" in text
    assert b"not-shown" not in text


def test_texts_are_cut_and_what_is_unseen_is_escaped() -> None:
    board = state()
    take(board, ERRORS, failure(error_message="a\u202eb\n\x1b[2J<script>" + "x" * 10_000))
    [shown] = board.snapshot(NOW).latest_errors
    assert shown.error_message.startswith(r"a\u202eb\u000a\u001b[2J<script>xxx")
    assert len(shown.error_message) < MAX_MESSAGE + 30


@given(st.text(), st.integers(0, 50))
def test_printable_is(text: str, most: int) -> None:
    shown = printable(text, most)
    assert shown.isprintable()
    assert len(shown) <= 10 * most + 1


def test_unreadable_records_are_counted_by_topic() -> None:
    board = state()
    for topic in (SUMMARY, ERRORS, METRICS):
        board.take((topic, 0), b"kafka-processor/user-login-0", b"{", NOW, NOW)
        board.take((topic, 0), b"kafka-processor/user-login-0", b"[" * 10_000, NOW, NOW)
    unreadable = {each.name: each.unreadable for each in board.snapshot(NOW).topics}
    assert unreadable == {SUMMARY: 1, ERRORS: 2, METRICS: 2}, "of a summary the latest alone"


def test_it_says_how_far_it_is_behind() -> None:
    board = state()
    place = METRICS, 0
    board.progress.start(place)
    take(board, METRICS, lines("processed"), ago=42)
    topics = {each.name: each for each in board.snapshot(NOW).topics}
    assert (topics[METRICS].behind, topics[METRICS].is_catching_up) == (42, True)
    board.progress.reached_end(place)
    topics = {each.name: each for each in board.snapshot(NOW).topics}
    assert (topics[METRICS].behind, topics[METRICS].is_catching_up) == (0, False)


def hostile() -> Iterator[st.SearchStrategy[Any]]:
    yield st.binary(max_size=50)
    texts = st.text(max_size=20)
    numbers = st.one_of(st.integers(), st.floats(), st.none())
    yield st.fixed_dictionaries(
        {"message_details": st.lists(st.fixed_dictionaries({"outcome": texts, "latency": numbers}))}
    )
    yield st.fixed_dictionaries({"message_id": texts, "error_type": texts, "error_message": texts})
    yield st.dictionaries(texts, numbers)
    yield st.recursive(
        st.one_of(st.booleans(), numbers, texts),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(texts, inner)),
        max_leaves=10,
    )
    counts = st.integers(0, 2**53)
    labels = st.dictionaries(st.one_of(texts, st.sampled_from(["RU", "parse_error"])), counts)
    yield st.fixed_dictionaries(
        {"consumer_group": st.just(SETTINGS.consumer_group), "source_topic": st.just("user-login"),
         "source_partition": st.just(0)}
        | {f"{each}_count": counts for each in (
            "total_received", "processed", "filtered", "skipped", "error", "replayed")}
        | {f"{each}_counts": labels for each in ("error_type", "device_type", "locale")}
    )  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.sampled_from([SUMMARY, ERRORS, METRICS]),
            st.one_of(*hostile()),
            st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(NOW - 10**6, NOW)),
        )
    ),
    st.sampled_from([METRICS, ""]),
)
def test_any_record_leaves_a_snapshot_that_is_json(
    records: list[tuple[str, Any, int]], metrics_topic: str
) -> None:
    board = state(METRICS_TOPIC=metrics_topic)
    for topic, value, time in records:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        board.take((topic, 0), b"kafka-processor/user-login-0", raw, time, NOW)
        board.snapshot(NOW)
    text = encode(board.snapshot(NOW))
    assert msgspec.json.decode(text, type=Snapshot).now == NOW
    assert len(text) < MAX_SNAPSHOT
    assert b"\n" not in text, "or an event would end there"
    json.loads(text)


def test_a_record_that_is_larger_than_any_of_ours_is_not_decoded() -> None:
    board = state()
    take(board, METRICS, lines("processed") | {"more": "x" * MAX_RECORD})
    take(board, ERRORS, failure(error_message="x" * MAX_RECORD))
    snapshot = board.snapshot(NOW)
    assert not snapshot.figures.messages
    assert not snapshot.latest_errors
    assert [each.unreadable for each in snapshot.topics] == [0, 1, 1]


def test_errors_that_are_kept_are_small() -> None:
    board = state()
    text = "x" * (MAX_RECORD - 1000)
    tracemalloc.start()
    try:
        for _ in range(LATEST):
            take(board, ERRORS, failure(error_message=text))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 500_000
