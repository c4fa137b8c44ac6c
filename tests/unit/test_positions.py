"""Which partitions count as standing still, and when they are looked at again."""

import itertools

from kafka_processor.membership.positions import LONGEST_STANDSTILL, STANDSTILL, Positions

END = 100


def polled_for(positions: Positions, seconds: float, start: float) -> list[float]:
    """The times at which partition 0 is suspected, polled ten times a second."""
    times = [start + number / 10 for number in range(round(seconds * 10))]
    return [
        now
        for now in times
        for partition in positions.standing_still([0], now)
        if positions.is_suspect(partition, END)
    ]


def test_a_partition_that_does_not_move_is_suspected_once() -> None:
    positions = Positions()
    positions.start(0, 7, 0.0)
    assert polled_for(positions, 60, 0.0) == [STANDSTILL]


def test_one_that_is_placed_anew_at_the_same_offset_is_suspected_again() -> None:
    """What stood in for its records was given up with its batch."""
    positions = Positions()
    positions.start(0, 7, 0.0)
    assert polled_for(positions, 10, 0.0)
    positions.start(0, 7, 10.0)
    assert polled_for(positions, 10, 10.0) == [10.0 + STANDSTILL]


def test_each_look_at_one_place_takes_longer_to_come() -> None:
    """Data that is slow to arrive would else be thrown away again and again."""
    positions = Positions()
    positions.start(0, 7, 0.0)
    looks = []
    for tenth in range(10_000):
        now = tenth / 10
        for partition in positions.standing_still([0], now):
            if positions.is_suspect(partition, END + tenth):  # somebody goes on sending
                looks.append(now)
                positions.move(0, 7, now)
    pauses = [later - earlier for earlier, later in itertools.pairwise(looks)]
    assert pauses[:3] == [2 * STANDSTILL, 4 * STANDSTILL, 8 * STANDSTILL]
    assert max(pauses) <= LONGEST_STANDSTILL
    positions.move(0, 8, 1000.0)
    assert polled_for(positions, 10, 1000.0) == [1000.0 + STANDSTILL]
