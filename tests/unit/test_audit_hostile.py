"""Output topics that a stranger fills: the audit reports, and ends, in bounded memory and time."""

import json
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kafka_processor.audit.entries import Line, Names, OtherInput, Record, StrangeRecord, strings_in
from kafka_processor.audit.findings import Place, Violation
from kafka_processor.audit.gathering import Gathering
from kafka_processor.audit.inputs import InputReader
from kafka_processor.audit.judging import MAX_PLACES, judge, judge_unknown
from kafka_processor.audit.lines import MAX_LINES, LineReader
from kafka_processor.audit.plan import Committed, Span, Wanted, known_key_ids, stretch_of
from kafka_processor.audit.records import MAX_BYTES, RecordReader, envelope
from kafka_processor.audit.retention import Retention
from kafka_processor.audit.spill import BUCKET, MAX_IN_BUCKET, Spill
from kafka_processor.audit.summaries import MAX_TEXTS, Summaries
from kafka_processor.records import Snapshot, encode
from tests.unit.audit_runs import EXACTLY_ONCE, SETTINGS, audited, history
from tests.unit.pipeline_runs import event

TOPICS = ("processed-output", "cleaned-data", "processed-errors")
ID = "user-login-0-5"
MEGABYTE = 1_000_000

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from([ID, "processed", "x" * 2000, "9" * 400, -(2**63), 2**64, 1e300])
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
record_names = st.sampled_from(
    ["message_id", "user_id", "app_version", "device_type", "ip", "locale", "device_id", "key_id",
     "timestamp", "replay_of", "error_type", "error_message", "message_content", "source",
     "clean_type", "extra"]
)  # fmt: skip
content = anything | st.dictionaries(record_names, anything, max_size=6)
records = st.dictionaries(record_names, content, max_size=8).map(
    lambda made: {"message_id": ID, **made}
)
ids = st.sampled_from(
    [ID, "user-login-0-" + "9" * 19, "user-login-0-" + "9" * 400, "user-login-0--5",
     "user-login-99-5", "other-0-5", "user-login-0-5 ", "-" * 50, "user-login-" + "9" * 5000]
)  # fmt: skip
line_names = st.sampled_from(
    ["message_id", "outcome", "topic", "timestamp", "processing_time", "latency", "replay_of", "x"]
)
lines = st.dictionaries(line_names, anything, max_size=8) | st.fixed_dictionaries(
    {"message_id": ids, "outcome": anything, "topic": anything, "timestamp": st.just("t")},
    optional={"replay_of": anything, "latency": anything},
)


def reader() -> RecordReader:
    return RecordReader(SETTINGS, Names(SETTINGS.input_topic, 4), {"deadbeef"})


def line_reader() -> LineReader:
    return LineReader(SETTINGS, Names(SETTINGS.input_topic, 4))


def check_that_it_is_judged(entries: list[Record], lines_: list[Line]) -> None:
    """As it is written to disk and read again; no finding shows a text of the record."""
    message = InputReader(SETTINGS).entry(0, 5, event(), None)
    for each in judge(message, entries, lines_, EXACTLY_ONCE).findings:
        assert each.what.isprintable()
        assert len(each.what) < 300
    judge_unknown(5, entries, lines_, EXACTLY_ONCE)


@given(st.sampled_from(TOPICS), records | anything, st.binary(max_size=5) | st.none())
def test_any_record(topic: str, document: object, key: bytes | None) -> None:
    try:
        partition, record = reader().read(topic, 0, 3, json.dumps(document).encode())
    except (StrangeRecord, OtherInput) as strange:
        assert len(str(strange)) < 200
        return
    others, faults = envelope(key, [("a", b"\xff"), ("b", None)], record.key_user_id)
    record.others, record.faults = record.others + others, record.faults + faults
    with Spill(None) as spill:
        assert spill.add(partition, record)
        [number] = spill.buckets(partition)
        [found] = spill.take(partition, number).records
    check_that_it_is_judged([found], [])


@given(st.lists(lines, max_size=3) | anything, st.dictionaries(st.text(), anything, max_size=2))
def test_any_metrics_record(details: object, beside: dict[str, object]) -> None:
    value = json.dumps({**beside, "message_details": details}).encode()
    try:
        found = [*line_reader().read(0, 3, value, [("key", 5)])]
    except StrangeRecord:
        return
    for each in found:
        if isinstance(each, tuple):
            check_that_it_is_judged([], [each[1]])


@given(st.binary(max_size=50) | st.none())
@example(b"[" * MEGABYTE)
@example(b'{"a":' * 100_000)
@example(b'{"message_id":"' + b"-" * MEGABYTE)
def test_any_bytes(value: bytes | None) -> None:
    for topic in TOPICS:
        with pytest.raises((StrangeRecord, OtherInput)):
            reader().read(topic, 0, 0, value)
    with pytest.raises(StrangeRecord):
        list(line_reader().read(0, 0, value))


@given(ids | st.text() | anything)
def test_any_message_id(message_id: object) -> None:
    try:
        partition, offset = Names("user-login", 4).position(message_id)
    except (StrangeRecord, OtherInput):
        return
    assert message_id == f"user-login-{partition}-{offset}"
    assert 0 <= offset < 10**19


class Written:
    """A record of summary-output."""

    def __init__(
        self,
        value: bytes | None,
        key: bytes = b"kafka-processor/user-login-0",
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        self._value, self._key, self._headers = value, key, headers

    def value(self) -> bytes | None:
        return self._value

    def key(self) -> bytes:
        return self._key

    def headers(self) -> list[tuple[str, bytes]] | None:
        return self._headers

    def offset(self) -> int:
        return 7

    def timestamp(self) -> tuple[int, int]:
        return 1, 5


def summaries_of(*written: Written, committed: int = 10) -> tuple[Summaries, list[Violation]]:
    found: list[Violation] = []
    summaries = Summaries(SETTINGS, {0: Committed(committed, "")}, found.append)
    summaries.take(0, [cast(Any, each) for each in written])
    return summaries, found


SUMMARY: dict[str, Any] = {
    **{"consumer_group": "kafka-processor", "source_topic": "user-login", "source_partition": 0},
    **{"next_offset": 10, "counted_since_offset": 0, "total_received_count": 5},
    **{"processed_count": 5, "filtered_count": 0, "skipped_count": 0, "error_count": 0},
    **{"replayed_count": 0, "error_type_counts": {}, "device_type_counts": {"android": 5}},
    **{"locale_counts": {"RU": 5}, "timestamp": "2024-07-10T02:00:25.120Z"},
}


def summary(**changes: object) -> Written:
    return Written(json.dumps(SUMMARY | changes).encode())


def test_a_summary_as_it_should_be() -> None:
    summaries, found = summaries_of(summary())
    assert found == []
    assert summaries.get(0) is not None


@given(st.dictionaries(st.sampled_from([*SUMMARY, "extra"]), anything, max_size=3))
def test_any_summary_record(changes: dict[str, object]) -> None:
    summaries, found = summaries_of(summary(**changes))
    assert all(each.what.isprintable() for each in found)
    latest = summaries.get(0)
    assert latest is None or 0 <= latest.record.next_offset <= 10


@pytest.mark.parametrize(
    "changes",
    [
        {"locale_counts": {f"L{n}": 1 for n in range(100_000)}},
        {"next_offset": -1},
        {"next_offset": 10**400},
        {"total_received_count": 2**63},
        {"locale_counts": {"RU": -1}},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_a_forged_summary_is_told_of(changes: dict[str, object]) -> None:
    summaries, found = summaries_of(summary(**changes))
    assert [each.kind for each in found] == ["contradicting"]
    assert found[0].records == [Place("summary-output", 0, 7)]
    assert summaries.get(0) is None


def test_headers_of_a_summary_are_told_of() -> None:
    _, found = summaries_of(Written(json.dumps(SUMMARY).encode(), headers=[("a", b"")]))
    assert [each.what for each in found] == ["the summary record has headers"]


def test_labels_that_somebody_makes_up_take_no_more_memory() -> None:
    labels = [{f"{n}-{m}": 1 for m in range(1000)} for n in range(20)]
    summaries, _ = summaries_of(*(summary(locale_counts=each) for each in labels))
    assert len(summaries.texts[0]) == MAX_TEXTS


# Bounds


def within(seconds: float, megabytes: float, act: Callable[[], object]) -> None:
    tracemalloc.start()
    begun = time.process_time()
    try:
        act()
        spent, peak = time.process_time() - begun, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert spent < seconds
    assert peak < megabytes * MEGABYTE


HOSTILE = {
    "a megabyte": b'{"message_id":"user-login-0-5","x":"' + b"x" * MEGABYTE + b'"}',
    "many numbers": b'{"message_id":"user-login-0-5","x":[' + b"1e308," * 6_000 + b"1]}",
    "many fields": json.dumps(
        {"message_id": ID, **{f"{n}": n for n in range(9000)}}
    ).encode(),
    "a long name above many": json.dumps(
        {"message_id": ID, "n" * 60_000: list(range(9000))}
    ).encode(),
    "deep": b'{"message_id":"user-login-0-5","x":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "deep with names": b'{"message_id":"user-login-0-5","x":' + b'{"aaaaaaaaaaaaaaaaaaaa":' * 900
    + b"1" + b"}" * 901,
    "a long error message": json.dumps(
        {"message_id": ID, "error_type": "parse_error", "source": {}, "message_content": None,
         "error_message": "5" * 100_000}
    ).encode(),
    "empty lines": b'{"message_details":[' + b"{}," * 80_000 + b"{}]}",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_one_record_takes_little_time_and_memory(name: str) -> None:
    def read() -> None:
        for topic in TOPICS:
            try:
                _, record = reader().read(topic, 0, 0, HOSTILE[name])
            except StrangeRecord:
                continue
            check_that_it_is_judged([record], [])
        with pytest.raises(StrangeRecord):
            list(line_reader().read(0, 0, HOSTILE[name]))

    within(2.0, 20, read)


def test_more_lines_than_a_record_has_are_one_violation() -> None:
    line = {"message_id": ID, "outcome": "skipped", "topic": None, "timestamp": "t"}
    for count, is_taken in ((MAX_LINES, True), (MAX_LINES + 1, False)):
        value = json.dumps({"message_details": [line] * count}).encode()
        if is_taken:
            assert len([*line_reader().read(0, 0, value)]) == count
        else:
            with pytest.raises(StrangeRecord, match="lines"):
                list(line_reader().read(0, 0, value))


@pytest.mark.parametrize("size", [1_000, 400_000])
def test_what_is_larger_than_any_record_is_not_parsed(size: int) -> None:
    record = json.dumps({"message_id": ID, "extra": "x" * size}).encode()
    line = {"message_id": ID, "outcome": "skipped", "topic": None, "timestamp": "x" * size}
    value = json.dumps({"message_details": [line]}).encode()
    if size < MAX_BYTES:
        assert reader().read("cleaned-data", 0, 0, record)
        assert [*line_reader().read(0, 0, value)]
        return
    for topic in TOPICS:
        with pytest.raises(StrangeRecord, match="more than 131,072 bytes"):
            reader().read(topic, 0, 0, record)
    with pytest.raises(StrangeRecord, match="more than 262,144 bytes"):
        list(line_reader().read(0, 0, value))


def test_paths_are_cut() -> None:
    found = strings_in({"n" * 10_000: {"m": [1, 2]}}, "x")
    assert max(len(path) for path, _ in found) <= 100


LINE = Line(5, 0, 0, 0, True, 0, [])


def test_a_flood_about_one_message_is_cut_and_told_of(tmp_path: Path) -> None:
    found: list[Violation] = []
    with Spill(tmp_path) as spill:
        gathering = Gathering(SETTINGS, cast(Any, None), cast(Any, None), spill, {}, found.append)
        gathering._new_lanes("metrics-output", {0: Span(0, 9)})
        heavy = Line(5, 0, 0, 0, True, 0, [("x" * 100, 2**60)] * 1000)
        sent = 0
        while not found and sent < 2_000:
            gathering._add(0, heavy)
            sent += 1
        for _ in range(10):
            gathering._add(0, LINE)
        gathering._add(0, Line(BUCKET, 0, 0, 0, True, 0, []))
        assert spill.buckets(0) == [0, 1]
        [written] = [path for path in tmp_path.rglob("0-0") if path.is_file()]
        assert written.stat().st_size < MAX_IN_BUCKET + 50_000 * 150
        assert len(spill.take(0, 0).lines) == sent - 1
        assert len(spill.take(0, 1).lines) == 1
        [violation] = found
        assert violation.kind == "contradicting"
        assert f"0 to {BUCKET - 1:,}" in violation.what


def test_a_message_that_was_forged_often_is_one_short_finding() -> None:
    made = history([event()])
    for _ in range(3000):
        made.lines.append(made.lines[0])
    found, _ = audited(made)
    [doubled] = [each for each in found if each.kind == "doubled"]
    assert "3001" in doubled.what
    assert len(doubled.records) == MAX_PLACES


def test_a_forged_record_does_not_excuse_what_is_lost() -> None:
    """The beginning of an output is deleted; what is first now names a late message."""
    retention = Retention()
    retention.begin(0, "a")
    for offset in (1_000_000, 50, 51):
        retention.see(0, 7, offset)
    assert retention.horizon(["a"], 7) == 50


def snapshot(**changes: Any) -> Committed:
    fields: dict[str, Any] = dict(
        zip(
            Snapshot.__struct_fields__,
            (1, 100, "deadbeef", 0, 1, 0, 0, 0, {}, {"a": 1}, {"b": 1}, ""),
            strict=True,
        )
    )
    return Committed(100, encode(Snapshot(**fields | changes)).decode())


def test_a_forged_snapshot_restricts_nothing() -> None:
    assert len(stretch_of(0, Span(0, 100), snapshot(), None, Wanted()).claims) == 1
    assert known_key_ids([snapshot(), snapshot(key_id="0" * 8)]) == {"deadbeef", "0" * 8}
    forged = snapshot(counted_since_offset=100)
    stretch = stretch_of(0, Span(0, 100), forged, None, Wanted())
    assert (stretch.start, stretch.stop) == (0, 100)
    assert len(stretch.claims) == 1, "to be compared, and found wrong"
    assert known_key_ids([forged, Committed(5, "\x1b"), Committed(5, "[" * 100_000)]) == set()
