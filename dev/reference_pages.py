"""`python -m dev.reference_pages` writes `docs/commands.md` and `docs/settings.md`."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from unittest import mock

from kafka_processor.commands import COMMANDS, DAEMON, Command
from kafka_processor.config import SECTIONS, rules
from kafka_processor.startup.settings_help import settings_help

DOCS: Final = Path(__file__).parent.parent / "docs"
WRITTEN_BY: Final = "<!-- Written by `python -m dev.reference_pages`; do not edit. -->"
TERMINAL: Final = {"COLUMNS": "80", "NO_COLOR": "1"}


def pages() -> dict[str, str]:
    """Returns the pages by file name."""
    with mock.patch.dict(os.environ, TERMINAL):
        return {
            "commands.md": "\n".join(_commands()) + "\n",
            "settings.md": "\n".join(_settings()) + "\n",
        }


def _commands() -> Iterator[str]:
    yield f"# Commands\n\n{WRITTEN_BY}\n"
    yield from _table("command", "what it does")
    for command in (DAEMON, *COMMANDS):
        yield _row(f"[`{_name(command)}`](#{_name(command).replace(' ', '-')})", command.summary)
    yield (
        "\n`python -m kafka_processor` and `cd kafka_processor && python main.py` are the same as\n"
        "`kafka-processor`. The scripts in `verify/` run `audit` and `tail` in a source checkout."
    )
    for command in (DAEMON, *COMMANDS):
        text = command.load().create_parser().format_help()
        text = text.replace(settings_help(), "Settings: docs/settings.md")
        yield f"\n## {_name(command)}\n\n```text\n{text.rstrip()}\n```"


def _name(command: Command) -> str:
    return f"kafka-processor {command.name}".rstrip()


def _settings() -> Iterator[str]:
    yield f"# Settings\n\n{WRITTEN_BY}\n"
    yield (
        "Settings are environment variables, or lines of a file `.env` in the working folder. The\n"
        "environment takes precedence; an empty value is not set. `kafka-processor --check` checks "
        "them."
    )
    for name, rule in rules():
        if name in SECTIONS:
            yield f"\n## {SECTIONS[name]}\n"
            yield from _table("setting", "default", "meaning", "allowed")
        default = f"`{rule.default}`" if rule.default else "not set"
        yield _row(f"`{name}`", default, rule.meaning, rule.allowed)


def _table(*titles: str) -> Iterator[str]:
    yield _row(*titles)
    yield _row(*("---" for _ in titles))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def write(pages: Mapping[str, str]) -> None:
    for name, text in pages.items():
        (DOCS / name).write_text(text, "utf-8")


if __name__ == "__main__":
    write(pages())
