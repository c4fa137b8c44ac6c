"""Checks, in bounded memory, that records of a user are in the order of the input."""

from typing import Final

USERS: Final = 50_000
"""At least so many users of an output partition are remembered, the most recent ones."""


class Order:
    """For one input partition; to be called with its messages in their order."""

    def __init__(self) -> None:
        self._recent: dict[tuple[int, int], int] = {}
        self._older: dict[tuple[int, int], int] = {}

    def is_kept(self, lane: int, user_id: int, position: int) -> bool:
        """Whether the record is behind those of the user's earlier messages in its partition."""
        key = (lane, user_id)
        last = self._recent.get(key)
        if last is None:
            last = self._older.get(key, -1)
            if len(self._recent) >= USERS:
                self._older, self._recent = self._recent, {}
        if position > last:
            self._recent[key] = position
            return True
        return False
