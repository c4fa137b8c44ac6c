"""Messages that are polled and not processed yet, handed out in slices.

What one poll returns may take minutes to process, since a hostile value costs many times what an
ordinary one does. Between two slices the loop looks at a stop, serves the clients, and keeps its
place in the group.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from kafka_processor.pipeline import Message
from kafka_processor.unreadable.batch_search import stand_ins

MAX_SLICE: Final = 1_000
"""Messages of a slice: so many are still in the processor's caches when needed again."""
SLICE_BYTES: Final = 1024 * 1024
"""Bytes of values in a slice of more than one message; at 100 ns a byte 0.1 s of work."""
SLICE_SECONDS: Final = 0.1
"""A slice that took longer is followed by a smaller one: headers, too, cost time."""


class Slice(NamedTuple):
    """Consecutive messages of one partition."""

    messages: Sequence[Message]
    size: int
    """Bytes of their values."""


class PolledMessages:
    """First in, first out for each partition."""

    def __init__(self) -> None:
        self._runs: dict[int, list[Sequence[Message]]] = {}
        """What each poll returned. A slice is part of one run: stand-ins for records that cannot be
        read and messages never share a run."""
        self._most = MAX_SLICE
        """Messages that the next slice may have."""

    def __bool__(self) -> bool:
        return bool(self._runs)

    def add(self, polled: Mapping[int, Sequence[Message]]) -> None:
        for partition, messages in polled.items():
            runs = self._runs.setdefault(partition, [])
            if runs and bool(stand_ins(runs[-1])) == bool(stand_ins(messages)):
                runs[-1] = [*runs[-1], *messages]
            else:
                runs.append(messages)

    def take(self, limit: int) -> dict[int, Slice]:
        """The next messages, by partition; one at least, where there are any and `limit` is not 0.

        At most `limit` of them, and no more than can be processed in a moment.
        """
        slices: dict[int, Slice] = {}
        messages_left, bytes_left = min(limit, self._most), SLICE_BYTES
        for partition in list(self._runs):
            taken = self._take_from(partition, messages_left, bytes_left, is_first=not slices)
            if taken is None:
                break
            slices[partition] = taken
            messages_left -= len(taken.messages)
            bytes_left -= taken.size
        return slices

    def _take_from(
        self, partition: int, messages_left: int, bytes_left: int, *, is_first: bool
    ) -> Slice | None:
        """None: there is no room for the next message."""
        run = self._runs[partition][0]
        if len(run) <= messages_left:
            size = sum(map(len, run))
            if size <= bytes_left:  # as nearly always
                self._put_back(partition, [])
                return Slice(run, size)
        count = size = 0
        for message in run[:messages_left]:
            if size + len(message) > bytes_left and not (is_first and count == 0):
                break
            count += 1
            size += len(message)
        if count == 0:
            return None
        self._put_back(partition, run[count:])
        return Slice(run[:count], size)

    def _put_back(self, partition: int, rest: Sequence[Message]) -> None:
        """Replaces the first run by what is left of it."""
        runs = self._runs[partition]
        if rest:
            runs[0] = rest
        elif len(runs) > 1:
            del runs[0]
        else:
            del self._runs[partition]

    def after_slice(self, seconds: float) -> None:
        """Adapts the size of slices to how long the last one took."""
        if seconds > SLICE_SECONDS:
            self._most = max(self._most // 4, 1)
        else:
            self._most = min(self._most * 2, MAX_SLICE)

    def forget(self, partitions: Collection[int]) -> None:
        for partition in partitions:
            self._runs.pop(partition, None)

    def clear(self) -> None:
        self._runs.clear()
