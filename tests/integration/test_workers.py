"""`--workers N`: several members in one command."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

from tests.support.job import Job, MakeJob
from tests.support.load import assert_each_once, evenly, send_load
from tests.support.program import Daemon
from tests.support.waiting import wait_until

WORKERS = ("-m", "kafka_processor", "--workers", "2")


@pytest.fixture
def job(make_job: MakeJob) -> Job:
    return make_job(4)


def workers_of(daemon: Daemon) -> list[psutil.Process]:
    """The members; the process that cleans up for `multiprocessing` is none."""
    children = psutil.Process(daemon.process.pid).children()
    return [each for each in children if "spawn_main" in " ".join(each.cmdline())]


def is_over(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextmanager
def workers(job: Job, **settings: str) -> Iterator[Daemon]:
    daemon = job.launch(job.settings(**settings), WORKERS).wait_for_start()
    job.wait_for_shares(2)
    children = workers_of(daemon)
    try:
        yield daemon
    finally:
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()


def test_a_killed_worker_is_replaced_and_nothing_is_lost_or_doubled(job: Job) -> None:
    with workers(job, SESSION_TIMEOUT="6", TRANSACTION_TIMEOUT="10") as daemon:
        send_load(job, 400)
        job.wait_for_lines(400)
        victim = workers_of(daemon)[0]
        victim.kill()
        daemon.wait_for_log("a worker was killed.*Killed")
        send_load(job, 400, first=400)
        job.wait_for_lines(800)
        wait_until(lambda: len(workers_of(daemon)) == 2, "the worker's successor")
        assert victim.pid not in {each.pid for each in workers_of(daemon)}
        daemon.stop()
        assert_each_once(job, job.results(), evenly(job, 800))


def test_workers_have_instance_ids_of_their_own(job: Job) -> None:
    with workers(job, INSTANCE_ID="node", SESSION_TIMEOUT="60") as daemon:
        workers_of(daemon)[0].kill()
        send_load(job, 40)
        job.wait_for_lines(40, timeout=15)  # far below the session timeout
        daemon.stop()
        assert_each_once(job, job.results(), evenly(job, 40))


def test_a_signal_to_the_whole_group_of_processes_ends_all_with_code_0(job: Job) -> None:
    """As Ctrl-C in a terminal does."""
    with workers(job) as daemon:
        children = workers_of(daemon)
        for child in children:
            child.send_signal(signal.SIGINT)
        daemon.stop(signal.SIGINT)
        assert all(map(is_over, children))


def test_workers_do_not_outlive_a_killed_supervisor(job: Job) -> None:
    with workers(job) as daemon:
        children = workers_of(daemon)
        daemon.kill()
        wait_until(lambda: all(map(is_over, children)), "their end")


def test_a_worker_that_ends_by_itself_ends_all_with_its_code(job: Job) -> None:
    """Such as for its INSTANCE_ID, which another process has taken."""
    with workers(job, INSTANCE_ID="node") as daemon:
        other = job.start(INSTANCE_ID="node-1")
        send_load(job, 40)
        assert daemon.wait(30) == 1
        assert "INSTANCE_ID" in daemon.log
        job.wait_for_lines(40)
        other.stop()
