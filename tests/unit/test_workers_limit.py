"""Workers where the system has no process to give for a while."""

import threading
from typing import Any, NoReturn

import pytest
import structlog
from structlog.testing import capture_logs

from kafka_processor.startup import workers


def test_a_worker_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stopping = threading.Event()
    attempts = []

    def refuse(*_: Any) -> NoReturn:
        attempts.append(1)
        if len(attempts) == 3:
            stopping.set()
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(workers, "_start", refuse)
    monkeypatch.setattr(workers, "RESTART_PAUSE", 0.0)
    monkeypatch.setattr(workers, "CHECK_INTERVAL", 0.001)
    log: Any = structlog.get_logger()
    with capture_logs() as lines:
        assert workers.supervise([{}], lambda: 0, stopping, log) == 0
    assert len(attempts) == 3
    assert {line["event"] for line in lines} == {"cannot start a worker yet"}
    assert lines[0]["error"] == "Resource temporarily unavailable"
