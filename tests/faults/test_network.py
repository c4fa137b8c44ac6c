"""The network between daemon and broker: cut, slow, and cut in the middle of a commit."""

import pytest

from tests.faults.conftest import LONG_AT_LEAST_ONCE, MakeArena
from tests.faults.proxy import Api, Side
from tests.support.program import PROBLEM
from tests.support.waiting import wait_until

LATENCY = 0.05
"""Seconds in each direction: as between continents."""


@pytest.mark.parametrize("delivery", ["exactly-once", LONG_AT_LEAST_ONCE])
def test_cut_and_mended(arena_of: MakeArena, delivery: str) -> None:
    """The process waits, and goes on with the same clients or new ones."""
    with arena_of(f"network cut, {delivery}", delivery=delivery) as arena:
        daemon = arena.start(INSTANCE_ID="one")
        arena.wait_for_output()
        arena.wait_for_any_moment()
        arena.cluster.cut()
        daemon.wait_for_log(PROBLEM)
        arena.wait_for_empty_group()
        arena.begin_fault()
        arena.cluster.restore()
        arena.end_fault()


def test_short_cuts(arena_of: MakeArena) -> None:
    """Every connection is closed, again and again, and can be opened again at once."""
    with arena_of("all connections closed") as arena:
        arena.start()
        for _ in range(3):
            arena.wait_for_output()
            arena.wait_for_any_moment()
            arena.begin_fault()
            arena.cluster.close_connections()
            arena.end_fault()


def test_slow(arena_of: MakeArena) -> None:
    with arena_of("network slow, 100 ms there and back") as arena:
        arena.start()
        arena.wait_for_output()
        arena.cluster.slow_down(LATENCY)
        arena.begin_fault()
        arena.end_fault()
        arena.wait_for_output()


def test_narrow(arena_of: MakeArena) -> None:
    """A large batch does not get through in its time: they become smaller until one does."""
    with arena_of("network narrow, 300 kB a second") as arena:
        arena.load.pile_up(60_000)
        arena.cluster.narrow(300_000)
        arena.begin_fault()
        daemon = arena.start(TRANSACTION_TIMEOUT="2")
        daemon.wait_for_log("batch given up")  # by the client, or by the broker
        arena.end_fault()


@pytest.mark.parametrize(
    ("api", "side"),
    [
        pytest.param(Api.TXN_OFFSET_COMMIT, "request", id="offsets not sent"),
        pytest.param(Api.TXN_OFFSET_COMMIT, "response", id="offsets not answered"),
        pytest.param(Api.END_TXN, "request", id="commit not sent"),
        pytest.param(Api.END_TXN, "response", id="commit not answered"),
    ],
)
def test_cut_in_a_commit(arena_of: MakeArena, api: Api, side: Side) -> None:
    with arena_of("network cut in a commit") as arena:
        arena.start(INSTANCE_ID="one")
        arena.wait_for_output()
        with arena.holding(api, side):
            arena.begin_fault()
        arena.end_fault()


def test_commit_that_nobody_answers(arena_of: MakeArena) -> None:
    """Nothing comes back for as long as the process is willing to wait: it gives up the client."""
    with arena_of("commit held back for long") as arena:
        daemon = arena.start(INSTANCE_ID="one", TRANSACTION_TIMEOUT="3")
        arena.wait_for_output()
        with arena.holding(Api.END_TXN, "request"):
            wait_until(
                lambda: bool(daemon.lines_with("batch given up")),
                lambda: f"a batch that is given up:\n{daemon.log}",
            )
            arena.begin_fault()
        arena.end_fault()
