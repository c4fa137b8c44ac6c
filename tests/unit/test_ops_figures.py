"""What the figures of a loop say, from what the loop has told."""

from collections import Counter
from typing import Any, cast

import pytest
from msgspec.json import encode

from kafka_processor.delivery.batch import Batch
from kafka_processor.membership.start_offsets import StartOffset
from kafka_processor.ops import figures as module
from kafka_processor.ops.client_statistics import InputPartition
from kafka_processor.ops.figures import SAMPLE, Figures
from kafka_processor.pipeline import Work
from kafka_processor.producer import BatchFailed

NOW = 1_800_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def time_ns(self) -> int:
        return self.now * 1_000_000

    def monotonic(self) -> float:
        return self.now / 1000


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


class Message:
    def __init__(self, created: int | None) -> None:
        self._created = created

    def timestamp(self) -> tuple[int, int]:
        return (0, 0) if self._created is None else (1, self._created)

    def __len__(self) -> int:
        return 0

    def offset(self) -> int | None: ...
    def value(self) -> Any: ...
    def headers(self) -> Any: ...


class Committed:
    """As much of a batch as figures look at."""

    def __init__(self, works: dict[int, Work]) -> None:
        self.works = works
        self.messages = sum(work.messages for work in works.values())


def place(figures: Figures, partition: int, offset: int, gap: int = 0) -> None:
    figures.started(StartOffset(partition, offset, offset, None, gap))


def work_on(figures: Figures, partition: int, first: int, created: list[int | None]) -> Work:
    outcomes: Counter[Any] = Counter(processed=len(created))
    work = Work(next_offset=first + len(created), outcomes=outcomes, seconds=0.001)
    figures.processed({partition: [Message(each) for each in created]}, {partition: work})
    return work


def commit(figures: Figures, works: dict[int, Work], seconds: float = 0.01) -> None:
    figures.committed(cast(Batch, Committed(works)), seconds)


def tell_ends(figures: Figures, ends: dict[int, int], broker: str = "UP") -> None:
    tell(figures, {number: {"hi_offset": end} for number, end in ends.items()}, broker)


def tell_partition(figures: Figures, number: int, told: dict[str, int]) -> None:
    tell(figures, {number: told})


def tell(figures: Figures, of: dict[int, dict[str, int]], broker: str = "UP") -> None:
    partitions = {
        str(number): {**told, "leader": 7, "desired": True} for number, told in of.items()
    }
    unknown = {"hi_offset": -1001, "leader": 7, "desired": False}
    topics = {
        "user-login": {"partitions": {**partitions, "-1": unknown}},
        # That one was only asked about.
        "summary-output": {"partitions": dict.fromkeys(partitions, unknown)},
    }
    brokers = {
        "a:1/bootstrap": {"nodeid": -1, "state": "UP"},
        "a:1/7": {"nodeid": 7, "state": broker},
    }
    told = {"type": "consumer", "topics": topics, "brokers": brokers}
    figures.take_statistics(encode(told).decode())


def count(buckets: list[tuple[str, float]]) -> float:
    return buckets[-1][1]


def test_each_message_counts_once_in_the_latency_however_few_are_looked_at() -> None:
    figures = Figures()
    place(figures, 0, 0)
    created: list[int | None] = [NOW - 1000 + n for n in range(SAMPLE * 7 + 3)]
    work = work_on(figures, 0, 0, created)
    commit(figures, {0: work})
    assert count(figures.latencies.buckets()) == pytest.approx(len(created))
    assert figures.latencies.sum / len(created) == pytest.approx(0.965, abs=0.01)
    assert figures.outcomes == {"processed": len(created)}


def test_messages_without_a_time_have_no_latency() -> None:
    figures = Figures()
    place(figures, 0, 0)
    commit(figures, {0: work_on(figures, 0, 0, [None, None])})
    assert count(figures.latencies.buckets()) == 0
    assert figures.by_partition == {0: 2}


def test_a_message_that_is_worked_on_again_counts_when_it_is_committed() -> None:
    figures = Figures()
    place(figures, 0, 0)
    work_on(figures, 0, 0, [NOW, NOW])
    figures.gave_up(BatchFailed("a reason"), 2)
    place(figures, 0, 0)
    commit(figures, {0: work_on(figures, 0, 0, [NOW, NOW])})
    assert count(figures.latencies.buckets()) == 2
    assert figures.aborts == {"other": 1}
    assert figures.moves == {"assigned": 1}


def test_what_is_worked_on_during_a_commit_waits_for_its_own(clock: Clock) -> None:
    figures = Figures()
    place(figures, 0, 0)
    first = work_on(figures, 0, 0, [NOW])
    second = work_on(figures, 0, 1, [NOW])
    commit(figures, {0: first})
    assert count(figures.latencies.buckets()) == 1
    clock.now += 2000
    commit(figures, {0: second})
    assert figures.latencies.sum == pytest.approx(2)


def test_lag_is_what_is_not_committed() -> None:
    figures = Figures()
    place(figures, 0, 5)
    place(figures, 1, 7)
    assert figures.lags() == {}
    tell_ends(figures, {0: 8, 1: 7, 2: 100})
    assert figures.lags() == {0: 3, 1: 0}
    commit(figures, {0: work_on(figures, 0, 5, [NOW, NOW])})
    assert figures.lags() == {0: 1, 1: 0}
    figures.revoked([0])
    figures.lost([1])
    assert figures.lags() == {}
    assert figures.moves == {"assigned": 2, "revoked": 1, "lost": 1}


@pytest.mark.parametrize(
    ("told", "lag"),
    [
        pytest.param({"hi_offset": 10, "next_offset": 10, "app_offset": 10}, 0, id="marker"),
        pytest.param({"hi_offset": 99, "next_offset": 99, "app_offset": 99}, 0, id="aborted tail"),
        pytest.param({"hi_offset": 10, "next_offset": 10, "app_offset": -1001}, 0, id="restarted"),
        pytest.param({"hi_offset": 15, "next_offset": 10, "app_offset": 10}, 5, id="open"),
        pytest.param({"hi_offset": 15, "next_offset": 9, "app_offset": -1001}, 6, id="open, start"),
        pytest.param(
            {"hi_offset": 10, "next_offset": 10, "app_offset": 9, "fetchq_cnt": 1}, 1, id="fetched"
        ),
        pytest.param({"hi_offset": 10, "next_offset": 9, "app_offset": 9}, 1, id="not fetched"),
        pytest.param({"hi_offset": -1001}, None, id="not known"),
    ],
)
def test_what_holds_no_message_is_no_lag(told: dict[str, Any], lag: int | None) -> None:
    assert InputPartition(**told).lag(9, is_all_committed=True) == lag


@pytest.mark.parametrize("app_offset", [-1001, 9, 10, 12])
def test_what_is_polled_and_not_committed_is_lag(app_offset: int) -> None:
    told = InputPartition(hi_offset=12, next_offset=12, app_offset=app_offset)
    assert told.lag(9, is_all_committed=False) == 3


def test_a_message_is_lag_from_its_poll_to_its_commit() -> None:
    """Also where the batch that it was in has failed."""
    figures = Figures()
    place(figures, 0, 5)
    read_to_the_end: dict[str, Any] = {"hi_offset": 7, "next_offset": 7, "app_offset": 7}
    tell_partition(figures, 0, read_to_the_end)
    assert figures.lags() == {0: 0}
    work = work_on(figures, 0, 5, [NOW])  # its marker is at offset 6
    assert figures.lags() == {0: 2}
    figures.gave_up(BatchFailed("a reason"), 1)
    assert figures.lags() == {0: 2}
    place(figures, 0, 5)
    tell_partition(figures, 0, {"hi_offset": 7, "next_offset": 5})
    assert figures.lags() == {0: 2}
    work = work_on(figures, 0, 5, [NOW])
    tell_partition(figures, 0, read_to_the_end)
    commit(figures, {0: work})
    assert figures.lags() == {0: 0}


def test_a_partition_that_stands_still_for_a_minute_with_messages_waiting_is_stalled(
    clock: Clock,
) -> None:
    figures = Figures()
    place(figures, 0, 5)
    place(figures, 1, 5)
    tell_ends(figures, {0: 9, 1: 9})
    clock.now += 30_000
    commit(figures, {1: work_on(figures, 1, 5, [None])})
    clock.now += 29_999
    assert figures.stalled(clock.monotonic()) == []
    clock.now += 1
    assert figures.stalled(clock.monotonic()) == [0]
    clock.now += 30_000
    assert figures.stalled(clock.monotonic()) == [0, 1]

    commit(figures, {0: work_on(figures, 0, 5, [None])})
    assert figures.stalled(clock.monotonic()) == [1]


def test_a_partition_in_which_nothing_waits_is_not_stalled(clock: Clock) -> None:
    figures = Figures()
    place(figures, 0, 5)
    clock.now += 100_000
    tell_ends(figures, {0: 5})
    clock.now += 100_000
    assert figures.stalled(clock.monotonic()) == [], "the client has said nothing since"
    tell_ends(figures, {0: 5})
    clock.now += 59_000
    tell_ends(figures, {0: 6})
    assert figures.stalled(clock.monotonic()) == [], "it has waited for a second"


def test_a_partition_that_goes_back_to_the_same_offset_has_not_moved(clock: Clock) -> None:
    figures = Figures()
    place(figures, 0, 5)
    tell_ends(figures, {0: 6})
    clock.now += 60_000
    place(figures, 0, 5)
    assert figures.stalled(clock.monotonic()) == [0]


def test_the_age_grows_from_the_last_time_that_nothing_waited(clock: Clock) -> None:
    figures = Figures()
    place(figures, 0, 0)
    tell_ends(figures, {0: 1})
    assert figures.ages(clock.now) == {}, "nothing is known of it yet"
    commit(figures, {0: work_on(figures, 0, 0, [NOW - 10_000])})
    assert figures.ages(clock.now) == {0: 0.0}
    clock.now += 3_600_000  # an hour without messages is no age
    tell_ends(figures, {0: 1})
    clock.now += 4_000
    tell_ends(figures, {0: 9})
    assert figures.ages(clock.now) == {0: 4.0}
    clock.now += 1_000
    assert figures.ages(clock.now) == {0: 5.0}


def test_an_age_is_no_more_than_since_the_last_message_that_is_committed(clock: Clock) -> None:
    figures = Figures()
    place(figures, 0, 0)
    commit(figures, {0: work_on(figures, 0, 0, [NOW - 90_000])})
    tell_ends(figures, {0: 2})
    assert figures.ages(clock.now) == {0: 90.0}


def test_messages_that_were_gone_are_counted_once() -> None:
    figures = Figures()
    place(figures, 3, 10, gap=4)
    place(figures, 3, 10, gap=4)  # the first batch from there has failed
    assert figures.gone_unread == 4
    place(figures, 3, 30, gap=5)
    assert figures.gone_unread == 9


def test_nothing_is_known_of_a_partition_whose_broker_is_away(clock: Clock) -> None:
    figures = Figures()
    place(figures, 0, 8)
    tell_ends(figures, {0: 8})
    assert figures.lags() == {0: 0}
    clock.now += 5_000
    tell_ends(figures, {0: 8}, broker="DOWN")
    assert figures.lags() == {}
    assert figures.ages(clock.now) == {}
    tell_ends(figures, {0: 9})
    assert figures.ages(clock.now) == {0: 5.0}


def test_a_partition_without_messages_counts_as_one_that_has_none() -> None:
    figures = Figures()
    place(figures, 3, 10)
    assert figures.by_partition == {3: 0}
