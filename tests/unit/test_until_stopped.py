"""A start that waits for a broker ends with the signal, and what it finds out arrives otherwise."""

import threading
import time

import pytest

from kafka_processor.errors import TopicsNotReadyError
from kafka_processor.startup.daemon import until_stopped


def test_the_answer_arrives() -> None:
    assert until_stopped(lambda: 7, threading.Event(), lambda: None) == 7


def test_an_exception_arrives() -> None:
    def fail() -> int:
        raise TopicsNotReadyError("missing output topics: a")

    with pytest.raises(TopicsNotReadyError, match="missing output topics: a"):
        until_stopped(fail, threading.Event(), lambda: None)


def test_a_stop_waits_for_no_answer() -> None:
    stopping, answered = threading.Event(), threading.Event()
    threading.Timer(0.05, stopping.set).start()
    began = time.monotonic()
    assert until_stopped(lambda: answered.wait(20), stopping, lambda: None) is None
    assert time.monotonic() - began < 5
    answered.set()
