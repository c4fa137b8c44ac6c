"""How a command ends: its exit code (`docs/contract.md`), and the line that says why."""

import sys
from typing import Final

from confluent_kafka import KafkaError, KafkaException

from kafka_processor.clients.kafka_errors import describe, error_of
from kafka_processor.terminal.printable import printable

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_WRONG_SETTINGS: Final = 2
EXIT_INTERRUPTED: Final = 130
"""As a shell says it of a command that Ctrl-C has ended."""


def explain(exception: KafkaException) -> tuple[str, int]:
    """The line for the user and the exit code of an error that ends the program."""
    error = error_of(exception)
    if error.code() == KafkaError._INVALID_ARG:
        return f"KAFKA_PROPERTIES_FILE or KAFKA_SSL_*: {error.str()}", EXIT_WRONG_SETTINGS
    return f"cannot go on: {describe(error)}", EXIT_FAILED


def say(*lines: str) -> None:
    for line in lines:
        print(printable(line), file=sys.stderr)  # noqa: T201
