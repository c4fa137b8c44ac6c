"""What was not delivered is counted, and told seldom."""

import pytest

from kafka_processor.monitoring import losses as module
from kafka_processor.monitoring.losses import INTERVAL, Losses
from tests.support.told import ToldLog


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_a_flood_is_a_line_each_half_minute_and_no_count_is_lost(clock: Clock) -> None:
    log = ToldLog()
    losses = Losses("not delivered", log.bound)
    for _ in range(10_000):
        clock.now += INTERVAL / 4000
        losses.add("spans", 5, "ConnectionError")
    losses.report(at_once=True)
    losses.report(at_once=True)
    assert len(log.lines) <= 4
    assert {event for event, _ in log.lines} == {"not delivered"}
    assert log.total("spans") == 50_000
    assert log.lines[0][1]["reason"] == "ConnectionError"
