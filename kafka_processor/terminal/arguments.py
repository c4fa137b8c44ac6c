"""What the command lines of all commands share: one line for each error, option types, help."""

import argparse
import shutil
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from kafka_processor.errors import SettingsError
from kafka_processor.event.timestamps import milliseconds_of
from kafka_processor.settings import setting_types as types

RFC_3339: Final = "an RFC 3339 time such as 2024-07-10T02:00:25Z or 2024-07-10T04:00:25+02:00"
MAX_WIDTH: Final = 100
"""Columns of help texts: longer lines are hard to read."""


class CommandParser(argparse.ArgumentParser):
    """Raises SettingsError where ArgumentParser would print its usage and exit."""

    def __init__(self, prog: str, usage: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=prog,
            usage=f"%(prog)s {usage}",
            description=wrapped(description),
            epilog=wrapped(epilog),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Raises SettingsError; `--help` and `--version` exit."""
        options, unknown = self.parse_known_args(arguments)
        if unknown:
            names = [text.partition("=")[0] for text in unknown if text.startswith("-")]
            # A stray value may be personal data, such as a user id.
            problems = [f"{name}: no such option; see --help" for name in names]
            raise SettingsError(problems or ["unexpected argument (not shown); see --help"])
        return options

    def error(self, message: str) -> NoReturn:
        raise SettingsError([message.removeprefix("argument ")])

    def add_env_file(self) -> None:
        self.add_argument(
            "--env-file", metavar="FILE", help="read settings from this file instead of .env"
        )


def wrapped(text: str) -> str:
    """Wraps each paragraph to the width of the terminal."""
    width = min(shutil.get_terminal_size().columns, MAX_WIDTH) - 2
    return "\n\n".join(textwrap.fill(each, width) for each in text.split("\n\n"))


def listed(rows: Iterable[tuple[str, str]]) -> str:
    """Names and their meanings in two columns, the second one wrapped."""
    rows = list(rows)
    indent = max(len(name) for name, _ in rows) + 4
    width = max(min(shutil.get_terminal_size().columns, MAX_WIDTH) - indent - 2, 20)
    return "\n".join(
        f"  {name}".ljust(indent) + f"\n{'':{indent}}".join(textwrap.wrap(meaning, width))
        for name, meaning in rows
    )


def option_type(parse: Callable[[str], Any], allowed: str) -> Callable[[str], Any]:
    """A `type` for `add_argument`; `parse` raises ValueError. `allowed` continues "use ..."."""

    def parse_option(text: str) -> Any:
        try:
            return parse(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not allowed; use {allowed}") from None

    return parse_option


def integer(low: int, high: int | None = None) -> Callable[[str], Any]:
    allowed = f"an integer, {low} or more" if high is None else f"an integer from {low} to {high}"
    return option_type(types.integer(low, 2**63 - 1 if high is None else high), allowed)


def seconds(text: str) -> float:
    """Of a positive number of seconds."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


def existing_folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise ValueError
    return Path(text)


SECONDS: Final = option_type(seconds, "a number of seconds above 0")
TIME: Final = option_type(milliseconds_of, RFC_3339)
"""Milliseconds since the epoch."""
FOLDER: Final = option_type(existing_folder, "a folder that exists")
