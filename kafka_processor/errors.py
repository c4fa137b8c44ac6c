"""The exceptions that end a command, with their exit codes (`docs/contract.md`).

The message of each says what is wrong, where, and what to do. `terminal/endings.py` turns them into
lines and an exit code, in the same way for every command.
"""

from typing import Any, ClassVar, Final

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_WRONG_SETTINGS: Final = 2
EXIT_INTERRUPTED: Final = 130
"""A shell's exit code for a command that was ended by Ctrl-C."""


class CommandError(Exception):
    """The command cannot continue."""

    exit_code: ClassVar[int] = EXIT_FAILED

    @property
    def lines(self) -> list[str]:
        """What to show, one problem a line."""
        return [str(self)]


class SettingsError(CommandError):
    """Wrong settings or options: one line each, ready to print; never contains a secret."""

    exit_code = EXIT_WRONG_SETTINGS

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self._lines = lines

    @property
    def lines(self) -> list[str]:
        return self._lines


class KeyChangedError(CommandError):
    """The counts of a partition were made under another key."""

    exit_code = EXIT_WRONG_SETTINGS


class CannotConnectError(CommandError):
    """No broker answers, or it refuses the login or the topic."""


class TopicsNotReadyError(CommandError):
    """A topic is missing, misconfigured, or not permitted."""


class CheckFailedError(CommandError):
    """`--check` found that a start would fail with exit code 1."""


class ConsumerEndedError(CommandError):
    """The group or the client does not let the consumer continue."""


class ProducerRefusedError(CommandError):
    """The broker will never accept the producer as it is configured."""

    def __init__(self, reason: str, error: Any) -> None:
        """`error`: the KafkaError behind it."""
        super().__init__(reason)
        self.error = error


class CannotListenError(CommandError):
    """A port cannot be listened on."""


class CannotReadError(CommandError):
    """A topic cannot be read by the audit or by a tail."""


class ReplayError(CommandError):
    """A replay cannot continue."""


class StoppedError(CommandError):
    """SIGINT or SIGTERM ended the audit or a replay before it was done."""
