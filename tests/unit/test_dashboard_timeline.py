"""The dashboard's charts: what is told of seconds comes out as points, and is bounded."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_processor.dashboard.latency import bucket_of, percentile, seconds_of
from kafka_processor.dashboard.timeline import MOST_POINTS, Timeline
from kafka_processor.outcomes import Kind

NOW = 1_720_000_000
WINDOW = 900


def timeline(*added: tuple[int, Kind, int]) -> Timeline:
    """`added`: seconds before now, kind and number of messages."""
    made = Timeline(WINDOW)
    for ago, kind, count in added:
        made.add(NOW - ago, NOW, kind, count)
    return made


def test_each_second_is_a_point_at_first() -> None:
    series = timeline((4, "processed", 5), (3, "processed", 7), (3, "error", 1)).series(NOW)
    assert (series.start, series.step) == (NOW - 4, 1)
    assert series.processed == [5, 7]
    assert series.error == [0, 1]
    assert series.filtered == series.skipped == [0, 0]


def test_a_second_that_is_not_over_is_not_shown_yet() -> None:
    assert timeline((1, "processed", 5)).series(NOW).processed == []


def test_later_on_a_point_is_the_mean_of_several_seconds() -> None:
    series = timeline(*((ago, "processed", 10) for ago in range(800))).series(NOW)
    assert series.step == 5
    assert len(series.processed) <= MOST_POINTS
    assert set(series.processed[1:]) == {10}


def test_points_change_when_something_late_comes() -> None:
    line = timeline(*((ago, "processed", 1) for ago in range(10)))
    assert set(line.series(NOW).processed) == {1}
    line.add(NOW - 5, NOW, "processed", 41)
    assert line.series(NOW).processed == [1, 1, 1, 1, 42, 1, 1]


def test_the_rate_is_that_of_the_last_seconds() -> None:
    line = timeline(*((ago, "processed", 100) for ago in range(60)))
    assert line.rate(10, NOW) == 100
    assert line.rate(10, NOW + 5) == 80
    assert line.rate(10, NOW + 60) == 0


def test_the_rate_of_a_beginning_is_over_what_there_is() -> None:
    assert timeline((4, "processed", 100), (3, "processed", 100)).rate(10, NOW) == 100
    assert Timeline(WINDOW).rate(10, NOW) == 0


def test_what_is_from_the_future_counts_as_of_now() -> None:
    line = timeline((-10_000, "processed", 9))
    assert line.series(NOW + 3).processed == [9]


def test_what_is_too_old_is_left_out() -> None:
    line = timeline((WINDOW, "processed", 9), (10**9, "error", 1))
    assert line.series(NOW).processed == []


def test_latencies_give_percentiles_in_milliseconds() -> None:
    line = Timeline(WINDOW)
    line.add(NOW - 3, NOW, "processed", 100, {bucket_of(0.01): 98, bucket_of(2.0): 2})
    line.add(NOW - 4, NOW, "skipped", 1)
    series = line.series(NOW)
    assert series.p50 == [None, pytest.approx(10, rel=0.03)]
    assert series.p99 == [None, pytest.approx(2000, rel=0.03)]


@given(st.lists(st.tuples(st.integers(-(10**6), 10**6), st.integers(0, 10**9)), max_size=200))
def test_it_is_bounded_whatever_comes(added: list[tuple[int, int]]) -> None:
    line = Timeline(60)
    for ago, count in added:
        line.add(NOW - ago, NOW, "processed", count)
    assert len(line._seconds) <= 61
    series = line.series(NOW)
    assert len(series.processed) == len(series.p50) <= MOST_POINTS


@given(st.floats(allow_nan=False))
def test_buckets_are_few_and_close(seconds: float) -> None:
    bucket = bucket_of(seconds)
    assert 0 <= bucket < 600
    if 0.001 <= seconds <= 86_400:
        assert math.isclose(seconds_of(bucket), seconds, rel_tol=0.021)


def test_percentiles_of_nothing_and_of_one() -> None:
    assert percentile({}, 0.5) is None
    assert percentile({7: 1}, 0.99) == seconds_of(7)
