"""SIGKILL of the daemon under load: at random moments, and at chosen ones."""

import pytest

from tests.faults.arena import Arena
from tests.faults.conftest import MakeArena
from tests.faults.proxy import Api, Side
from tests.support.program import Daemon
from tests.support.waiting import wait_until


def replace_by(arena: Arena, killed: Daemon, **settings: str) -> Daemon:
    """Kills one and starts another at once, as a supervisor does."""
    arena.begin_fault()
    killed.kill()
    daemon = arena.launch(**settings)
    arena.end_fault()
    return daemon


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
@pytest.mark.parametrize("instance", ["with", "without"])
def test_at_random_moments(arena_of: MakeArena, kills: int, delivery: str, instance: str) -> None:
    settings = {"INSTANCE_ID": "one"} if instance == "with" else {}
    fault = f"SIGKILL, {instance} INSTANCE_ID, {delivery}"
    with arena_of(fault, delivery=delivery) as arena:
        daemon = arena.start(**settings)
        # Without, each costs up to twenty seconds.
        for _ in range(kills if settings else (kills + 1) // 2):
            arena.wait_for_output()
            arena.wait_for_any_moment()
            daemon = replace_by(arena, daemon, **settings)


@pytest.mark.parametrize(
    ("api", "side", "state"),
    [
        pytest.param(Api.TXN_OFFSET_COMMIT, "request", "Ongoing", id="offsets not sent"),
        pytest.param(Api.END_TXN, "request", "Ongoing", id="commit not sent"),
        pytest.param(Api.END_TXN, "response", "Commit", id="commit not answered"),
    ],
)
@pytest.mark.parametrize("instance", ["with", pytest.param("without", marks=pytest.mark.long)])
def test_in_a_transaction(
    arena_of: MakeArena, api: Api, side: Side, state: str, instance: str
) -> None:
    """The broker names the state that its transaction was in when the process was killed."""
    settings = {"INSTANCE_ID": "one"} if instance == "with" else {}
    with arena_of(f"SIGKILL in a transaction, {instance} INSTANCE_ID") as arena:
        daemon = arena.start(**settings)
        arena.wait_for_output()
        with arena.holding(api, side):
            wait_until(
                lambda: any(state in each for each in arena.transaction_states()),
                lambda: f"a transaction in state {state}: {arena.transaction_states()}",
            )
            arena.begin_fault()
            daemon.kill()
        arena.launch(**settings)
        arena.end_fault()


def test_at_least_once_with_acknowledged_records_and_uncommitted_offsets(
    arena_of: MakeArena,
) -> None:
    with arena_of("SIGKILL before the offsets commit, at-least-once", delivery="at-least-once") as (
        arena
    ):
        daemon = arena.start(INSTANCE_ID="one")
        arena.wait_for_output()
        with arena.holding(Api.OFFSET_COMMIT, "request"):
            arena.begin_fault()
            daemon.kill()
        arena.launch(INSTANCE_ID="one")
        arena.end_fault()


@pytest.mark.parametrize(
    "victim", ["the leader", pytest.param("the one that joins", marks=pytest.mark.long)]
)
def test_in_a_rebalance(arena_of: MakeArena, victim: str) -> None:
    with arena_of("SIGKILL in a rebalance") as arena:
        leader = arena.start()
        arena.wait_for_output()
        with arena.holding(Api.SYNC_GROUP, "request", until_held=False) as is_held:
            joining = arena.launch()
            wait_until(is_held.is_set, "a held SYNC_GROUP")
            wait_until(
                lambda: arena.job.group_state() == "COMPLETING_REBALANCING",
                lambda: f"the middle of a rebalance: {arena.job.group_state()}",
            )
            arena.begin_fault()
            (leader if victim == "the leader" else joining).kill()
        arena.end_fault()
