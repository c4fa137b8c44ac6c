"""The entry point: runs the command that is named first, by default the daemon.

Order of reading for the daemon: `startup/command.py`, `startup/daemon.py`, `processor.py`.
"""

import sys
from collections.abc import Sequence

from kafka_processor.commands import COMMANDS, DAEMON, find_command
from kafka_processor.errors import EXIT_WRONG_SETTINGS
from kafka_processor.terminal.endings import print_error
from kafka_processor.terminal.streams import guard_streams


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code (`docs/contract.md`)."""
    guard_streams()
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0].startswith("-"):
        return DAEMON.load().main(arguments)
    command = find_command(arguments[0])
    if command is None:
        names = ", ".join(each.name for each in COMMANDS)
        print_error(f"{arguments[0]}: no such command; use {names}, or none to run the daemon")
        return EXIT_WRONG_SETTINGS
    return command.load().main(arguments[1:])


if __name__ == "__main__":
    sys.exit(main())
