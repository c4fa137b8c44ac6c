"""Progress on stderr: on a terminal one line that is rewritten, otherwise a line now and then."""

import shutil
import sys
from typing import Final

from kafka_processor.terminal.printable import printable
from kafka_processor.timing import Every

TERMINAL_INTERVAL: Final = 0.2
"""Seconds."""
PIPE_INTERVAL: Final = 10.0
"""Seconds, also before the first line: short commands need none."""
_CLEAR: Final = "\r\x1b[K"


class Progress:
    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._update = Every(TERMINAL_INTERVAL if self._is_terminal else PIPE_INTERVAL)
        self._is_shown = False

    @property
    def is_due(self) -> bool:
        return self._update.is_due

    def show(self, text: str) -> None:
        """Shows a line, whether or not it is due."""
        self._update.restart()
        if self._is_terminal:
            width = shutil.get_terminal_size().columns - 1
            self._write(f"{_CLEAR}{printable(text)[:width]}")
            self._is_shown = True
        else:
            self._write(f"{printable(text)}\n")

    def note(self, text: str) -> None:
        """Writes a line that is not overwritten."""
        self.clear()
        self._write(f"{printable(text)}\n")

    def clear(self) -> None:
        """Removes the rewritten line."""
        if self._is_shown:
            self._write(_CLEAR)
            self._is_shown = False

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
