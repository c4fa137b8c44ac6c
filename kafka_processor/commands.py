"""The commands of `kafka-processor`, declared in one place; each module is loaded when it is run.

`--help` and `docs/commands.md` derive from this table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Protocol

from kafka_processor.terminal.arguments import CommandParser


class CommandModule(Protocol):
    """What the module of a command has."""

    def create_parser(self) -> CommandParser:
        """Returns the parser of its command line."""

    def main(self, arguments: Sequence[str]) -> int:
        """Runs the command and returns its exit code."""


@dataclass(frozen=True)
class Command:
    name: str
    """Empty for the daemon, which runs without a command."""
    summary: str
    module: str

    def load(self) -> CommandModule:
        module: CommandModule = import_module(self.module)
        return module


DAEMON: Final = Command("", "run the daemon", "kafka_processor.startup.command")
COMMANDS: Final = (
    Command(
        "replay",
        "send failed, filtered and skipped messages to the input again",
        "kafka_processor.replay.command",
    ),
    Command(
        "dashboard",
        "serve a page that shows what the daemons are doing",
        "kafka_processor.dashboard.command",
    ),
    Command(
        "audit",
        "compare every input message with all outputs",
        "kafka_processor.audit.command",
    ),
    Command(
        "tail",
        "show the records of an output topic as they arrive",
        "kafka_processor.tail.command",
    ),
)


def find_command(name: str) -> Command | None:
    return next((command for command in COMMANDS if command.name == name), None)
