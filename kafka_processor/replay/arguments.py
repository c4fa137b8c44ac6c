"""The command line of `kafka-processor replay`: read once, all errors in one report."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from kafka_processor.errors import SettingsError
from kafka_processor.event.timestamps import milliseconds_of
from kafka_processor.message_id import Position, position_in
from kafka_processor.outcomes import ERROR_TYPES
from kafka_processor.records import FIELDS, MAX_TEXT
from kafka_processor.replay.selection import ANY_ERROR, REPLAYABLE, Selection
from kafka_processor.settings import setting_types as types
from kafka_processor.terminal.arguments import RFC_3339, CommandParser

TYPES: Final = [outcome for outcome in REPLAYABLE if outcome in ERROR_TYPES]
DEFAULT_RATE: Final = 1000
MAX_RATE: Final = 1_000_000
MAX_OFFSET: Final = 2**63 - 1
SELECTING: Final = (
    "outcome", "message_id", "partition", "from_offset", "to_offset", "since", "until", "user",
    "field",
)  # fmt: skip

DESCRIPTION: Final = """\
Sends failed, filtered and skipped messages to INPUT_TOPIC again, each one once: after a fix, with \
a newly accepted version, under a new key. Without --send it only shows what it would send. \
Running it again sends nothing twice. docs/replay.md has an example."""
EPILOG: Final = """\
A message must match all options. Of an option that is given several times, one has to match (of \
--field: all).

The settings are those of kafka-processor, see its --help; no key is needed.

Exit codes: 0 everything selected was sent, now or before (dry run: can be sent); 1 not all of it, \
or failed; 2 wrong options or settings."""


@dataclass(frozen=True)
class Options:
    selection: Selection
    send: bool
    rate: int
    json: bool


def options_of(parsed: argparse.Namespace, topic: str) -> Options:
    """Returns the options for this input topic.

    Raises SettingsError with a line for each problem. Values that may be personal are not shown.
    """
    problems: list[str] = []

    def read(name: str, parse: Callable[[str], Any], allowed: str, is_shown: bool = True) -> Any:
        """Returns the parsed value of an option, or a list if it may be repeated."""
        found = getattr(parsed, name)
        values = []
        for text in [] if found is None else found if isinstance(found, list) else [found]:
            try:
                values.append(parse(text))
            except ValueError:
                shown = repr(text) if is_shown else "(value not shown)"
                problems.append(f"{_option(name)}: {shown} is not allowed; use {allowed}")
        if isinstance(found, list):
            return values
        return values[0] if values else None

    number, number_form = types.integer(0, MAX_OFFSET), "an integer, 0 or more"
    outcomes = read("outcome", _outcomes, f"one of {ANY_ERROR}, {', '.join(REPLAYABLE)}") or []
    selection = Selection(
        outcomes=frozenset().union(*outcomes),
        message_ids=frozenset(
            read("message_id", lambda text: _position(topic, text), f"{topic}-PARTITION-OFFSET")
            or []
        ),
        partitions=frozenset(read("partition", number, number_form) or []),
        from_offset=read("from_offset", number, number_form),
        to_offset=read("to_offset", number, number_form),
        since=read("since", milliseconds_of, RFC_3339),
        until=read("until", milliseconds_of, RFC_3339),
        users=frozenset(read("user", _user, f"1 to {MAX_TEXT} characters", False) or []),
        fields=tuple(
            read("field", _field, f"NAME=VALUE with a NAME of {', '.join(FIELDS)}", False) or []
        ),
        include_repeats=parsed.include_repeats,
    )
    problems += _conflicts(selection)
    rate = read("rate", types.integer(1, MAX_RATE), f"an integer from 1 to {MAX_RATE}")
    if not parsed.all and all(getattr(parsed, name) is None for name in SELECTING):
        problems.append(f"nothing is selected: use {', '.join(map(_option, SELECTING))} or --all")
    if problems:
        raise SettingsError(problems)
    return Options(selection, parsed.send, rate, parsed.json)


def create_parser() -> CommandParser:
    parser = CommandParser(
        "kafka-processor replay", "WHICH ... [--send] [--rate N] [--json]", DESCRIPTION, EPILOG
    )
    choose = parser.add_argument_group("WHICH messages").add_argument
    choose(
        "--outcome", action="append", metavar="NAME",
        help=f"filtered, skipped, {ANY_ERROR} (of any type), or one of {', '.join(TYPES)}",
    )  # fmt: skip
    choose("--field", action="append", metavar="NAME=VALUE",
           help="a listed field of the message; NAME= for absent, null or empty")  # fmt: skip
    choose("--user", action="append", metavar="ID", help="its user_id")
    choose("--since", metavar="TIME", help="its Kafka timestamp, from this time on, RFC 3339")
    choose("--until", metavar="TIME", help="its Kafka timestamp, before this time, RFC 3339")
    choose("--partition", action="append", metavar="N", help="partition of the input topic")
    choose("--from-offset", metavar="N", help="of each partition, inclusive")
    choose("--to-offset", metavar="N", help="of each partition, exclusive")
    choose("--message-id", action="append", metavar="ID", help="TOPIC-PARTITION-OFFSET")
    choose("--all", action="store_true", help="all that failed, were filtered or skipped")
    choose("--include-repeats", action="store_true",
           help="also copies that an earlier replay sent and that failed again")  # fmt: skip
    do = parser.add_argument_group("what to do").add_argument
    do("--send", action="store_true", help="send them; without it: a dry run")
    do("--rate", default=str(DEFAULT_RATE), metavar="N",
       help="messages a second (default: %(default)s)")  # fmt: skip
    do("--json", action="store_true", help="print the result as one JSON object")
    parser.add_env_file()
    return parser


def _conflicts(selection: Selection) -> Iterator[str]:
    """Yields a line for each range that is empty."""
    first, last = selection.from_offset, selection.to_offset
    if last is not None and last <= (first or 0):
        after = "0" if first is None else f"--from-offset {first}"
        yield f"--to-offset: {last} is exclusive; use one above {after}"
    since, until = selection.since, selection.until
    if since is not None and until is not None and since >= until:
        yield "--until: is not after --since; use a later time"


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _outcomes(text: str) -> frozenset[str]:
    if text == ANY_ERROR:
        return ERROR_TYPES
    if text not in REPLAYABLE:
        raise ValueError
    return frozenset({text})


def _position(topic: str, text: str) -> Position:
    position = position_in(topic, text)
    if position is None:
        raise ValueError
    return position


def _user(text: str) -> str:
    if not 1 <= len(text) <= MAX_TEXT:
        raise ValueError
    return text


def _field(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or name not in FIELDS:
        raise ValueError
    return name, value
