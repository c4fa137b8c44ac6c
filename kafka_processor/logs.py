"""The log on stderr: one line an event, for people or as JSON. Never a secret, nor a value."""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from kafka_processor.config import Settings

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
            shape,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.log_level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    log: FilteringBoundLogger = structlog.get_logger()
    return log


class ClientLog:
    """Takes librdkafka's own log lines; what matters of them arrives as an error too."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log

    def log(self, _level: int, text: str, *args: Any) -> None:
        self._log.debug("client", line=text % args)
