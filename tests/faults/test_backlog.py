"""Faults while a backlog is worked off: then a batch is nearly always open, and being published."""

import pytest

from tests.faults.arena import Arena
from tests.faults.conftest import MakeArena
from tests.support.program import Daemon
from tests.support.waiting import wait_until

BACKLOG = 100_000
LEFT = 10_000
"""Messages that have to be left when the fault takes place."""


@pytest.fixture
def rounds(kills: int) -> int:
    """Fewer: each is hundreds of thousands of messages, all to be accounted for."""
    return (kills + 4) // 5


class Backlog:
    """So many messages more, and where the work on them has come to.

    To be made while nobody works: else they are worked off as they arrive.
    """

    def __init__(self, arena: Arena, messages: int = BACKLOG) -> None:
        self._arena = arena
        self._before = arena.job.committed_total()
        arena.load.pile_up(messages)

    @property
    def left(self) -> int:
        return self._arena.load.end - self._arena.job.committed_total()

    def wait_for_middle(self) -> None:
        """Return when the work on it is under way, after a random number of messages."""
        target = self._before + self._arena.random.randint(1, BACKLOG // 4)
        wait_until(
            lambda: self._arena.job.committed_total() >= target,
            lambda: f"{target} messages done: {self._arena.job.committed()}",
        )


def launch(arena: Arena, **settings: str) -> Daemon:
    """Past the proxies, which are slower than the daemon."""
    return arena.launch(KAFKA_BOOTSTRAP_SERVERS=arena.cluster.servers, **settings)


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_killed(arena_of: MakeArena, rounds: int, delivery: str) -> None:
    with arena_of(f"SIGKILL in a backlog, {delivery}", delivery=delivery) as arena:
        for _ in range(rounds):
            backlog = Backlog(arena)
            daemon = launch(arena, INSTANCE_ID="one")
            backlog.wait_for_middle()
            daemon.kill()
            assert backlog.left > LEFT
            arena.begin_fault()
            daemon = launch(arena, INSTANCE_ID="one")
            arena.end_fault()
            daemon.kill()
        launch(arena, INSTANCE_ID="one")


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_stopped(arena_of: MakeArena, rounds: int, delivery: str) -> None:
    with arena_of(f"stopped in a backlog, {delivery}", delivery=delivery) as arena:
        for _ in range(rounds):
            backlog = Backlog(arena)
            daemon = launch(arena)
            backlog.wait_for_middle()
            daemon.stop()
            assert backlog.left > LEFT
            arena.begin_fault()
            daemon = launch(arena)
            arena.end_fault()
            daemon.stop()
        launch(arena)


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_partitions_are_taken_away(arena_of: MakeArena, rounds: int, delivery: str) -> None:
    """A second member joins the first one at work, which hears of it with its next heartbeat: in
    half a second, in which it works off tens of thousands of messages."""
    with arena_of(f"a member joins in a backlog, {delivery}", delivery=delivery) as arena:
        for _ in range((rounds + 1) // 2):
            backlog = Backlog(arena, 2 * BACKLOG)
            first, second = (launch(arena, SESSION_TIMEOUT="2") for _ in range(2))
            second.wait_for_log("starting")
            with second.frozen():
                backlog.wait_for_middle()
            first.wait_for_log(r"revoked +partitions=\[\d")
            assert backlog.left > LEFT
            arena.begin_fault()
            arena.end_fault()
            arena.job.wait_for_shares(2)
            first.stop()
            second.stop()
        launch(arena)


def test_partitions_are_lost(arena_of: MakeArena) -> None:
    """Others have them when it wakes up: what it has published and not committed is dropped."""
    with arena_of("frozen beyond the session timeout in a backlog") as arena:
        backlog = Backlog(arena)
        first = launch(arena)
        backlog.wait_for_middle()
        with first.frozen():
            assert backlog.left > LEFT
            arena.begin_fault()
            launch(arena).wait_for_log("partitions assigned")
            arena.end_fault()
        arena.job.wait_for_shares(2)
        assert first.lines_with("lost|given up"), first.log
