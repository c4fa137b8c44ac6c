"""One snapshot a second, made once for all browsers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

INTERVAL: Final = 1.0
TURN: Final = 0.1
"""Seconds within which it is noticed that the server is to stop."""


class Hub:
    """`make` is called on a thread, since it may have to wait for those that read."""

    def __init__(self, make: Callable[[], bytes], is_stopping: Callable[[], bool]) -> None:
        self._make = make
        self._is_stopping = is_stopping
        self._latest: bytes | None = None
        self._next = asyncio.Event()
        """Set once there is a newer one, or there will be no more; then replaced."""
        self._is_closed = False

    async def run(self) -> None:
        """Until the server is to stop."""
        turns = round(INTERVAL / TURN)
        turn = 0
        while not self._is_stopping():
            if turn == 0:
                self._latest = await asyncio.to_thread(self._make)
                self._tell()
            turn = (turn + 1) % turns
            await asyncio.sleep(TURN)
        self.close()

    def close(self) -> None:
        self._is_closed = True
        self._tell()

    def _tell(self) -> None:
        told, self._next = self._next, asyncio.Event()
        told.set()

    async def snapshots(self) -> AsyncIterator[bytes]:
        """The latest one, then each new one; a reader that is too slow for all misses some."""
        while not self._is_closed:
            following = self._next
            if self._latest is not None:
                yield self._latest
            await following.wait()
