"""How every command ends: its exit code, and the lines that say why (`docs/contract.md`)."""

import sys
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException

from kafka_processor.clients.kafka_errors import describe, error_of
from kafka_processor.errors import EXIT_FAILED, EXIT_WRONG_SETTINGS, CommandError, SettingsError
from kafka_processor.terminal.printable import printable


def print_error(line: str) -> None:
    print(printable(line), file=sys.stderr, flush=True)  # noqa: T201


def run_command(command: Callable[[], int], report: Callable[[str], None] = print_error) -> int:
    """Runs a command and returns its exit code; `report` gets each line that says why it ended.

    Wrong settings are always printed: the settings of the log may be among them.
    """
    try:
        return command()
    except SettingsError as error:
        report, lines, exit_code = print_error, error.lines, error.exit_code
    except CommandError as error:
        lines, exit_code = error.lines, error.exit_code
    except KafkaException as exception:
        lines, exit_code = _ending_of_client(error_of(exception))
    for line in lines:
        report(line)
    return exit_code


def _ending_of_client(error: KafkaError) -> tuple[list[str], int]:
    if error.code() == KafkaError._INVALID_ARG:  # the client refuses its configuration
        return [f"KAFKA_PROPERTIES_FILE or KAFKA_SSL_*: {error.str()}"], EXIT_WRONG_SETTINGS
    return [f"cannot continue: {describe(error)}"], EXIT_FAILED
