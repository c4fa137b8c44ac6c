"""Fixtures of all tests: one broker for the session, a job of its own for each test.

With pytest-xdist each of its processes has a broker of its own.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.cluster import Cluster, run_cluster
from tests.faults.report import Report
from tests.support.brokers import given_broker
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
def cluster() -> Iterator[Cluster]:
    """A local broker behind a proxy, with an authorizer; a test may kill it."""
    with run_cluster(1) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Iterator[str]:
    """Bootstrap servers of a real Kafka.

    TEST_BOOTSTRAP_SERVERS names one that runs; TEST_KAFKA=docker starts one in a container;
    otherwise it is the local one.
    """
    with given_broker() as given:
        yield given or request.getfixturevalue("cluster").servers


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package."""
    return copy_program(tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="session")
def site(broker: str, program: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
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
