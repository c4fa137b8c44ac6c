"""Several processes share the work as one consumer group."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.job import Job, MakeJob
from tests.support.load import assert_each_once, assert_order_kept, evenly, send_load
from tests.support.program import Daemon
from tests.support.waiting import wait_until

CHUNK = 200


class Load:
    """Keeps sending events to all partitions, from a thread of its own."""

    def __init__(self, job: Job) -> None:
        self.sent = 0
        self._job = job
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def _send(self) -> None:
        while not self._end.wait(0.1):
            send_load(self._job, CHUNK, first=self.sent)
            self.sent += CHUNK

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._end.set()
            self._thread.join()


def start_members(job: Job, count: int) -> list[Daemon]:
    settings = job.settings(SESSION_TIMEOUT="6", MAX_MESSAGE_AGE="0")
    daemons = [job.launch(settings) for _ in range(count)]
    for daemon in daemons:
        daemon.wait_for_start()
    wait_for_shares(job, count)
    return daemons


def wait_for_shares(job: Job, members: int, timeout: float = 30) -> None:
    """Return once so many members share all partitions evenly."""

    def shared() -> bool:
        shares = list(job.members().values())
        owned = sorted(partition for share in shares for partition in share)
        return (
            len(shares) == members
            and owned == list(range(job.partitions))
            and max(map(len, shares)) - min(map(len, shares)) <= 1
        )

    wait_until(shared, lambda: f"{members} members with equal shares: {job.members()}", timeout)


def wait_for_progress(job: Job) -> None:
    """Return once every partition has got further."""
    before = job.committed()
    wait_until(
        lambda: all(job.committed().get(n, 0) > before.get(n, 0) for n in range(job.partitions)),
        lambda: f"progress of all partitions: {before} -> {job.committed()}",
    )


def assert_all_done(job: Job, load: Load, daemons: list[Daemon]) -> None:
    wait_until(
        lambda: job.committed_total() == load.sent,
        lambda: f"{load.sent} messages done: {job.committed()}",
        45,
    )
    for daemon in daemons:
        daemon.stop()
    results = job.results()
    assert_each_once(job, results, evenly(job, load.sent))
    assert_order_kept(results)


def test_one_joins_and_one_leaves(make_job: MakeJob) -> None:
    job = make_job(4)
    load = Load(job)
    with load.running():
        (first,) = start_members(job, 1)
        wait_for_progress(job)
        second = job.start(SESSION_TIMEOUT="6", MAX_MESSAGE_AGE="0")
        wait_for_shares(job, 2)
        wait_for_progress(job)
        first.stop()
        wait_for_shares(job, 1)
        wait_for_progress(job)
    assert_all_done(job, load, [second])


def test_one_is_killed_and_one_is_frozen(make_job: MakeJob) -> None:
    job = make_job(4)
    load = Load(job)
    with load.running():
        healthy, frozen, killed = start_members(job, 3)
        wait_for_progress(job)
        killed.kill()
        frozen.process.send_signal(signal.SIGSTOP)
        try:
            wait_for_shares(job, 1)
            wait_for_progress(job)
        finally:
            frozen.process.send_signal(signal.SIGCONT)
        wait_for_shares(job, 2)
        wait_for_progress(job)
    assert_all_done(job, load, [healthy, frozen])


def test_more_members_than_partitions(job: Job) -> None:
    """One without partitions says that it has started, and takes over when the other leaves."""
    first = job.start()
    second = job.start()
    wait_until(lambda: sorted(job.members().values()) == [[], [0]], "one idle member")
    send_load(job, 20)
    job.wait_for_lines(20)
    first.stop()
    send_load(job, 20, first=20)
    job.wait_for_lines(40)
    second.stop()
    assert_each_once(job, job.results(), {0: 40})


def test_second_process_with_the_same_instance_id(job: Job) -> None:
    """It takes over, and the first one says why it exits."""
    first = job.start(INSTANCE_ID="one")
    send_load(job, 20)
    job.wait_for_lines(20)
    second = job.start(INSTANCE_ID="one")
    send_load(job, 20, first=20)
    assert first.wait() == 1
    assert "INSTANCE_ID" in first.log, first.log
    job.wait_for_lines(40)
    second.stop()
    assert_each_once(job, job.results(), {0: 40})


def test_second_process_with_the_same_instance_id_without_load(job: Job) -> None:
    first = job.start(INSTANCE_ID="one")
    second = job.start(INSTANCE_ID="one")
    assert first.wait() == 1
    assert "INSTANCE_ID" in first.log, first.log
    second.stop()


def test_crashed_process_is_replaced_at_once(job: Job) -> None:
    """With an INSTANCE_ID the successor does not wait for the session to time out."""
    first = job.start(INSTANCE_ID="one", SESSION_TIMEOUT="60")
    send_load(job, 20)
    job.wait_for_lines(20)
    first.kill()
    send_load(job, 20, first=20)
    second = job.start(INSTANCE_ID="one", SESSION_TIMEOUT="60")
    job.wait_for_lines(40, timeout=15)
    second.stop()
    assert_each_once(job, job.results(), {0: 40})
