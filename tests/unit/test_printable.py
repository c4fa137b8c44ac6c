"""Text of others on a terminal and in the log: it moves no cursor and forges no line."""

import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kafka_processor.config import Settings, load_settings
from kafka_processor.startup.logs import create_log
from kafka_processor.tail.cleaned import cleaned_view
from kafka_processor.tail.errors import errors_view
from kafka_processor.tail.metrics import metrics_view
from kafka_processor.tail.processed import processed_view
from kafka_processor.tail.summary import MAX_KEYS, summary_view
from kafka_processor.tail.tailing import Tail, View, print_heading
from kafka_processor.terminal.endings import print_error
from kafka_processor.terminal.printable import printable
from kafka_processor.terminal.progress import Progress
from kafka_processor.terminal.screen import Screen
from tests.unit.pipeline_runs import settings

EVIL = "a\x1b[2J\x1b]0;x\x07\x9b2J\r\n\u2028\u202e\u200b\ud800\U000e0001b"
SHOWN = r"a\u001b[2J\u001b]0;x\u0007\u009b2J\u000d\u000a\u2028\u202e\u200b\ud800\udb40\udc01b"


def test_what_is_not_visible_is_escaped() -> None:
    assert printable(EVIL) == SHOWN
    assert printable("Grüße, 東京 🎉") == "Grüße, 東京 🎉"


@given(st.text(st.characters()), st.none() | st.integers(0, 20))
@example(EVIL, None)
@example("x" * 10_000_000, 10)
def test_any_text(text: str, most: int | None) -> None:
    shown = printable(text, most)
    assert shown.isprintable()
    if most is not None:
        assert len(shown) <= 12 * most + 1


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("\U000e0001\x1b")
def test_the_escapes_mean_the_same_in_json(text: str) -> None:
    assert json.loads(printable(json.dumps(text, ensure_ascii=False))) == text


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_line_of_the_log(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    log = create_log(load_settings({"LOG_FORMAT": log_format}))
    log.warning(EVIL, error=EVIL, spaced=f"{EVIL} and more", several=[EVIL], long="x" * 100_000)
    written = capsys.readouterr().err
    assert written.endswith("\n")
    assert written[:-1].isprintable()
    assert len(written) < 5_000
    assert "2J" in written
    if log_format == "json":
        assert json.loads(written)["error"] == SHOWN


def test_lines_beside_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(EVIL)
    print_error(EVIL)
    progress = Progress()
    progress.note(EVIL)
    progress.show(EVIL)
    assert capsys.readouterr().err.splitlines() == [SHOWN] * 4
    print_heading(f"one\n{EVIL.replace(chr(10), '')}")
    assert len(capsys.readouterr().err.splitlines()) == 2


# Records as the tails show them


class Written:
    """A record of a topic that a stranger may write to."""

    def __init__(self, value: bytes | None) -> None:
        self._value = value

    def value(self) -> bytes | None:
        return self._value

    def topic(self) -> str:
        return "a-topic"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 5

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_720_576_825_120


ViewOf = Callable[[Screen, Settings], View]
VIEWS: list[ViewOf] = [processed_view, errors_view, cleaned_view, metrics_view, summary_view]


def lines_of(view_of: ViewOf | None, *values: bytes | None) -> list[str]:
    """What the tail writes for these records, one text each."""
    screen = Screen()
    tail = Tail(cast(Any, None), screen, view_of(screen, settings()) if view_of else None)
    return [tail._line(cast(Any, Written(value))).decode() for value in values]


STAMP = "2024-07-10T02:00:25.120Z"
ODD: list[object] = [
    2**63, -(2**63), 10**300, 1e300, -0.0, None, True, [], {}, "x" * 50_000,
]  # fmt: skip
hostile: st.SearchStrategy[object] = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(["\x1b[2J", "\r", "\n", "\x9b", "\u202e", "processed", "parse_error"])
    | st.integers()
    | st.sampled_from(ODD)
)
names = st.sampled_from(["a", "app_version", "\x1b[2J", "RU", "parse_error"])
mappings = st.dictionaries(names, hostile, max_size=4)
line = st.fixed_dictionaries(
    {
        "message_id": hostile,
        "outcome": st.sampled_from(["processed", "filtered"]) | hostile,
        "topic": hostile,
        "processing_time": hostile | st.floats(allow_nan=False, allow_infinity=False),
        "latency": hostile,
        "timestamp": hostile,
        "replay_of": hostile,
    }
)
record = st.fixed_dictionaries(
    {
        **dict.fromkeys(
            ("message_id", "user_id", "app_version", "device_type", "ip", "locale", "device_id",
             "key_id", "replay_of", "error_message", "consumer_group", "source_topic"),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | hostile,
        ),
        "timestamp": st.just(STAMP) | hostile,
        "error_type": st.just("parse_error") | hostile,
        "clean_type": st.just("filtered_app_version") | hostile,
        "message_content": st.none() | mappings,
        "source": st.just({"topic": "t", "partition": 0, "offset": 1, "timestamp": None}),
        "message_details": st.lists(line, max_size=3),
        **dict.fromkeys(
            ("source_partition", "next_offset", "counted_since_offset", "total_received_count",
             "processed_count", "filtered_count", "skipped_count", "error_count",
             "replayed_count"),
            st.integers(0, 10) | hostile,
        ),
        **dict.fromkeys(
            ("error_type_counts", "device_type_counts", "locale_counts"),
            st.dictionaries(names, st.integers(0, 9), max_size=4) | mappings,
        ),
    }
)  # fmt: skip


evil_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    [EVIL.replace("\ud800", ""), "x" * 50_000]
)
well_formed = st.fixed_dictionaries(
    {
        **dict.fromkeys(
            ("message_id", "user_id", "app_version", "device_type", "ip", "locale", "device_id",
             "key_id", "replay_of", "error_message", "consumer_group", "source_topic"), evil_text,
        ),
        "timestamp": evil_text,
        "error_type": st.just("parse_error"),
        "clean_type": st.just("filtered_app_version"),
        "message_content": st.dictionaries(
            st.just("app_version") | evil_text,
            st.none() | evil_text | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False),
        ),
        "source": st.just({"topic": "t", "partition": 0, "offset": 1, "timestamp": None}),
        "message_details": st.lists(
            st.fixed_dictionaries(
                {
                    **dict.fromkeys(("message_id", "topic", "timestamp", "replay_of"), evil_text),
                    "outcome": st.just("processed"),
                    "processing_time": st.floats(allow_nan=False, allow_infinity=False),
                    "latency": st.none() | st.floats(allow_nan=False, allow_infinity=False),
                }
            ),
            max_size=3,
        ),
        **dict.fromkeys(
            ("source_partition", "next_offset", "counted_since_offset", "total_received_count",
             "processed_count", "filtered_count", "skipped_count", "error_count",
             "replayed_count"), st.integers(0, 10) | st.just(2**63 - 1),
        ),
        "error_type_counts": st.just({"parse_error": 2**63 - 1}),
        **dict.fromkeys(
            ("device_type_counts", "locale_counts"),
            st.dictionaries(st.text("ab .-_1", min_size=1, max_size=16), st.integers(0, 2**63 - 1)),
        ),
    }
)  # fmt: skip


@given(st.sampled_from(VIEWS), well_formed)
def test_texts_in_records_are_shown_without_harm(view_of: ViewOf, written: dict[str, Any]) -> None:
    [text] = lines_of(view_of, json.dumps(written).replace("Infinity", "1").encode())
    assert text.replace("\n", "").isprintable()
    assert "is no " not in text or "is no " in str(written)
    assert len(text) < 40_000


@given(st.sampled_from(VIEWS), st.lists(record, min_size=1, max_size=3))
def test_whatever_a_stranger_writes_is_shown_without_harm(
    view_of: ViewOf, records: list[dict[str, Any]]
) -> None:
    values = [json.dumps(each).encode() for each in records]
    for text in lines_of(view_of, *values):
        assert text.replace("\n", "").isprintable()
        assert len(text) < 40_000


@given(st.sampled_from(VIEWS), st.binary() | st.none())
@example(summary_view, b"[" * 1_000_000)
@example(metrics_view, b"x" * 1_000_000)
@example(processed_view, b"\x1b" * 1_000_000)
def test_whatever_is_no_record_is_shown_cut(view_of: ViewOf, value: bytes | None) -> None:
    [text] = lines_of(view_of, value)
    assert text.replace("\n", "").isprintable()
    assert len(text) < 20_000


def test_a_line_end_in_a_record_forges_no_record() -> None:
    """`--json` into a pipe: one record a line, whatever is in it."""
    [line] = lines_of(None, b'{"a":\r\n1}\n{"forged":true}')
    assert line == '{"a":  1} {"forged":true}'
    assert lines_of(None, None) == ["null"]


def test_groups_that_somebody_makes_up_are_forgotten() -> None:
    counts = dict.fromkeys(
        ("source_partition", "next_offset", "counted_since_offset", "total_received_count",
         "processed_count", "filtered_count", "skipped_count", "error_count", "replayed_count"), 0
    )  # fmt: skip
    labels: dict[str, Any] = {
        "error_type_counts": {}, "device_type_counts": {}, "locale_counts": {}
    }  # fmt: skip
    values = [
        json.dumps(
            {"consumer_group": "g", "source_topic": f"t{n}", "timestamp": STAMP, **counts, **labels}
        ).encode()
        for n in range(MAX_KEYS + 1)
    ]
    screen = Screen()
    view = summary_view(screen, settings())
    tail = Tail(cast(Any, None), screen, view)
    for value in values:
        text = tail._line(cast(Any, Written(value))).decode()
    assert f"{MAX_KEYS} partitions seen" in text
