"""The log on stderr: one line an event, for people or as JSON. Never a secret, nor a value."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from kafka_processor.config import Settings
from kafka_processor.terminal.printable import printable

MAX_LENGTH: Final = 2000
"""Characters of one text in a line: no text of our own has more."""
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def create_log(settings: Settings) -> FilteringBoundLogger:
    shape: Processor
    if settings.log_format == "json":
        shape = structlog.processors.JSONRenderer()
    else:
        shape = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), pad_event_to=0, sort_keys=False
        )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _made_printable,
            shape,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.log_level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    log: FilteringBoundLogger = structlog.get_logger()
    return log


def _made_printable(_log: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
    """Texts may come from a broker or a record. The console renderer writes them as they are; what
    is no text it writes by `repr`, which is safe, as JSON is."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = printable(value, MAX_LENGTH)
    return event


class ClientLog:
    """Takes librdkafka's own log lines; what matters of them arrives as an error too."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log

    def log(self, _level: int, text: str, *args: Any) -> None:
        self._log.debug("client", line=text % args)
