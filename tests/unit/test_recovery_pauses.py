"""Pauses between attempts to recover, however long an outage lasts."""

from typing import Any

import pytest

from kafka_processor import timing
from kafka_processor.producer import BatchFailed
from kafka_processor.recovery import MAX_PAUSE, Recovery
from tests.support.fakes import FakeTime
from tests.unit.pipeline_runs import settings


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    time = FakeTime()
    monkeypatch.setattr(timing, "time", time)
    return time


def pause_after(steps: Recovery, time: FakeTime) -> float:
    """Seconds until the next attempt is due, after one more failure."""
    steps.begin(BatchFailed("a reason"), is_narrowed_down=False)
    began = time.now
    while not steps.is_due:
        time.sleep(0.1)
    return round(time.now - began, 1)


def test_pauses_grow_up_to_a_limit_and_start_again_after_a_commit(time: FakeTime) -> None:
    unused: Any = None
    steps = Recovery(settings(), unused, unused, unused)
    assert [pause_after(steps, time) for _ in range(6)] == [0.0, 0.5, 1.0, 2.0, 3.0, 3.0]
    steps.end_streak()
    assert pause_after(steps, time) == 0.0


def test_an_outage_of_hours_ends_nothing(time: FakeTime) -> None:
    """2.0 to the power of 1,024 overflows: after 51 minutes of pauses."""
    unused: Any = None
    steps = Recovery(settings(), unused, unused, unused)
    for _ in range(2_000):
        steps.begin(BatchFailed("a reason"), is_narrowed_down=False)
    assert pause_after(steps, time) == pytest.approx(MAX_PAUSE, abs=0.2)


def test_only_a_failure_that_came_back_is_reported_after_a_recovery() -> None:
    unused: Any = None
    steps = Recovery(settings(), unused, unused, unused)
    failure = BatchFailed("a reason")
    steps.begin(failure, is_narrowed_down=False)
    assert steps.repeated_failure is None
    steps.begin(failure, is_narrowed_down=False)
    assert steps.repeated_failure is failure
    steps.end_streak()
    assert steps.repeated_failure is None
