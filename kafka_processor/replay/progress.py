"""How far it is, on stderr: a line that rewrites itself on a terminal, else a line now and then."""

import shutil
import sys
import time
from typing import Final

from kafka_processor.terminal.printable import printable

TERMINAL_INTERVAL: Final = 0.2
"""Seconds."""
PIPE_INTERVAL: Final = 10.0
"""Seconds, also before the first line: what is soon done needs none."""
_CLEAR: Final = "\r\x1b[K"


class Progress:
    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._interval = TERMINAL_INTERVAL if self._is_terminal else PIPE_INTERVAL
        self._next = time.monotonic() + self._interval
        self._is_shown = False

    @property
    def is_due(self) -> bool:
        return time.monotonic() >= self._next

    def show(self, text: str) -> None:
        """Whether or not it is due."""
        self._next = time.monotonic() + self._interval
        if self._is_terminal:
            width = shutil.get_terminal_size().columns - 1
            self._write(f"{_CLEAR}{printable(text)[:width]}")
            self._is_shown = True
        else:
            self._write(f"{printable(text)}\n")

    def note(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        self._write(f"{printable(text)}\n")

    def clear(self) -> None:
        """Takes the line that rewrites itself away."""
        if self._is_shown:
            self._write(_CLEAR)
            self._is_shown = False

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
