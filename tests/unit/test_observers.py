"""What observers and integrations raise never reaches the loop."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from kafka_processor.heartbeat import Heartbeat
from kafka_processor.monitoring.failure_log import FailureLog
from kafka_processor.monitoring.observer import Observer
from kafka_processor.monitoring.observers import Observers
from kafka_processor.ops.insight import Insight
from kafka_processor.startup.integrations import Sender, _flush
from tests.support.raising import METHODS, Raising
from tests.support.told import ToldLog


class Noting(Observer):
    def __init__(self) -> None:
        self.called: list[tuple[Any, ...]] = []

    def __getattribute__(self, name: str) -> Any:
        if name in METHODS:
            return lambda *arguments: self.called.append((name, *arguments))
        return super().__getattribute__(name)


def _call(observers: Observers, name: str) -> tuple[Any, ...]:
    """Calls a method with arguments of which none matters; returns them."""
    method: Callable[..., None] = getattr(observers, name)
    arguments = tuple(object() for _ in inspect.signature(method).parameters)
    method(*arguments)
    return arguments


@pytest.mark.parametrize("name", METHODS)
def test_an_observer_that_raises_disturbs_neither_the_loop_nor_the_others(name: str) -> None:
    assert len(METHODS) == 10
    log = ToldLog()
    before, behind = Noting(), Noting()
    observers = Observers([before, Raising(), behind], log.bound)
    arguments = _call(observers, name)
    assert before.called == behind.called == [(name, *arguments)]
    assert log.lines == [
        ("an integration failed", {"source": "Raising", "error": "RuntimeError", "times": 1})
    ]
    assert "5ec4e7" not in str(log.lines)


def test_each_kind_of_failure_is_logged_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("kafka_processor.monitoring.failure_log.time.monotonic", lambda: now)
    log = ToldLog()
    failures = FailureLog(log.bound)
    for _ in range(100):
        for error in (ValueError, OSError):
            with failures.guarding("figures"):
                raise error
    assert [values["error"] for _, values in log.lines] == ["ValueError", "OSError"]
    now += 61
    failures.note("figures", OSError())
    assert log.lines[2:] == [
        ("an integration failed", {"source": "figures", "error": "OSError", "times": 100})
    ]


def test_a_log_that_raises_too_stops_nothing() -> None:
    class Broken:
        def error(self, *_: object, **__: object) -> None:
            raise OSError("no space left")

    observers = Observers([Raising()], Broken())  # type: ignore[arg-type]
    for name in METHODS:
        _call(observers, name)


def test_statistics_that_cannot_be_read_do_not_come_out_of_poll() -> None:
    log = ToldLog()
    insight = Insight(Heartbeat(), FailureLog(log.bound))
    for text in ("", "[]", '{"type": 5}', '{"type": "consumer", "topics": 5e999}', "\ud800"):
        insight.client_options["stats_cb"](text)
    wrong = '{"type": "consumer", "topics": {"t": {"partitions": {"x": {}}}}}'
    insight.client_options["stats_cb"](wrong)
    assert log.lines
    assert all(event == "an integration failed" for event, _ in log.lines)


def test_a_sender_that_raises_at_the_end_keeps_no_other_from_sending() -> None:
    calls: list[str] = []

    class Failing(Sender):
        def end(self, _error: BaseException | None) -> None:
            raise RuntimeError

        def wait(self, _timeout: float) -> None:
            raise RuntimeError

    class Working(Sender):
        def end(self, _error: BaseException | None) -> None:
            calls.append("end")

        def wait(self, _timeout: float) -> None:
            calls.append("wait")

    log = ToldLog()
    _flush([Failing(), Working()], None, Heartbeat(), FailureLog(log.bound))
    assert calls == ["end", "wait"]
    assert len(log.lines) == 1
