"""Why the collector did not get something, in a few words without a secret."""

import logging
from typing import Final

from kafka_processor.terminal.printable import printable

MAX_TEXT: Final = 80
TRANSIENT: Final = "Transient error"
"""Begins a line that has the status in words alone."""
TIMEOUT: Final = "due to timeout"
"""Is in a line without any reason."""


class LastFailure(logging.Handler):
    """Listens to an exporter, which says it nowhere but in its log.

    Of that only the status or the kind of the error is taken: its text names addresses, in which
    there may be a login.
    """

    def __init__(self, exporter: type) -> None:
        super().__init__(logging.WARNING)
        self.text = "no reason given"
        logging.getLogger(exporter.__module__).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        for argument in record.args if isinstance(record.args, tuple) else ():
            if isinstance(argument, Exception):
                self.note(argument)
                return
            if isinstance(argument, int) and 100 <= argument < 600:
                self.text = f"HTTP status {argument}"
                return
            if isinstance(argument, str) and record.msg.startswith(TRANSIENT):
                self.text = printable(argument, MAX_TEXT)
                return
        if TIMEOUT in record.msg:
            self.text = "no success in time"

    def note(self, error: Exception) -> None:
        self.text = type(error).__name__
