"""Fixtures of the fault tests. `make faults` sets FAULT_SEED, FAULT_KILLS and FAULT_REPORT."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.faults.arena import Arena
from tests.faults.cluster import Cluster, run_cluster
from tests.faults.report import Row, property_of
from tests.support.job import Site
from tests.support.program import copy_program

LONG_AT_LEAST_ONCE = pytest.param("at-least-once", marks=pytest.mark.long)


class MakeArena(Protocol):
    """The fixture `arena_of`: a job under load on some brokers; `fault` names its row.

    options: of `Arena`.
    """

    def __call__(
        self, fault: str, *, brokers: int = 1, **options: Any
    ) -> AbstractContextManager[Arena]: ...


@pytest.fixture(scope="session")
def kills() -> int:
    """How often a test kills a daemon: once or twice, or many times in a long run."""
    return int(os.environ.get("FAULT_KILLS", "2"))


@pytest.fixture(scope="session")
def clusters() -> Iterator[dict[int, Cluster]]:
    """By number of brokers; a cluster is started when a test first asks for it."""
    with ExitStack() as stack:
        yield _Clusters(stack)


class _Clusters(dict[int, Cluster]):
    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __missing__(self, brokers: int) -> Cluster:
        self[brokers] = self._stack.enter_context(run_cluster(brokers))
        return self[brokers]


@pytest.fixture(scope="session")
def fault_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_program(tmp_path_factory.mktemp("fault-program"))


@pytest.fixture
def arena_of(
    clusters: dict[int, Cluster],
    fault_program: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[MakeArena]:
    rows: list[Row] = []

    def make(fault: str, *, brokers: int = 1, **options: Any) -> AbstractContextManager[Arena]:
        cluster = clusters[brokers]
        site = Site(cluster.servers, fault_program, tmp_path)
        seed = f"{os.environ['FAULT_SEED']} {request.node.name}"
        rows.append(Row(fault))
        return Arena(cluster, site, rows[-1], seed, **options).running()

    yield make
    request.node.user_properties.extend(map(property_of, rows))
