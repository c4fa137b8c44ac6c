"""Frees clients that are no longer used, each on a thread of its own.

A client waits for its own calls when it is freed, and one of them may hang.
"""

import threading
from contextlib import suppress
from typing import Any, Final

_unused: Final[list[list[Any]]] = []
"""Clients that no thread has freed yet."""


def free_in_background(clients: list[Any]) -> None:
    """Empties the list, which must hold the only references to the clients. Does not wait.

    If the system cannot start a thread, they are freed with the next ones.
    """
    _unused.append(clients)
    with suppress(RuntimeError):
        threading.Thread(target=_free, name="free clients", daemon=True).start()


def _free() -> None:
    with suppress(IndexError):
        while True:
            _unused.pop().clear()
