"""Fixtures of the fault tests. `make faults` sets FAULT_SEED, FAULT_KILLS and FAULT_REPORT."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.faults.arena import Arena
from tests.faults.cluster import Cluster
from tests.faults.report import Row, property_of
from tests.support.job import Site

LONG_AT_LEAST_ONCE = pytest.param("at-least-once", marks=pytest.mark.long)


class MakeArena(Protocol):
    """The fixture `arena_of`: a job under load; `fault` names its row.

    options: of `Arena`.
    """

    def __call__(self, fault: str, **options: Any) -> AbstractContextManager[Arena]: ...


@pytest.fixture(scope="session")
def kills() -> int:
    """How often a test repeats its fault: once, or many times in a long run."""
    return int(os.environ.get("FAULT_KILLS", "1"))


@pytest.fixture
def arena_of(
    cluster: Cluster,
    program: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[MakeArena]:
    rows: list[Row] = []

    def make(fault: str, **options: Any) -> AbstractContextManager[Arena]:
        site = Site(cluster.servers, program, tmp_path)
        seed = f"{os.environ['FAULT_SEED']} {request.node.name}"
        rows.append(Row(fault))
        return Arena(cluster, site, rows[-1], seed, **options).running()

    yield make
    request.node.user_properties.extend(map(property_of, rows))
