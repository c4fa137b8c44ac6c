"""Commits run on one thread that is kept, and without one the batch fails like any other."""

import threading
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
import structlog

from kafka_processor.clients.background_commit import BackgroundCommit, CommitThread
from kafka_processor.clients.disposal import free_in_background
from kafka_processor.config import load_settings
from kafka_processor.delivery.exactly_once import ExactlyOnceProducer
from kafka_processor.producer import BatchFailed
from kafka_processor.record_limits import RecordLimits
from kafka_processor.startup.logs import ClientLog
from tests.support.waiting import wait_until


def commit_of(step: Callable[[], None]) -> BackgroundCommit:
    return BackgroundCommit([step], timeout=5)


def refuse(_self: threading.Thread) -> NoReturn:
    raise RuntimeError("can't start new thread")


def test_all_commits_run_on_one_thread() -> None:
    threads, seen = CommitThread(), []
    for _ in range(3):
        commit = commit_of(lambda: seen.append(threading.current_thread()))
        threads.run(commit)
        assert commit.finished.wait(5)
        assert commit.exception is None
    assert len(set(seen)) == 1
    assert seen[0] is not threading.current_thread()
    threads.abandon()
    seen[0].join(5)
    assert not seen[0].is_alive()


def test_a_commit_that_fails_is_not_the_end_of_the_thread() -> None:
    threads = CommitThread()
    for reason in ("first", "second"):

        def fail(reason: str = reason) -> None:
            raise ValueError(reason)

        commit = commit_of(fail)
        threads.run(commit)
        assert commit.finished.wait(5)
        assert str(commit.exception) == reason
    threads.abandon()


def test_a_commit_that_hangs_does_not_hold_up_the_next() -> None:
    threads, release = CommitThread(), threading.Event()

    def hang() -> None:
        release.wait(10)

    hanging = commit_of(hang)
    threads.run(hanging)
    threads.abandon()
    commit = commit_of(lambda: None)
    threads.run(commit)
    assert commit.finished.wait(5)
    assert not hanging.finished.is_set()
    release.set()
    assert hanging.finished.wait(5)
    threads.abandon()


def test_without_a_thread_nothing_is_kept_that_would_never_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = CommitThread()
    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            threads.run(commit_of(lambda: None))
    commit = commit_of(lambda: None)
    threads.run(commit)
    assert commit.finished.wait(5)
    threads.abandon()


class StepsOnly(ExactlyOnceProducer):
    """Its commits have no steps, so that it needs no broker."""

    def _commit_steps(self, _offsets: Any) -> list[Callable[[], None]]:
        return []


def test_a_commit_without_a_thread_is_a_failed_batch_that_stays_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    consumer: Any = None
    log = ClientLog(structlog.get_logger())
    producer = StepsOnly(load_settings({}), consumer, RecordLimits(), log)
    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", refuse)
        with pytest.raises(BatchFailed, match="no thread for the commit"):
            producer.commit([])
        assert not producer.is_committing
    producer.commit([])
    producer.finish(5)
    assert not producer.is_committing


class Client:
    """Says when it is freed, and by whom."""

    freed: list[threading.Thread]

    def __init__(self, freed: list[threading.Thread]) -> None:
        self._freed = freed

    def __del__(self) -> None:
        self._freed.append(threading.current_thread())


def test_clients_are_freed_on_another_thread_if_need_be_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    freed: list[threading.Thread] = []
    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", refuse)
        free_in_background([Client(freed)])
    assert freed == []
    free_in_background([Client(freed)])
    wait_until(lambda: len(freed) == 2, "the end of both clients")
    assert threading.current_thread() not in freed
