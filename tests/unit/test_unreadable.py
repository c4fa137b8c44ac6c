"""The search for the end of what cannot be read, on partitions of any form."""

import json
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_processor.membership.positions import LONGEST_TURN, STANDSTILL, Positions
from kafka_processor.pipeline import Pipeline
from kafka_processor.unreadable.batch_search import (
    Answer,
    BatchSearch,
    Failed,
    Readable,
    Silent,
    UnreadableBatch,
    UnreadableRecord,
    stand_ins,
)
from tests.unit.pipeline_runs import KEY, NOW, PARTITION, event, message, settings

REASON = "_BAD_COMPRESSION: Decompression of message at {} failed"


class Batch(NamedTuple):
    base: int
    end: int
    kind: str
    """`readable`, `failed`, `silent`, or `control`: the end of a transaction."""


class Log:
    """A partition as a client sees it: whole batches, with gaps between them."""

    def __init__(self, batches: list[Batch]) -> None:
        self.batches = batches
        self.end = batches[-1].end if batches else 0
        self.fetches = 0

    def fetch(self, offset: int) -> Answer:
        assert 0 <= offset < self.end, "nothing is fetched behind the end"
        self.fetches += 1
        at = offset
        for batch in self.batches:
            if batch.end > offset:
                if batch.kind == "failed":
                    return Failed(batch.base, REASON.format(batch.base))
                if batch.kind == "silent":
                    return Silent(at)
                if batch.kind == "readable":
                    return Readable()
                at = batch.end
        return Readable()


def search(log: Log, start: int, known_ends: dict[str, int] | None = None) -> BatchSearch:
    found = BatchSearch(start, log.end, known_ends or {})
    while (offset := found.offset) is not None:
        found.take(offset, log.fetch(offset))
    return found


def read(log: Log, start: int) -> tuple[list[int], list[int]]:
    """The offsets that are handed out as unreadable, and those of readable records."""
    unreadable: list[int] = []
    readable: list[int] = []
    position = start
    while position < log.end:
        batch = search(log, position).found()
        if batch:
            unreadable += [record.offset() for record in batch.records(position, batch.end)]
            position = batch.end
        else:  # as the client goes on by itself
            read = next(each for each in log.batches if each.end > position)
            if read.kind == "readable":
                readable += range(max(read.base, position), read.end)
            position = read.end
    return unreadable, readable


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Before a silent batch there is no gap but an end of a transaction."""
    batches: list[Batch] = []
    base = 0
    for _ in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["readable", "failed", "silent", "control"]))
        base += 0 if kind == "silent" else draw(st.integers(0, 3))
        size = 1 if kind == "control" else draw(st.one_of(st.integers(1, 4), st.integers(1, 300)))
        batches.append(Batch(base, base + size, kind))
        base += size
    return Log(batches)


@given(logs(), st.data())
def test_each_offset_of_what_cannot_be_read_is_handed_out_once_and_no_other(
    log: Log, data: st.DataObject
) -> None:
    start = data.draw(st.integers(log.batches[0].base, log.end))

    unreadable, readable = read(log, start)

    offsets = {
        kind: [o for b in log.batches if b.kind == kind for o in range(max(b.base, start), b.end)]
        for kind in ("readable", "failed", "silent")
    }
    assert unreadable == sorted(offsets["failed"] + offsets["silent"])
    assert readable == offsets["readable"]


@given(st.integers(1, 1_000_000), st.integers(0, 1_000_000), st.integers(0, 1_000_000))
def test_the_number_of_fetches_grows_with_the_logarithm(before: int, size: int, after: int) -> None:
    log = Log([
        Batch(0, before, "readable"),
        Batch(before, before + size + 1, "failed"),
        Batch(before + size + 1, before + size + after + 2, "readable"),
    ])  # fmt: skip

    found = search(log, before).found()

    assert found == UnreadableBatch(before, before + size + 1, REASON.format(before))
    assert log.fetches <= 2 * (size + 1).bit_length() + 3


def test_a_batch_of_ten_thousand_takes_under_thirty_fetches() -> None:
    log = Log([Batch(0, 10_000, "failed"), Batch(10_000, 10_001, "readable")])
    assert search(log, 5).found() == UnreadableBatch(5, 10_000, REASON.format(0))
    assert log.fetches < 30


def test_a_batch_that_was_searched_before_takes_one_fetch() -> None:
    log = Log([Batch(0, 10_000, "failed"), Batch(10_000, 10_001, "readable")])
    assert search(log, 7, {REASON.format(0): 10_000}).found() == UnreadableBatch(
        7, 10_000, REASON.format(0)
    )
    assert log.fetches == 1


@pytest.mark.parametrize("known_end", [3, 99_999])
def test_an_end_that_cannot_be_that_of_the_batch_is_not_believed(known_end: int) -> None:
    log = Log([Batch(0, 100, "failed"), Batch(100, 101, "readable")])
    found = search(log, 7, {REASON.format(0): known_end}).found()
    assert found == UnreadableBatch(7, 100, REASON.format(0))


def test_what_does_not_fail_again_is_not_unreadable() -> None:
    log = Log([Batch(0, 10, "readable")])
    assert search(log, 0).found() is None


def test_nothing_is_unreadable_at_the_end_of_the_partition() -> None:
    assert search(Log([Batch(0, 10, "failed")]), 10).found() is None


def test_the_offsets_of_a_long_silent_batch_are_handed_out_meanwhile() -> None:
    log = Log([Batch(0, 1_000, "silent")])
    found = search(log, 0).found()
    assert found
    assert 50 < found.end < 200


def test_stand_ins_are_parse_errors_without_content() -> None:
    run = UnreadableBatch(5, 9, "why").records(6, 2)
    assert [each.offset() for each in run] == [6, 7]

    unreadable = stand_ins(run)
    assert unreadable
    work = Pipeline(settings(), KEY).unreadable(PARTITION, unreadable, NOW, {})

    assert work.next_offset == 8
    assert work.outcomes == {"parse_error": 2}
    assert [json.loads(line.split(',"processing_time')[0] + "}")["outcome"] for line in work.lines]
    topic, key, value = work.records[0]
    record = json.loads(value)
    assert (topic, key) == ("processed-errors", None)
    assert record["message_id"] == "user-login-3-6"
    assert record["error_type"] == "parse_error"
    assert record["error_message"] == "unreadable record: why"
    assert record["user_id"] is record["message_content"] is record["source"]["timestamp"] is None
    assert record["source"]["offset"] == 6


def test_a_refused_stand_in_is_a_publish_error() -> None:
    run = [UnreadableRecord(6, "why")]
    refused = {(PARTITION, 6): "too large"}
    work = Pipeline(settings(), KEY).unreadable(PARTITION, run, NOW, refused)
    assert work.outcomes == {"publish_error": 1}


def test_messages_are_no_stand_ins() -> None:
    assert stand_ins([message(event())]) is None


def standing_still(positions: Positions, seconds: float) -> list[int]:
    """Those that are found so within some seconds from 0 on, at two polls a second."""
    polls = range(int(seconds * 2) + 1)
    return [p for half in polls for p in positions.standing_still({0, 1}, half / 2)]


def test_a_partition_that_does_not_move_stands_still() -> None:
    positions = Positions()
    positions.move(0, 10, 0.0)
    positions.move(1, 20, STANDSTILL - 1)
    assert standing_still(positions, STANDSTILL) == [0]
    assert positions.is_suspect(0, 11)


def test_none_stands_still_while_the_loop_does_not_poll() -> None:
    positions = Positions()
    positions.move(0, 10, 0.0)
    assert not [*positions.standing_still({0}, 0.0)]
    assert not [*positions.standing_still({0}, STANDSTILL + LONGEST_TURN)]


def test_a_partition_is_suspected_once_at_one_place() -> None:
    positions = Positions()
    positions.move(0, 10, 0.0)
    assert not positions.is_suspect(0, 10)
    assert positions.is_suspect(0, 11)
    assert not positions.is_suspect(0, 11), "nothing was found there the last time"
    assert positions.is_suspect(0, 12)
