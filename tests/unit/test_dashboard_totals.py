"""The dashboard's totals: the sum over the latest summary of each partition, and nobody else's."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_processor.dashboard.totals import (
    MAX_LABELS,
    MAX_PARTITIONS,
    MAX_RECORD,
    MAX_SPREAD,
    SummaryTotals,
    Totals,
)
from kafka_processor.event.labels import OTHER

GROUP, TOPIC = "group/with-slash", "logins"


def summary(partition: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "consumer_group": GROUP,
        "source_topic": TOPIC,
        "source_partition": partition,
        "next_offset": 100,
        "counted_since_offset": 0,
        "total_received_count": 100,
        "processed_count": 80,
        "filtered_count": 5,
        "skipped_count": 5,
        "error_count": 10,
        "replayed_count": 1,
        "error_type_counts": {"parse_error": 10},
        "device_type_counts": {"android": 50, "iOS": 30},
        "locale_counts": {"RU": 80},
        "timestamp": "2024-07-10T02:00:25.000Z",
        **changes,
    }


def key(partition: int) -> bytes:
    return f"{GROUP}/{TOPIC}-{partition}".encode()


def take(totals: SummaryTotals, record: dict[str, Any], second: int = 1000) -> None:
    totals.take(key(record["source_partition"]), json.dumps(record).encode(), second)


def read(totals: SummaryTotals) -> Totals:
    list(totals.read_waiting())
    return totals.totals()


@pytest.fixture
def totals() -> SummaryTotals:
    return SummaryTotals(group=GROUP, topic=TOPIC)


def test_the_whole_is_the_sum_over_the_latest_of_each_partition(totals: SummaryTotals) -> None:
    take(totals, summary(0, total_received_count=1, processed_count=1))
    take(totals, summary(0))
    take(totals, summary(1, locale_counts={"TX": 30, "RU": 50}))
    whole = read(totals)
    assert whole.received == 200
    assert whole.replayed == 2
    assert whole.outcomes == {"processed": 160, "filtered": 10, "skipped": 10, "parse_error": 20}
    assert whole.device_types == {"android": 100, "iOS": 60}
    assert whole.locales == {"RU": 130, "TX": 30}
    assert whole.by_partition == {0: (100, 10), 1: (100, 10)}
    assert totals.last == 1000


@pytest.mark.parametrize(
    "other",
    [b"", None, b"other/logins-0", b"group/with-slash/logins-2-0", b"group/with-slash/logins-x",
     key(10**7), b"\xff\xfe"],
)  # fmt: skip
def test_records_of_others_are_none_of_ours(totals: SummaryTotals, other: bytes | None) -> None:
    totals.take(other, json.dumps(summary()).encode(), 1)
    assert read(totals) == Totals()
    assert totals.unreadable == 0


def test_a_record_without_a_value_takes_its_partition_away(totals: SummaryTotals) -> None:
    take(totals, summary())
    assert read(totals).received == 100
    totals.take(key(0), None, 1)
    assert read(totals).received == 0


def test_a_topic_that_was_deleted_is_forgotten(totals: SummaryTotals) -> None:
    take(totals, summary())
    list(totals.read_waiting())
    totals.forget()
    assert read(totals) == Totals()


@pytest.mark.parametrize(
    "changes",
    [{"consumer_group": "other"}, {"source_topic": "other"}, {"processed_count": -1},
     {"processed_count": 10**30}, {"locale_counts": None}, {"locale_counts": {"RU": "80"}}],
)  # fmt: skip
def test_what_is_not_as_documented_is_counted_and_left_out(
    totals: SummaryTotals, changes: dict[str, Any]
) -> None:
    take(totals, summary())
    take(totals, summary(1))
    list(totals.read_waiting())
    totals.take(key(1), json.dumps(summary(1, **changes)).encode(), 1)
    assert read(totals).received == 200
    assert totals.unreadable == 1


def test_labels_are_bounded(totals: SummaryTotals) -> None:
    many = {f"ru-{number:03}": 1 for number in range(2 * MAX_LABELS)}
    take(totals, summary(locale_counts=many, device_type_counts={"<b>": 3, "x" * 17: 4}))
    take(totals, summary(1, error_type_counts={"made_up": 2}))
    whole = read(totals)
    assert len(whole.locales) <= MAX_LABELS + 1
    assert whole.locales.total() == 2 * MAX_LABELS + 80
    assert whole.device_types == {OTHER: 7, "android": 50, "iOS": 30}
    assert whole.outcomes[OTHER] == 2


def test_growth_is_spread_over_the_seconds_before(totals: SummaryTotals) -> None:
    take(totals, summary(), 1000)
    assert not list(totals.read_waiting()), "where counting stood before is not known"
    take(totals, summary(processed_count=104, error_count=11), 1003)
    [growth] = totals.read_waiting()
    assert list(growth.seconds) == [1001, 1002, 1003]
    assert growth.kinds == {"processed": 24, "error": 1}


def test_growth_after_a_pause_is_of_the_last_seconds(totals: SummaryTotals) -> None:
    take(totals, summary(), 1000)
    list(totals.read_waiting())
    take(totals, summary(processed_count=85), 9000)
    [growth] = totals.read_waiting()
    assert list(growth.seconds) == [8996, 8997, 8998, 8999, 9000]


def test_growth_over_summaries_that_were_not_looked_at_is_not_of_the_last_seconds(
    totals: SummaryTotals,
) -> None:
    take(totals, summary(), 1000)
    list(totals.read_waiting())
    for number in range(1, 61):
        take(totals, summary(processed_count=80 + number), 1000 + 10 * number)
    [growth] = totals.read_waiting()
    assert (growth.seconds[0], growth.seconds[-1]) == (1006, 1600)


def test_counts_that_began_anew_are_no_growth(totals: SummaryTotals) -> None:
    take(totals, summary(), 1000)
    list(totals.read_waiting())
    take(totals, summary(processed_count=1, error_count=0), 1001)
    [growth] = totals.read_waiting()
    assert not growth.kinds


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=200), st.integers())))
def test_any_bytes_are_read(records: list[tuple[bytes, bytes, int]]) -> None:
    totals = SummaryTotals(group=GROUP, topic=TOPIC)
    for ending, value, second in records:
        totals.take(f"{GROUP}/{TOPIC}-".encode() + ending, value, second)
    assert read(totals).received == 0


def test_a_record_that_is_too_large_is_not_even_kept(totals: SummaryTotals) -> None:
    totals.take(key(0), b" " * (MAX_RECORD + 1), 1)
    assert not totals._waiting
    assert totals.unreadable == 1


def test_times_that_others_wrote_do_not_spread_growth_over_years(totals: SummaryTotals) -> None:
    """They would be gone through second by second."""
    take(totals, summary(0, processed_count=1), second=0)
    read(totals)
    take(totals, summary(0, processed_count=2), second=0)
    take(totals, summary(0, processed_count=3), second=1_720_000_000)
    [growth] = totals.read_waiting()
    assert len(growth.seconds) <= MAX_SPREAD + 1
    take(totals, summary(0, processed_count=4), second=5)
    [growth] = totals.read_waiting()
    assert len(growth.seconds) == 1


def test_forged_summaries_of_all_partitions_take_bounded_memory(totals: SummaryTotals) -> None:
    labels = {f"l{number:04}": 1 for number in range(1000)}
    forged = [summary(n, locale_counts=labels, device_type_counts={}) for n in range(50)]
    tracemalloc.start()
    try:
        for record in forged:
            take(totals, record)
        read(totals)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept / len(forged) < 16_000
    for number in range(MAX_PARTITIONS, MAX_PARTITIONS + 100):
        take(totals, summary(number))
    assert len(read(totals).by_partition) == len(forged)
