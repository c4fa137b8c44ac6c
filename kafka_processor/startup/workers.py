"""`--workers N`: several members of the group in one command, each a process of its own.

A member that is killed, or crashes, is started again. One that ends by itself ends them all, with
its exit code: what ends a single process (wrong settings, no permission, another process with its
INSTANCE_ID) is for whoever runs it to put right.
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

RESTART_PAUSE: Final = 1.0
"""Seconds before a member that was killed is started again."""
STOP_TIMEOUT: Final = 10.0
"""Seconds that members have to end; twice what one takes at most."""
CHECK_INTERVAL: Final = 0.2
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

_processes = multiprocessing.get_context("spawn")  # a fork would share the client's threads


def supervise(
    environments: Sequence[Mapping[str, str]],
    run_member: Callable[[], int],
    stopping: threading.Event,
    log: FilteringBoundLogger,
) -> int:
    """Runs a member for each of the environments, until `stopping`.

    Returns the exit code of the whole. `run_member`, a function of a module, runs one and returns
    its exit code; an environment is what the member has beyond ours.
    """
    members: dict[int, BaseProcess] = {}
    due = dict.fromkeys(range(len(environments)), 0.0)
    """When to start those that do not run."""
    exit_code = 0
    try:
        while not stopping.is_set():
            for number in [each for each, at in due.items() if time.monotonic() >= at]:
                if stopping.is_set():
                    break
                try:
                    members[number] = _start(environments[number], run_member)
                    del due[number]
                except OSError as error:  # the system has no process to give
                    due[number] = time.monotonic() + RESTART_PAUSE
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
                    "a worker was killed, will start it again",
                    worker=number + 1,
                    signal=signal_name,
                )
                due[number] = time.monotonic() + RESTART_PAUSE
    finally:
        _stop(members.values())
    return exit_code


def _start(environment: Mapping[str, str], run_member: Callable[[], int]) -> BaseProcess:
    try:
        Path.cwd()
    except FileNotFoundError:  # spawn fails in a deleted folder
        os.chdir("/")
    member = _processes.Process(target=_be_member, args=(environment, run_member), daemon=True)
    resource_tracker.ensure_running()  # which lets signals through, if `start` has to do it
    # A signal that arrives before the member heeds it would end it with a traceback.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        member.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    return member


def _be_member(environment: Mapping[str, str], run_member: Callable[[], int]) -> None:
    os.environ.update(environment)
    watching_parent = threading.Thread(target=_end_with_parent, daemon=True)
    while True:
        try:
            watching_parent.start()
            break
        except RuntimeError:  # the system has no thread to give
            time.sleep(RESTART_PAUSE)
    sys.exit(run_member())


def _end_with_parent() -> None:
    """A member whose supervisor was killed would go on unseen, beside those of its successor."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _stop(members: Iterable[BaseProcess]) -> None:
    deadline = time.monotonic() + STOP_TIMEOUT
    for member in members:
        member.terminate()
    for member in members:
        member.join(max(deadline - time.monotonic(), 0))
        if member.exitcode is None:
            member.kill()
