"""`--workers N`: several members of the group, each in a process of its own.

A member that is killed or crashes is restarted. One that exits ends all of them with its exit code:
its cause (wrong settings, no permission, another process with its INSTANCE_ID) has to be fixed by
an operator.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

from kafka_processor.terminal.streams import guard_streams
from kafka_processor.timing import Deadline

RESTART_PAUSE: Final = 1.0
"""Seconds before a killed member is restarted."""
STOP_TIMEOUT: Final = 10.0
"""Seconds for members to stop: twice the limit of a single process."""
CHECK_INTERVAL: Final = 0.2
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

_processes = multiprocessing.get_context("spawn")  # threads of the client do not survive a fork


def supervise(
    environments: Sequence[Mapping[str, str]],
    run_member: Callable[[], int],
    stopping: threading.Event,
    log: FilteringBoundLogger,
) -> int:
    """Runs a member for each environment until `stopping` is set; returns the exit code.

    `run_member` runs one and returns its exit code; it has to be picklable. An environment has the
    variables that the member gets in addition to ours.
    """
    members: dict[int, BaseProcess] = {}
    due = dict.fromkeys(range(len(environments)), Deadline(0))
    """When to start the members that are not running."""
    exit_code = 0
    try:
        while not stopping.is_set():
            for number in [each for each, at in due.items() if at.has_passed]:
                if stopping.is_set():
                    break
                try:
                    members[number] = _start(environments[number], run_member)
                    del due[number]
                except OSError as error:  # no more processes
                    due[number] = Deadline(RESTART_PAUSE)
                    log.warning(
                        "cannot start a worker yet", worker=number + 1, error=error.strerror
                    )
            wait([member.sentinel for member in members.values()], CHECK_INTERVAL)
            for number, member in list(members.items()):
                if member.exitcode is None:
                    continue
                del members[number]
                if member.exitcode >= 0:
                    exit_code = member.exitcode
                    stopping.set()
                    break
                signal_name = signal.strsignal(-member.exitcode)
                log.error(
                    "a worker was killed and will be restarted",
                    worker=number + 1,
                    signal=signal_name,
                )
                due[number] = Deadline(RESTART_PAUSE)
    finally:
        _stop(members.values())
    return exit_code


def _start(environment: Mapping[str, str], run_member: Callable[[], int]) -> BaseProcess:
    try:
        Path.cwd()
    except FileNotFoundError:  # spawn fails in a deleted folder
        os.chdir("/")
    member = _processes.Process(target=_be_member, args=(environment, run_member), daemon=True)
    resource_tracker.ensure_running()  # if `start` has to do it, it unblocks signals
    # A signal before the member has its handlers would end it with a traceback.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        member.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    return member


def _be_member(environment: Mapping[str, str], run_member: Callable[[], int]) -> None:
    guard_streams()
    os.environ.update(environment)
    watcher = threading.Thread(target=_end_with_parent, daemon=True)
    while True:
        try:
            watcher.start()
            break
        except RuntimeError:  # no more threads
            time.sleep(RESTART_PAUSE)
    sys.exit(run_member())


def _end_with_parent() -> None:
    """Ends a member whose supervisor was killed: it would run on, beside those of the next one."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _stop(members: Iterable[BaseProcess]) -> None:
    deadline = Deadline(STOP_TIMEOUT)
    for member in members:
        member.terminate()
    for member in members:
        member.join(deadline.seconds_left)
        if member.exitcode is None:
            member.kill()
