"""Formats text for a terminal: colours, wrapping and tables, with values made printable."""

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kafka_processor.records import MAX_TEXT
from kafka_processor.terminal.printable import printable

GAP: Final = "  "
NO_VALUE: Final = "-"
MIN_WIDTH: Final = 20
MAX_VALUE: Final = MAX_TEXT
"""Characters of one value: no valid one has more, but a forged one may."""

BOLD, DIM, RED, GREEN, YELLOW, CYAN = "1", "2", "31", "32", "33", "36"


class Screen:
    """The capabilities of stdout."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdout.isatty()
        self._has_colour = (
            self.is_terminal
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM", "dumb") != "dumb"
        )

    @property
    def width(self) -> int | None:
        """Columns of the terminal, which may change; None (no limit) for a file or a pipe."""
        return shutil.get_terminal_size().columns if self.is_terminal else None

    def styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._has_colour and style else text

    def wrapped(self, text: str, indent: int) -> str:
        """Wraps a text that starts at column `indent`, and indents its next lines by as much."""
        if self.width is None or indent + len(text) <= self.width:
            return text
        width = max(self.width - indent, MIN_WIDTH)
        return ("\n" + " " * indent).join(textwrap.wrap(text, width, break_on_hyphens=False))


def shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


@dataclass(frozen=True)
class Column:
    title: str
    width: int
    """Longer values are shown in full and shift the rest of their row."""
    style: str = ""


class Table:
    """Rows on one line if the terminal is wide enough, otherwise on the given lines of columns."""

    def __init__(self, screen: Screen, *lines: Sequence[Column]) -> None:
        self._screen = screen
        self._lines = lines
        self._columns = [column for line in lines for column in line]

    def heading(self) -> str:
        """Returns the titles, without colour."""
        return f"\n{GAP}".join(
            GAP.join(column.title.ljust(column.width) for column in columns).rstrip()
            for columns in self._fitting_lines()
        )

    def row(self, *values: str | None) -> str:
        """Formats one value for each column, made printable and cut."""
        remaining = iter(values)
        return f"\n{GAP}".join(
            self._line(
                columns,
                [printable(next(remaining) or NO_VALUE, MAX_VALUE) for _ in columns],
                indent=len(GAP) if number else 0,
            )
            for number, columns in enumerate(self._fitting_lines())
        )

    def _fitting_lines(self) -> Sequence[Sequence[Column]]:
        whole = sum(column.width + len(GAP) for column in self._columns) - len(GAP)
        width = self._screen.width
        return [self._columns] if width is None or whole <= width else self._lines

    def _line(self, columns: Sequence[Column], values: Sequence[str], indent: int) -> str:
        styled = self._screen.styled
        line = ""
        for column, value in zip(columns[:-1], values[:-1], strict=True):
            cell = value.ljust(column.width) + GAP
            line += styled(cell, column.style)
            indent += len(cell)
        return line + styled(self._screen.wrapped(values[-1], indent), columns[-1].style)
