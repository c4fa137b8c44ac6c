"""The audit's own rules, each by itself: masks, labels, forms, horizons, ranges, the spill."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from kafka_processor.audit.entries import (
    NAME,
    Line,
    Message,
    Names,
    OtherInput,
    Record,
    StrangeRecord,
    fingerprint,
)
from kafka_processor.audit.findings import LOST
from kafka_processor.audit.inputs import InputReader, masked, stays_unmasked
from kafka_processor.audit.judging import Judgement, Rules, judge, judge_unknown
from kafka_processor.audit.order import USERS, Order
from kafka_processor.audit.plan import Committed, Span, Stretch, Wanted, stretch_of
from kafka_processor.audit.records import RecordReader
from kafka_processor.audit.retention import EVERYTHING, Retention
from kafka_processor.audit.spill import BUCKET, MAX_WAITING, Spill
from kafka_processor.records import Snapshot, encode
from tests.unit.audit_runs import (
    AT_LEAST_ONCE,
    EXACTLY_ONCE,
    SETTINGS,
    Output,
    audited,
    history,
)
from tests.unit.hostile_events import odd_addresses
from tests.unit.pipeline_runs import EVENT, PARTITION, event
from tests.unit.reference import mask as reference_mask

ENTRY = InputReader(SETTINGS).entry


@given(odd_addresses)
def test_the_mask_is_that_of_the_contract(ip: str) -> None:
    assert masked(ip) == reference_mask(ip)
    assert stays_unmasked(ip) == (reference_mask(ip) == ip)


def test_fingerprints_are_equal_for_equal_values_only() -> None:
    values: list[Any] = ["a", "b", "12", "", None, True, 1.5, [1], {"a": 1}, 10**30]
    for one in values:
        for other in values:
            same = one == other or {repr(one), repr(other)} == {"''", "None"}
            assert (fingerprint(one) == fingerprint(other)) == same
    assert fingerprint(12) == fingerprint("12"), "a number may be copied as text"


@pytest.mark.parametrize(
    "message_id",
    [
        *(None, 5, "", "user-login", "user-login-0", "user-login-0-", "user-login-0-x"),
        *("user-login-0-01", "user-login-0-+1", "user-login-0-1 ", "user-login-9-1"),
    ],
)
def test_what_names_no_message(message_id: object) -> None:
    with pytest.raises((StrangeRecord, OtherInput)):
        Names("user-login", 4).position(message_id)


def test_what_names_a_message() -> None:
    names = Names("user-login", 4)
    assert names.position("user-login-3-120") == (3, 120)
    with pytest.raises(OtherInput):
        names.position("another-0-5")


def test_an_unusual_record_is_read_like_a_usual_one() -> None:
    [output] = history([event()]).records
    reader = RecordReader(SETTINGS, Names(SETTINGS.input_topic, 4))
    usual = reader.read(output.topic, 2, 7, encode(output.value))
    unusual = reader.read(output.topic, 2, 7, encode({**output.value, "extra": "x"}))
    assert unusual[1].others == [(NAME, hash("extra")), ("extra", hash("x"))]
    unusual[1].others = []
    assert unusual == usual


@pytest.mark.parametrize("value", [None, b"", b"[]", b"{", b"\xff", b"null", b"{}"])
def test_records_that_are_none(value: bytes | None) -> None:
    reader = RecordReader(SETTINGS, Names(SETTINGS.input_topic, 4))
    for topic in ("processed-output", "cleaned-data", "processed-errors"):
        with pytest.raises(StrangeRecord):
            reader.read(topic, 0, 0, value)


# One message, whose outputs are there or not, under retention.

MESSAGE, RECORD, LINE = (
    ENTRY(PARTITION, 5, event(), None),
    Record(5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, [], ""),
    Line(5, 0, 1, 0, True, 0, []),
)
for name in ("user_id", "app_version", "device_type", "locale"):
    setattr(RECORD, name, fingerprint(EVENT[name]))
RECORD.key_user_id = RECORD.user_id
SKIPPED_LINE = Line(5, 2, 1, 0, True, 0, [])


def rules(record: int = 0, line: int = 0, first_message: int = 0) -> Rules:
    """What is deleted: of each topic, what is about messages below these offsets."""
    return replace(
        EXACTLY_ONCE,
        horizons=[record] * len(EXACTLY_ONCE.horizons),
        line_horizon=line,
        first_message=first_message,
    )


@pytest.mark.parametrize(
    ("records", "lines", "under", "kinds", "is_auditable"),
    [
        ([RECORD], [LINE], rules(), [], True),
        ([], [SKIPPED_LINE], rules(), [], True),
        ([], [], rules(), [LOST], True),
        ([], [LINE], rules(), [LOST], True),
        ([RECORD], [], rules(), [LOST], True),
        ([], [LINE], rules(record=6), [], False),
        ([], [LINE], rules(record=5), [LOST], True),
        ([], [LINE], rules(line=6), [LOST], True),
        ([RECORD], [], rules(line=6), [], False),
        ([RECORD], [], rules(record=6), [LOST], True),
        ([], [], rules(record=6, line=6), [], False),
        # It may have been skipped, and the line that said so deleted.
        ([], [], rules(line=6), [], False),
        # A line there was, whatever became of its record.
        ([], [], rules(record=6), [LOST], True),
        ([RECORD], [LINE], rules(record=EVERYTHING, line=EVERYTHING), [], True),
    ],
)
def test_what_is_missing(
    records: list[Record], lines: list[Line], under: Rules, kinds: list[str], is_auditable: bool
) -> None:
    judgement = judge(MESSAGE, records, lines, under)
    assert [finding.kind for finding in judgement.findings] == kinds
    assert judgement.is_auditable == is_auditable


def test_a_message_that_is_gone_is_only_looked_through_for_doubles() -> None:
    assert judge_unknown(5, [RECORD], [LINE], rules(first_message=6)) == Judgement(8, [], False)
    doubled = judge_unknown(5, [RECORD, RECORD], [LINE], rules(first_message=6))
    assert [finding.kind for finding in doubled.findings] == ["doubled"]
    never_there = judge_unknown(5, [RECORD], [LINE], rules(first_message=5))
    assert [finding.kind for finding in never_there.findings] == ["contradicting"]


@pytest.mark.parametrize(
    ("records", "lines", "kinds"),
    [
        ([RECORD, RECORD], [LINE, LINE], []),
        ([RECORD], [SKIPPED_LINE], []),
        ([RECORD], [LINE, SKIPPED_LINE], []),
        # Written in part, then repeated when it had become too old.
        ([], [LINE, SKIPPED_LINE], []),
        ([], [LINE], ["lost"]),
        ([RECORD], [], ["lost"]),
        ([RECORD], [Line(5, 1, 1, 0, True, 0, [])], ["contradicting"]),
    ],
)
def test_at_least_once(records: list[Record], lines: list[Line], kinds: list[str]) -> None:
    judgement = judge(MESSAGE, records, lines, AT_LEAST_ONCE)
    assert [finding.kind for finding in judgement.findings] == kinds
    assert judgement.is_repeated == (len(records) > 1 or len(lines) > 1)


def test_a_repeat_that_became_too_old_may_be_counted_either_way() -> None:
    made = history([event(), event()], old=frozenset({1}))
    made.records.append(Output("processed-output", None, {**made.records[0].value}))
    made.records[1].value["message_id"] = "user-login-3-1"
    found, partition = audited(made, AT_LEAST_ONCE)
    assert found == []
    assert partition.tally.unknown == 1


def test_without_metrics_a_message_without_a_record_was_skipped_or_is_lost() -> None:
    made = history([event() for _ in range(6)], old=frozenset({1, 3}))
    made.lines = []
    off = replace(EXACTLY_ONCE, has_metrics=False)
    found, partition = audited(made, off)
    assert found == []
    assert partition.tally.skipped == 2
    made.records.pop()
    found, partition = audited(made, off)
    assert [(each.kind, each.offset) for each in found] == [("lost", None)]
    assert partition.tally.violations["lost"] == 1


def test_where_the_beginning_of_an_output_is_deleted() -> None:
    retention = Retention()
    retention.begin(0, "a")
    retention.begin(1, "a")
    assert retention.lanes == {0, 1}
    for lane, partition, offset in ((0, 7, 50), (0, 7, 51), (1, 7, 60), (1, 8, 9)):
        retention.see(lane, partition, offset)
    assert retention.horizon(["a"], 7) == 60
    assert retention.horizon(["a"], 8) == EVERYTHING, "nothing of it is left in lane 0"
    assert retention.horizon(["b"], 7) == 0
    retention.begin(1, "a")
    retention.see(1, 7, 90)
    assert retention.horizon(["a", "b"], 7) == 90


def test_order_remembers_the_users_that_came_last() -> None:
    order = Order()
    assert order.is_kept(0, 1, 10)
    assert order.is_kept(0, 2, 5)
    assert order.is_kept(1, 1, 3)
    assert not order.is_kept(0, 1, 9)
    for user in range(3, USERS):
        order.is_kept(0, user, 5)
    assert not order.is_kept(0, 1, 9)
    for user in range(USERS, 3 * USERS):
        order.is_kept(0, user, 5)
    assert order.is_kept(0, 1, 9), "forgotten"


def planned(
    since: int = 0,
    committed: int = 100,
    span: Span | None = None,
    wanted: Wanted | None = None,
    next_offset: int | None = None,
) -> Stretch:
    offset = committed if next_offset is None else next_offset
    snapshot = Snapshot(
        version=1,
        next_offset=offset,
        key_id="deadbeef",
        counted_since_offset=since,
        processed=0,
        filtered=0,
        skipped=0,
        replayed=0,
        errors={},
        device_types={},
        locales={},
    )
    stored = Committed(committed, encode(snapshot).decode())
    return stretch_of(0, span or Span(0, 100), stored, None, wanted or Wanted())


@pytest.mark.parametrize(
    ("stretch", "start", "stop", "claims"),
    [
        (planned(), 0, 100, 1),
        (planned(since=40), 40, 100, 1),
        (planned(span=Span(0, 500)), 0, 100, 1),
        (planned(span=Span(10, 100)), 0, 100, 0),
        (planned(since=10, span=Span(10, 100)), 10, 100, 1),
        (planned(committed=100, span=Span(0, 60)), 0, 60, 1),
        (planned(next_offset=90), 0, 100, 0),
        (planned(wanted=Wanted(from_offset=5)), 5, 100, 0),
        (planned(wanted=Wanted(to_offset=5)), 0, 5, 0),
        (planned(wanted=Wanted(from_offset=7, to_offset=5)), 7, 7, 0),
        (planned(wanted=Wanted(from_offset=700)), 100, 100, 0),
        (planned(wanted=Wanted(from_time={0: 30}, to_time={0: 50})), 30, 50, 0),
        (planned(since=40, wanted=Wanted(from_offset=30, to_offset=200)), 40, 100, 1),
        (stretch_of(0, Span(0, 9), None, None, Wanted()), 0, 0, 0),
        (stretch_of(0, Span(0, 9), Committed(9, ""), None, Wanted()), 0, 9, 0),
    ],
)
def test_what_is_audited(stretch: Stretch, start: int, stop: int, claims: int) -> None:
    assert (stretch.start, stretch.stop, len(stretch.claims)) == (start, stop, claims)


def test_the_spill_gives_back_what_it_got_by_buckets_and_leaves_nothing(tmp_path: Path) -> None:
    def message(offset: int) -> Message:
        return ENTRY(PARTITION, offset, json.dumps(EVENT).encode(), None)

    with Spill(tmp_path) as spill:
        offsets = [0, 1, BUCKET - 1, BUCKET, 5 * BUCKET + 3]
        spill.add_run(0, [message(offset) for offset in offsets])
        spill.add(0, RECORD)
        spill.add(3, LINE)
        for _ in range(MAX_WAITING):
            spill.add(7, LINE)
        assert spill.written > MAX_WAITING
        assert spill.buckets(0) == [0, 1, 5]
        assert spill.buckets(1) == []
        first = spill.take(0, 0)
        assert [each.offset for each in first.messages] == [0, 1, BUCKET - 1]
        assert first.records == [RECORD]
        assert spill.take(0, 5).messages == [message(5 * BUCKET + 3)]
        assert len(spill.take(7, 0).lines) == MAX_WAITING
        assert spill.take(3, 0).lines == [LINE]
    assert list(tmp_path.iterdir()) == []


def test_nothing_raw_is_in_the_temporary_files(tmp_path: Path) -> None:
    made = history([event(), event(app_version="1"), event(locale="")])
    with Spill(tmp_path) as spill:
        reader = RecordReader(SETTINGS, Names(SETTINGS.input_topic, 4))
        for offset, value in made.messages.items():
            spill.add(3, ENTRY(PARTITION, offset, value, None))
        for output in made.records:
            spill.add(*reader.read(output.topic, 0, 0, encode(output.value)))
        assert spill.buckets(3) == [0]
        [written] = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    for name in ("ip", "device_id", "user_id"):
        assert str(EVENT[name]).encode() not in written
