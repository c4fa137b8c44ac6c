"""Limits on the connections of the dashboard, which its HTTP server has no settings for."""

import asyncio
import os
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from kafka_processor.terminal.endings import print_error

MAX_CONNECTIONS: Final = 128
REQUEST_TIMEOUT: Final = 10.0
"""Seconds for a request's head to arrive, and for the end of an answer to be taken."""
STALL_TIMEOUT: Final = 30.0
"""Seconds for a client to take what waits for it, 64 KB, while an answer is under way."""
LOG_INTERVAL: Final = 60.0
"""Seconds between two lines about errors of one kind."""
BACKLOG: Final = 32
"""Connections that wait to be accepted, and those accepted at once before limits hold."""
MAX_HEAD: Final = 16 * 1024
"""Bytes of a request's head."""


class LimitedProtocol(H11Protocol):
    """A connection with one request: `guard.py` has each answer close it."""

    opened: ClassVar[dict["LimitedProtocol", None]]
    """Those of one server, the oldest first."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._stalled: asyncio.TimerHandle | None = None
        self._was_answered = False
        self._next_look = self.loop.call_later(REQUEST_TIMEOUT, self._look)
        if len(self.opened) >= MAX_CONNECTIONS:
            # A browser asks at once: the oldest that has not is the least likely to be one.
            silent = (each for each in self.opened if each.cycle is None)
            next(silent, self)._end()
        self.opened[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.opened.pop(self, None)
        self._next_look.cancel()
        self._forget_stall()
        super().connection_lost(exc)

    def _look(self) -> None:
        if self.cycle is None or self._was_answered:
            self._end()
        else:
            self._was_answered = self.cycle.response_complete
            self._next_look = self.loop.call_later(REQUEST_TIMEOUT, self._look)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._forget_stall()
        self._stalled = self.loop.call_later(STALL_TIMEOUT, self._end)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._forget_stall()

    def _forget_stall(self) -> None:
        if self._stalled:
            self._stalled.cancel()

    def _end(self) -> None:
        self.opened.pop(self, None)
        self.transport.abort()


def limited_protocol() -> type[LimitedProtocol]:
    """For one server."""
    return type("Protocol", (LimitedProtocol,), {"opened": {}})


class LoopErrors:
    """Takes what the event loop would write a traceback for: one for each connection that it cannot
    accept, for want of files, which is thousands a second."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else ""
        kind = reason or type(error).__name__
        if loop.time() >= self._next.get(kind, 0.0):
            self._next[kind] = loop.time() + LOG_INTERVAL
            print_error(f"the page's server goes on after an error: {kind}")
