"""Where a partition starts: nothing is passed over without a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_processor.membership.start_offsets import (
    Past,
    StartReason,
    decide_start,
    is_of_other_topic,
)
from kafka_processor.summary_printer import PartitionCounts

TOPIC, OTHER = "SchJzsVeSfefg1ONhP/ttg", "iO/A+LWeSlyjcf7uNf4xIg"
LOW, HIGH = 10, 60


def past(committed: int | None = None, counted_in: str | None = None, **known: object) -> Past:
    """`counted_in`: the topic id in the snapshot; None: there is no snapshot."""
    counts = PartitionCounts(committed or 0, counted_in or "")
    metadata = None if counted_in is None else counts.snapshot("0123abcd")
    return Past(0, committed, metadata, **known)  # type: ignore[arg-type]


def start(of: Past, topic_id: str = TOPIC, *, latest: bool = False) -> tuple[int, StartReason, int]:
    placed = decide_start(of, topic_id, LOW, HIGH, starts_at_end=latest)
    assert (placed.committed, placed.metadata) == (of.committed, of.metadata)
    assert placed.topic_id == topic_id
    return placed.offset, placed.reason, placed.gap


@pytest.mark.parametrize("latest", [False, True])
@pytest.mark.parametrize(
    ("of", "expected"),
    [
        pytest.param(past(50, TOPIC), (50, StartReason.COMMITTED, 0), id="same topic"),
        pytest.param(past(50), (50, StartReason.COMMITTED, 0), id="by another program"),
        pytest.param(past(50, ""), (50, StartReason.COMMITTED, 0), id="snapshot without topic id"),
        pytest.param(past(HIGH, TOPIC), (HIGH, StartReason.COMMITTED, 0), id="at the end"),
        pytest.param(past(7, TOPIC), (LOW, StartReason.GAP, 3), id="deleted by retention"),
        pytest.param(past(50, OTHER), (LOW, StartReason.NEW_TOPIC, 0), id="other topic"),
        pytest.param(
            past(50, read_as=OTHER), (LOW, StartReason.NEW_TOPIC, 0), id="read another topic"
        ),
        pytest.param(
            past(50, TOPIC, read_as=OTHER),
            (50, StartReason.COMMITTED, 0),
            id="another member noticed",
        ),
        pytest.param(
            past(None, read_as=OTHER), (LOW, StartReason.NEW_TOPIC, 0), id="offsets deleted"
        ),
        pytest.param(past(61, TOPIC), (LOW, StartReason.NEW_TOPIC, 0), id="behind the end"),
        pytest.param(
            past(None, is_of_begun_topic=True),
            (LOW, StartReason.NEW_PARTITION, 0),
            id="new partition",
        ),
        pytest.param(
            past(None, started_at=20, read_as=TOPIC),
            (20, StartReason.COMMITTED, 0),
            id="started there",
        ),
        pytest.param(
            past(None, started_at=4, read_as=TOPIC),
            (LOW, StartReason.GAP, 6),
            id="started, deleted",
        ),
    ],
)
def test_the_setting_decides_nothing_for_a_group_that_has_run(
    of: Past, expected: tuple[int, StartReason, int], latest: bool
) -> None:
    assert start(of, latest=latest) == expected


@pytest.mark.parametrize(("latest", "offset"), [(False, LOW), (True, HIGH)])
def test_the_setting_decides_for_a_group_that_has_never_committed(
    latest: bool, offset: int
) -> None:
    assert start(past(), latest=latest) == (offset, StartReason.RESET, 0)


def test_without_topic_ids_nothing_is_taken_for_another_topic() -> None:
    assert start(past(50, TOPIC), "") == (50, StartReason.COMMITTED, 0)
    assert start(past(50, read_as=TOPIC), "") == (50, StartReason.COMMITTED, 0)


def test_a_snapshot_of_another_offset_says_nothing_of_the_topic() -> None:
    of_51 = past(51, OTHER).metadata
    assert not is_of_other_topic(Past(0, 50, of_51), TOPIC)


@given(st.text(max_size=200))
def test_metadata_of_other_programs_says_nothing_of_the_topic(metadata: str) -> None:
    assert not is_of_other_topic(Past(0, 50, metadata), TOPIC)


@given(
    st.none() | st.integers(0, 100),
    st.sampled_from([None, "", TOPIC, OTHER]),
    st.none() | st.integers(0, 100),
    st.sampled_from(["", TOPIC, OTHER]),
    st.booleans(),
    st.booleans(),
)
def test_what_is_passed_over_has_a_reason(
    committed: int | None,
    counted_in: str | None,
    started_at: int | None,
    read_as: str,
    is_begun: bool,
    latest: bool,
) -> None:
    of = past(
        committed, counted_in, started_at=started_at, read_as=read_as, is_of_begun_topic=is_begun
    )
    offset, why, gap = start(of, latest=latest)
    assert LOW <= offset <= HIGH
    stopped_at = started_at if committed is None else committed
    if why is StartReason.COMMITTED:
        assert (offset, gap) == (stopped_at, 0)
    elif why is StartReason.GAP:
        assert (offset, stopped_at) == (LOW, LOW - gap)
    elif why is StartReason.RESET:
        assert stopped_at is None and not is_begun
    else:
        assert offset == LOW
