"""The log on stderr: one line an event, for people or as JSON, without secrets or values."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from kafka_processor.config import Settings
from kafka_processor.terminal.printable import printable

MAX_LENGTH: Final = 2000
"""Characters of one field: no text of our own is longer."""
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def create_log(settings: Settings) -> FilteringBoundLogger:
    renderer: Processor
    if settings.log_format == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), pad_event_to=0, sort_keys=False
        )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _make_printable,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.log_level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    log: FilteringBoundLogger = structlog.get_logger()
    return log


def _make_printable(_log: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
    """Texts may come from a broker or a record, and the console renderer writes them unchanged.
    Other values are safe: it writes their `repr`. So is JSON."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = printable(value, MAX_LENGTH)
    return event


class ClientLog:
    """Logs librdkafka's own lines at debug level; relevant ones arrive as errors too."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log

    def log(self, _level: int, text: str, *args: Any) -> None:
        self._log.debug("client", line=text % args)
