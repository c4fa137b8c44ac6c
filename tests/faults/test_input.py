"""An input that was itself written in transactions, with aborted ones in it."""

import pytest

from tests.faults.conftest import LONG_AT_LEAST_ONCE, MakeArena
from tests.faults.load import TransactionalLoad
from tests.faults.test_killed_daemon import replace_by


@pytest.mark.parametrize("delivery", ["exactly-once", LONG_AT_LEAST_ONCE])
def test_transactions_in_the_input(arena_of: MakeArena, kills: int, delivery: str) -> None:
    """Committed and aborted ones, and a daemon that is killed while it reads them."""
    fault = f"SIGKILL, aborted transactions in the input, {delivery}"
    with arena_of(fault, delivery=delivery, load=TransactionalLoad) as arena:
        daemon = arena.start(INSTANCE_ID="one")
        for _ in range(kills):
            arena.wait_for_output()
            arena.wait_for_any_moment()
            daemon = replace_by(arena, daemon, INSTANCE_ID="one")
        assert isinstance(arena.load, TransactionalLoad) and arena.load.aborted
