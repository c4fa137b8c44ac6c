"""When counts are published, and how they are taken up with a partition."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kafka_processor.errors import KeyChangedError
from kafka_processor.outcomes import ErrorType
from kafka_processor.records import Snapshot
from kafka_processor.summary_printer import SummaryPrinter
from kafka_processor.transformer import former_key_id, key_id
from tests.unit.pipeline_runs import NOW, settings
from tests.unit.summary_runs import Counted, work_of

OUR_KEY = "0123abcd"
PROMISED_DELAY = 5.0


def printer(key_id: str = OUR_KEY, **given_settings: str) -> SummaryPrinter:
    return SummaryPrinter(settings(**given_settings), key_id)


def working(*partitions: int, **given_settings: str) -> SummaryPrinter:
    summary = printer(**given_settings)
    for partition in partitions:
        summary.restore(partition, None, None, 0, 0.0)
    return summary


def counted(count: int, first: int = 0, now: float = 0.0) -> tuple[SummaryPrinter, int, str]:
    """A printer that has counted, and what it committed with partition 0."""
    summary = printer()
    summary.restore(0, None, None, first, now)
    summary.add(0, work_of([Counted("processed")] * count, first), now)
    return summary, *summary.snapshot(0)


def published(summary: SummaryPrinter, *partitions: int) -> dict[str, dict[str, object]]:
    records = {}
    for topic, key, value in summary.publish(partitions, NOW):
        assert topic == "summary-output"
        assert key is not None
        records[key.decode()] = json.loads(value)
    return records


def test_without_a_change_nothing_is_due() -> None:
    summary = working(0, 1)
    assert not summary.is_due(1e9)
    assert summary.unpublished([0, 1]) == []
    assert published(summary, 0, 1) == {}


def test_due_after_the_interval_of_messages_over_all_partitions() -> None:
    summary = working(0, 1, SUMMARY_PUBLISH_INTERVAL="10")
    summary.add(0, work_of([Counted("processed")] * 5, 0), 1.0)
    assert not summary.is_due(1.0)
    summary.add(1, work_of([Counted("skipped")] * 5, 0), 1.0)
    assert summary.is_due(1.0)
    records = published(summary, 0, 1)
    assert [record["total_received_count"] for record in records.values()] == [5, 5]
    assert not summary.is_due(1e9)
    summary.add(0, work_of([Counted("processed")] * 9, 5), 2.0)
    assert not summary.is_due(2.0), "counted from the last publication on"
    summary.add(0, work_of([Counted("processed")], 14), 2.0)
    assert summary.is_due(2.0)


def test_due_within_five_seconds_of_the_first_change() -> None:
    summary = working(0)
    summary.add(0, work_of([Counted("processed")], 0), 100.0)
    assert not summary.is_due(100.5)
    summary.add(0, work_of([Counted("processed")], 1), 103.0)
    assert summary.is_due(100.0 + PROMISED_DELAY - 0.5)
    published(summary, 0)
    summary.add(0, work_of([Counted("processed")], 2), 200.0)
    assert not summary.is_due(200.5)
    assert summary.is_due(200.0 + PROMISED_DELAY)


def test_keys_name_group_topic_and_partition_and_only_changed_ones_are_published() -> None:
    summary = working(0, 1, 2, CONSUMER_GROUP="g", INPUT_TOPIC="t")
    summary.add(2, work_of([Counted("filtered")], 0), 0.0)
    summary.add(0, work_of([Counted("processed")], 0), 0.0)
    assert summary.unpublished([0, 1]) == [0]
    assert published(summary, 0, 1).keys() == {"g/t-0"}
    assert summary.is_due(100.0), "partition 2 is still to be published"
    assert published(summary, 0, 1, 2).keys() == {"g/t-2"}
    assert published(summary, 0, 1, 2) == {}


def test_a_partition_given_up_is_forgotten() -> None:
    summary = working(0)
    summary.add(0, work_of([Counted("processed")], 0), 0.0)
    summary.forget([0, 7])
    assert not summary.is_due(1e9)
    assert published(summary, 0) == {}
    summary.restore(0, None, None, 50, 0.0)
    assert summary.snapshot(0)[0] == 50


def test_counts_go_on_where_the_offsets_do_and_are_published_again() -> None:
    """They may have been committed by a process that died before it published them."""
    _, offset, metadata = counted(7, first=10)
    summary = printer()
    assert summary.restore(0, offset, metadata, offset, 100.0) is None
    assert summary.is_due(100.0 + PROMISED_DELAY)
    [record] = published(summary, 0).values()
    assert record["processed_count"] == 7
    assert (record["counted_since_offset"], record["next_offset"]) == (10, 17)
    assert summary.snapshot(0) == (offset, metadata)


def test_a_group_without_offsets_starts_without_a_warning() -> None:
    summary = printer()
    assert summary.restore(0, None, None, 33, 0.0) is None
    assert summary.restore(1, None, "whatever", 0, 0.0) is None
    summary.add(0, work_of([Counted("processed")], 33), 0.0)
    [record] = published(summary, 0).values()
    assert record["counted_since_offset"] == 33


def test_offsets_reset_by_hand_start_the_counts_anew_with_a_reason() -> None:
    _, offset, metadata = counted(7, first=10)
    for committed in (offset - 1, offset + 1, 0):
        summary = printer()
        reason = summary.restore(0, committed, metadata, committed, 0.0)
        assert reason
        assert "\n" not in reason
        summary.add(0, work_of([Counted("skipped")], committed), 0.0)
        [record] = published(summary, 0).values()
        assert record["total_received_count"] == 1
        assert record["counted_since_offset"] == committed


def test_counts_go_on_over_messages_that_retention_has_deleted() -> None:
    _, offset, metadata = counted(7)
    summary = printer()
    assert summary.restore(0, offset, metadata, 500, 0.0) is None
    assert summary.snapshot(0)[0] == 500
    [record] = published(summary, 0).values()
    assert (record["processed_count"], record["next_offset"]) == (7, 500)


@given(
    st.none()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("a1"),
        lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.text("a1"), inner),
    ).map(json.dumps)
)
@example("")
@example("null")
@example("[1,5]")
@example('[2,5,"0123abcd",0,1,0,0,0,{},{},{}]')  # a later version
@example('[1,5,"0123abcd",0,1,0,0,0,{},{},[]]')
@example('[1,5.5,"0123abcd",0,1,0,0,0,{},{},{}]')
@example('[1,5,"0123abcd",0,1,0,0,0,{"a":"b"},{},{}]')
@example("[" * 4096)
def test_metadata_of_other_programs_start_the_counts_anew(metadata: str | None) -> None:
    check_that_it_starts_anew(metadata)


def test_deeply_nested_metadata_start_the_counts_anew_too() -> None:
    check_that_it_starts_anew('[1,5,"0123abcd",0,1,0,0,0,{},{},{},' + "[" * 4000)


@given(behind=st.text())
@example(behind="]")
@example(behind="\x11")
@example(behind="[" * 4096)
def test_what_the_client_reads_behind_the_metadata_is_not_looked_at(behind: str) -> None:
    """Its text has no end, and may be followed by anything that is in its memory."""
    before, offset, metadata = counted(7)
    after = printer()
    assert after.restore(0, offset, metadata + behind, offset, 0.0) is None
    assert after.snapshot(0) == before.snapshot(0)


def check_that_it_starts_anew(metadata: str | None) -> None:
    summary = printer()
    reason = summary.restore(0, 5, metadata, 5, 0.0)
    assert reason
    assert len(reason) < 500
    assert summary.snapshot(0)[0] == 5
    summary.add(0, work_of([Counted("processed")], 5), 0.0)
    [record] = published(summary, 0).values()
    assert (record["total_received_count"], record["counted_since_offset"]) == (1, 5)


def test_a_changed_key_is_refused_and_both_are_named() -> None:
    _, offset, metadata = counted(7)
    with pytest.raises(KeyChangedError) as refused:
        printer("ffffffff").restore(0, offset, metadata, offset, 0.0)
    assert OUR_KEY in str(refused.value)
    assert "ffffffff" in str(refused.value)
    assert "ALLOW_KEY_CHANGE" in str(refused.value)


def test_a_changed_key_may_be_allowed_and_counts_go_on_under_it() -> None:
    _, offset, metadata = counted(7)
    summary = printer("ffffffff", ALLOW_KEY_CHANGE="true")
    assert summary.restore(0, offset, metadata, offset, 0.0) is None
    again = printer("ffffffff")
    assert again.restore(0, *summary.snapshot(0), offset, 0.0) is None
    [record] = published(again, 0).values()
    assert record["processed_count"] == 7


def test_counts_under_the_former_name_of_the_same_key_go_on_under_the_new_one() -> None:
    key = bytes(range(32))
    before = printer(former_key_id(key))
    before.restore(0, None, None, 0, 0.0)
    before.add(0, work_of([Counted("processed")] * 7, 0), 0.0)
    upgraded = SummaryPrinter(settings(), key_id(key), former_key_id=former_key_id(key))
    assert upgraded.restore(0, *before.snapshot(0), 7, 0.0) is None
    offset, metadata = upgraded.snapshot(0)
    assert former_key_id(key) not in metadata
    again = printer(key_id(key))
    assert again.restore(0, offset, metadata, offset, 0.0) is None
    [record] = published(again, 0).values()
    assert record["processed_count"] == 7
    other = bytes(range(1, 33))
    with pytest.raises(KeyChangedError):
        SummaryPrinter(settings(), key_id(other), former_key_id=former_key_id(other)).restore(
            0, *before.snapshot(0), 7, 0.0
        )


def test_taking_up_a_partition_again_drops_what_was_not_committed() -> None:
    summary, offset, metadata = counted(7)
    error: ErrorType = "parse_error"
    summary.add(0, work_of([Counted(error)] * 3, offset), 0.0)
    list(summary.publish([0], NOW))
    assert summary.restore(0, offset, metadata, offset, 0.0) is None
    [record] = published(summary, 0).values()
    assert (record["total_received_count"], record["error_type_counts"]) == (7, {})


def test_an_input_that_was_made_again_starts_the_counts_anew() -> None:
    """Its offsets begin below the committed one: with the old counts, each would count twice."""
    _, offset, metadata = counted(7, first=10)
    summary = printer()
    assert summary.restore(0, offset, metadata, 0, 0.0)
    summary.add(0, work_of([Counted("processed")] * 2, 0), 0.0)
    assert printer().restore(0, *summary.snapshot(0), 2, 0.0) is None


def forged(**changes: object) -> str:
    """A snapshot of 7 messages up to offset 17, and what of it is changed."""
    names = Snapshot.__struct_fields__
    _, _, metadata = counted(7, first=10)
    snapshot = dict(zip(names, json.loads(metadata), strict=True))
    assert snapshot["processed"] == 7
    return json.dumps(list((snapshot | changes).values()))


@pytest.mark.parametrize(
    "changes",
    [
        {"processed": -1},
        {"processed": 7.0},
        {"processed": 2**63},
        {"processed": 10**400},
        {"processed": 8, "locales": {"RU": 8}, "device_types": {"android": 8}},
        {"skipped": 1},
        {"filtered": 2**63 - 1},
        {"replayed": 8},
        {"errors": {"parse_error": 1}},
        {"errors": {"parse_error": -7}},
        {"errors": {"no_such_error": 0}},
        {"counted_since_offset": 11},
        {"counted_since_offset": 2**62},
        {"counted_since_offset": -1},
        {"locales": {"RU": 6}},
        {"locales": {"RU": 8, "EN": -1}},
        {"locales": {"a" * 17: 7}},
        {"locales": {"\x1b[2J": 7}},
        {"locales": {"RU\n": 7}},
        {"locales": {f"L{n}": 0 for n in range(3000)} | {"RU": 7}},
        {"device_types": {"é": 7}},
        {"device_types": {}},
        {"key_id": "ffffffff", "processed": 8},
        {"key_id": "\x1b[2J"},
        {"key_id": "FFFFFFFF"},
        {"key_id": "f" * 4000},
    ],
    ids=str,
)
def test_a_forged_snapshot_starts_the_counts_anew_and_ends_nothing(
    changes: dict[str, object],
) -> None:
    assert printer().restore(0, 17, forged(), 17, 0.0) is None
    summary = printer()
    reason = summary.restore(0, 17, forged(**changes), 17, 0.0)
    assert reason
    assert reason.isprintable()
    assert summary.snapshot(0)[0] == 17
    summary.add(0, work_of([Counted("processed")], 17), 0.0)
    [record] = published(summary, 0).values()
    assert (record["total_received_count"], record["counted_since_offset"]) == (1, 17)


def test_a_well_formed_snapshot_of_another_key_is_refused_by_name() -> None:
    with pytest.raises(KeyChangedError, match=r"key ffffffff.*ALLOW_KEY_CHANGE=true"):
        printer().restore(0, 17, forged(key_id="ffffffff"), 17, 0.0)


ODD_COUNTS: list[object] = [2**63 - 1, 2**63, 10**30, 1.5, None, "7", []]
counts = st.integers(-1, 20) | st.sampled_from(ODD_COUNTS)
labels = st.dictionaries(st.sampled_from(["RU", "__other__", "", "a b", "\x9b"]), counts)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("processed", "filtered", "skipped", "replayed"), counts),
            "counted_since_offset": counts,
            "errors": labels | st.just({"parse_error": 3}),
            "locales": labels,
            "device_types": labels,
        },
    )
)
def test_what_is_taken_over_can_have_been_counted(changes: dict[str, object]) -> None:
    summary = printer()
    if summary.restore(0, 17, forged(**changes), 17, 0.0) is None:
        [record] = published(summary, 0).values()
        total = record["total_received_count"]
        assert isinstance(total, int)
        since = record["counted_since_offset"]
        assert isinstance(since, int)
        assert 0 <= total <= 17 - since
