"""Waiting on conditions: every wait of the integration tests goes through here."""

import time
from collections.abc import Callable

TIMEOUT = 30.0
"""Seconds that anything may take which is usually there within one or two."""


def wait_until(
    condition: Callable[[], bool], what: str | Callable[[], str], timeout: float = TIMEOUT
) -> None:
    """Return once `condition` holds. Raises AssertionError with `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(
                f"not within {timeout:.0f} s: {what if isinstance(what, str) else what()}"
            )
        time.sleep(0.02)
