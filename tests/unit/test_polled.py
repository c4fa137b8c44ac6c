"""Polled messages come out once, in order, in slices that take a moment each."""

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kafka_processor.delivery.batch import MAX_BATCH_BYTES, room
from kafka_processor.membership.polled import (
    MAX_SLICE,
    SLICE_BYTES,
    SLICE_SECONDS,
    PolledMessages,
    Slice,
)


@dataclass(frozen=True)
class Message:
    number: int
    size: int

    def __len__(self) -> int:
        return self.size

    def offset(self) -> int:
        return self.number

    def value(self) -> Any: ...

    def timestamp(self) -> tuple[int, int]:
        return 0, 0

    def headers(self) -> Any: ...


SIZES = st.one_of(
    st.integers(0, 300), st.integers(0, 3 * SLICE_BYTES), st.just(SLICE_BYTES), st.just(0)
)
POLLS = st.lists(st.dictionaries(st.integers(0, 3), st.lists(SIZES, min_size=1)), max_size=5)


def run(sizes: list[int], start: int = 0) -> list[Message]:
    return [Message(start + number, size) for number, size in enumerate(sizes)]


def take_all(polled: PolledMessages, limit: int = MAX_SLICE) -> list[dict[int, Slice]]:
    taken = []
    while polled:
        taken.append(polled.take(limit))
    return taken


@given(POLLS, st.integers(1, MAX_SLICE))
def test_all_come_out_in_order_and_in_small_slices(
    polls: list[dict[int, list[int]]], limit: int
) -> None:
    polled = PolledMessages()
    put: dict[int, list[Message]] = {}
    for poll in polls:
        runs = {p: run(sizes, len(put.get(p, ()))) for p, sizes in poll.items()}
        polled.add(runs)
        for partition, messages in runs.items():
            put.setdefault(partition, []).extend(messages)
    out: dict[int, list[Any]] = {}
    for slices in take_all(polled, limit):
        sizes = [len(each) for piece in slices.values() for each in piece.messages]
        assert 1 <= len(sizes) <= limit
        assert len(sizes) == 1 or sum(sizes) <= SLICE_BYTES
        assert sum(piece.size for piece in slices.values()) == sum(sizes)
        for partition, piece in slices.items():
            out.setdefault(partition, []).extend(piece.messages)
    assert out == put


def test_an_ordinary_poll_is_one_slice() -> None:
    polled = PolledMessages()
    runs = {0: run([230] * 600), 1: run([230] * 400)}
    polled.add(runs)
    taken = polled.take(MAX_SLICE)
    assert {partition: piece.messages for partition, piece in taken.items()} == runs
    assert not polled


def test_without_room_nothing_is_taken() -> None:
    polled = PolledMessages()
    polled.add({0: run([1, 2])})
    assert polled.take(0) == {}
    assert polled


def test_messages_of_a_partition_that_is_gone_are_dropped() -> None:
    polled = PolledMessages()
    polled.add({0: run([1]), 1: run([2]), 2: run([3])})
    polled.forget([0, 2, 7])
    assert list(polled.take(MAX_SLICE)) == [1]
    polled.add({0: run([1])})
    polled.clear()
    assert not polled


def test_slices_shrink_while_they_are_slow() -> None:
    polled = PolledMessages()
    polled.add({0: run([0] * 4 * MAX_SLICE)})
    counts = []
    for seconds in (0.0, 4.0, 1.0, 0.01, 0.01, 0.01, 0.01):
        [piece] = polled.take(MAX_SLICE).values()
        counts.append(len(piece.messages))
        polled.after_slice(seconds)
    assert counts == [1000, 1000, 250, 62, 124, 248, 496]
    for _ in range(20):
        polled.after_slice(SLICE_SECONDS * 2)
    [piece] = polled.take(MAX_SLICE).values()
    assert len(piece.messages) == 1


def test_a_batch_is_full_by_messages_and_by_bytes() -> None:
    assert room(40_000, 100, MAX_BATCH_BYTES - 1) == 39_900
    assert room(40_000, 40_001, 0) == 0
    assert room(40_000, 1, MAX_BATCH_BYTES) == 0
