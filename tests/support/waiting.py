"""Waiting on conditions: every wait of the integration tests goes through here."""

import time
from collections.abc import Callable

TIMEOUT = 30.0
"""Seconds that anything may take which is usually there within one or two."""


def wait_until(
    condition: Callable[[], bool], what: str | Callable[[], str], timeout: float = TIMEOUT
) -> None:
    """Return once `condition` holds. Raises AssertionError with `what` after `timeout` seconds."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        if waited > timeout:
            raise AssertionError(
                f"not within {timeout:.0f} s: {what if isinstance(what, str) else what()}"
            )
        # Most conditions ask a broker: the longer it takes, the less it matters to know at once.
        time.sleep(min(max(0.02, waited / 20), 0.1))
