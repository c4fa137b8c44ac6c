"""The wall clock is stepped back: nothing waits by it, so nobody notices.

A library that is preloaded into the daemon does it, since stepping the clock of the machine takes
privileges and would be felt by all that runs on it.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.job import Job
from tests.support.load import event
from tests.support.program import PROJECT_FOLDER
from tests.support.waiting import wait_until

SOURCE = PROJECT_FOLDER / "tests" / "support" / "stepped_clock.c"
SESSION_TIMEOUT = 6.0
"""Seconds; the shortest that a broker allows by default."""
MINUTE = 60
STEPS = 6
"""At different moments of the second in which the client's main thread sleeps at most."""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler or sys.platform != "linux":
        pytest.skip("a C compiler and Linux are needed to step a clock")
    library = tmp_path_factory.mktemp("clock") / "stepped_clock.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True, timeout=60
    )
    return library


def test_an_idle_process_stays_a_member_and_stops_in_time(
    job: Job, library: Path, tmp_path: Path
) -> None:
    offset = tmp_path / "offset"
    offset.write_text("0")
    preloaded = {"LD_PRELOAD": os.fspath(library), "STEPPED_CLOCK": os.fspath(offset)}
    daemon = job.start(SESSION_TIMEOUT=f"{SESSION_TIMEOUT:g}", MAX_MESSAGE_AGE="0", **preloaded)
    wait_until(lambda: job.committed() == {0: 0}, "the start offset, after which nothing happens")
    for step in range(1, STEPS + 1):
        offset.write_text(str(-step * MINUTE))
        time.sleep(0.37)
    stepped = time.monotonic()

    def session_is_over() -> bool:
        assert job.group_state() == "STABLE", daemon.log
        return time.monotonic() - stepped > SESSION_TIMEOUT + 2

    wait_until(session_is_over, "the end of a session without heartbeats")
    job.send_all([event(0, 1)])
    job.wait_for_lines(1)
    daemon.stop()
