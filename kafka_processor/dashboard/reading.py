"""How far each topic has been read, and how old the records last read are."""

from dataclasses import dataclass, field

Place = tuple[str, int]
"""Topic and partition."""


@dataclass
class _Partition:
    is_at_end: bool = False
    was_at_end: bool = False
    problem: str = ""
    """Why it cannot be read; empty if it can."""
    last: int | None = None
    """Timestamp of the last record read, in milliseconds."""


@dataclass
class Progress:
    _partitions: dict[Place, _Partition] = field(default_factory=dict)

    def start(self, place: Place) -> None:
        self._partitions[place] = _Partition()

    def forget(self, topic: str) -> None:
        """Call it when the topic was deleted."""
        for place in [each for each in self._partitions if each[0] == topic]:
            del self._partitions[place]

    def took(self, place: Place, time: int) -> None:
        partition = self._partitions.get(place)
        if partition:
            partition.is_at_end = False
            partition.last = time
            partition.problem = ""

    def reached_end(self, place: Place) -> None:
        partition = self._partitions.get(place)
        if partition:
            partition.is_at_end = partition.was_at_end = True
            partition.problem = ""

    def cannot_read(self, place: Place, problem: str) -> None:
        partition = self._partitions.get(place)
        if partition:
            partition.problem = problem

    def why_unread(self, topic: str) -> str | None:
        """Returns why a topic cannot be read or has not been read to its end yet, or None."""
        partitions = [each for place, each in self._partitions.items() if place[0] == topic]
        if problem := next((each.problem for each in partitions if each.problem), None):
            return f"{topic} cannot be read: {problem}."
        if not partitions or not all(each.was_at_end for each in partitions):
            return f"{topic} is still being read."
        return None

    def has_more(self, topic: str) -> bool:
        """Whether there are records that have not been read yet."""
        return any(
            not partition.is_at_end
            for place, partition in self._partitions.items()
            if place[0] == topic
        )

    def behind(self, topic: str, now: int) -> float:
        """Returns the age in seconds of the oldest of the last records read of partitions that
        have more; 0 if none has."""
        waits = [
            now - partition.last
            for place, partition in self._partitions.items()
            if place[0] == topic and not partition.is_at_end and partition.last is not None
        ]
        return max([0, *waits]) / 1000
