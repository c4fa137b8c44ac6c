"""Fixtures of all tests: one broker for the session, a job of its own for each test.

With pytest-xdist each of its processes has a broker of its own.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.report import Report
from tests.support.brokers import run_broker
from tests.support.job import Job, MakeJob, Site
from tests.support.program import copy_program

_faults = Report()


def pytest_configure() -> None:
    """Sets what other processes inherit."""
    os.environ.setdefault("FAULT_SEED", secrets.token_hex(4))
    # Brokers live for minutes here: compiling less takes a third less of their processor time.
    os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "teardown":
        _faults.add_properties(report.user_properties)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = _faults.lines()
    if not lines:
        return
    if file := os.environ.get("FAULT_REPORT"):
        _faults.save(Path(file))
    terminalreporter.section(f"faults survived, seed {os.environ['FAULT_SEED']}")
    for line in lines:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """Bootstrap servers of a real Kafka.

    TEST_BOOTSTRAP_SERVERS names one that runs; TEST_KAFKA=docker starts one in a container;
    otherwise a local one is started from pip.
    """
    with run_broker() as servers:
        yield servers


@pytest.fixture(scope="session")
def site(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    program = copy_program(tmp_path_factory.mktemp("program"))
    return Site(broker, program, tmp_path_factory.mktemp("daemons"))


@pytest.fixture
def make_job(site: Site) -> Iterator[MakeJob]:
    """Makes jobs with the arguments of `Job`, and cleans up after them."""
    with ExitStack() as stack:

        def make(partitions: int | None = 4, padding: str = "") -> Job:
            return stack.enter_context(Job(site, partitions, padding))

        yield make


@pytest.fixture
def job(make_job: MakeJob) -> Job:
    """A job with one input partition."""
    return make_job(1)
