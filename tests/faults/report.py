"""What was done to the system and what it survived, as a table.

A test tells its rows as pytest's `user_properties`, which also come from a process of pytest-xdist.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

COLUMNS = ("fault", "times", "messages", "lost", "doubled", "recovery p50", "max")


@dataclass
class Row:
    fault: str
    times: int = 0
    messages: int = 0
    lost: int = 0
    doubled: int = 0
    may_repeat: bool = False
    """At least once: a message may come out again."""
    recoveries: list[float] = field(default_factory=list)
    """Seconds."""


_PROPERTY = "fault"


def property_of(row: Row) -> tuple[str, dict[str, Any]]:
    return _PROPERTY, asdict(row)


class Report:
    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}

    def add_properties(self, properties: Iterable[tuple[str, Any]]) -> None:
        """Adds the rows among the properties of a test."""
        self.add(Row(**value) for name, value in properties if name == _PROPERTY)

    def add(self, rows: Iterable[Row]) -> None:
        for each in rows:
            row = self._rows.setdefault(each.fault, Row(each.fault))
            row.times += each.times
            row.messages += each.messages
            row.lost += each.lost
            row.doubled += each.doubled
            row.may_repeat |= each.may_repeat
            row.recoveries += each.recoveries

    def save(self, file: Path) -> None:
        file.write_text(json.dumps([asdict(row) for row in self._rows.values()]))

    def load(self, file: Path) -> None:
        self.add(Row(**row) for row in json.loads(file.read_text()))

    def lines(self) -> list[str]:
        rows = sorted(self._rows.values(), key=lambda row: row.fault)
        if not rows:
            return []
        total = Row("all", *(sum(getattr(r, n) for r in rows) for n in _COUNTS))
        cells = [COLUMNS, *map(_cells, rows), _cells(total)]
        widths = [max(len(row[number]) for row in cells) for number in range(len(COLUMNS))]
        lines = ["  ".join(_aligned(row, widths)).rstrip() for row in cells]
        rule = "-" * max(map(len, lines))
        return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


_COUNTS = ("times", "messages", "lost", "doubled")


def _cells(row: Row) -> tuple[str, ...]:
    times = sorted(row.recoveries)
    recovery = (f"{times[len(times) // 2]:.1f} s", f"{times[-1]:.1f} s") if times else ("", "")
    counts = [f"{getattr(row, name):,}" for name in _COUNTS]
    if row.may_repeat:
        counts[-1] = "may be"
    return (row.fault, *counts, *recovery)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = zip(row, widths, strict=True)
    return [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
