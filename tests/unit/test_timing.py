"""Deadlines and intervals, on a clock that the test moves."""

import pytest

from kafka_processor import timing
from kafka_processor.timing import Deadline, Every


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    return clock


def test_a_deadline(clock: Clock) -> None:
    deadline = Deadline(10)
    assert (deadline.has_passed, deadline.seconds_left) == (False, 10)
    clock.now += 9
    assert (deadline.has_passed, deadline.seconds_left) == (False, 1)
    clock.now += 1
    assert (deadline.has_passed, deadline.seconds_left) == (True, 0)
    clock.now += 1
    assert (deadline.has_passed, deadline.seconds_left) == (True, 0)
    assert Deadline(0).has_passed


def test_an_interval(clock: Clock) -> None:
    assert Every(5, is_due_now=True).is_due
    every = Every(5)
    assert not every.is_due
    clock.now += 5
    assert every.is_due
    assert every.is_due  # asking changes nothing
    clock.now += 3
    every.restart()
    clock.now += 4
    assert not every.is_due
    clock.now += 1
    assert every.is_due
