"""The command line of `kafka-processor replay`: read once, all that is wrong in one report."""

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from kafka_processor.errors import SettingsError
from kafka_processor.event.timestamps import milliseconds_of
from kafka_processor.records import ERROR_TYPES, FIELDS, MAX_TEXT
from kafka_processor.replay.outcomes import position_in
from kafka_processor.replay.selection import ANY_ERROR, OUTCOMES, Position, Selection

DEFAULT_RATE: Final = 1000
MAX_RATE: Final = 1_000_000
TIME_FORM: Final = "RFC 3339, such as 2024-07-10T02:00:25Z or 2024-07-10T04:00:25+02:00"
SELECTING: Final = (
    "outcome", "message_id", "partition", "from_offset", "to_offset", "since", "until", "user",
    "field",
)  # fmt: skip

DESCRIPTION: Final = """\
Sends failed, filtered and skipped messages to INPUT_TOPIC again, each once:
after a fix, with a new accepted version, under a new key. Without --send it
only shows what it would send. Running it again sends nothing twice.
docs/replay.md has an example."""
EPILOG: Final = """\
All that is given must hold; of an option given several times, one of them
(of --field: all). The settings are those of kafka-processor, see its --help;
it takes no key.

Exit codes: 0 all that was chosen was sent, now or before (dry run: can be);
1 not all of it, or it failed; 2 wrong options or settings."""


@dataclass(frozen=True)
class Options:
    selection: Selection
    send: bool
    rate: int
    json: bool


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError([message])


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The texts as they are given. Raises SettingsError; `--help` ends the program."""
    given, unknown = _parser().parse_known_args(arguments)
    if unknown:
        raise SettingsError([f"{name}: there is no such option" for name in _names(unknown)])
    return given


def options_of(given: argparse.Namespace, topic: str) -> Options:
    """What they mean for this input topic.

    Raises SettingsError: a line for each thing wrong. Values that may be personal are not shown.
    """
    problems: list[str] = []

    def read(name: str, parse: Callable[[str], Any], allowed: str, is_shown: bool = True) -> Any:
        """The parsed value, or values, of an option."""
        found = getattr(given, name)
        values = []
        for text in [] if found is None else found if isinstance(found, list) else [found]:
            try:
                values.append(parse(text))
            except ValueError:
                shown = f"{text!r} is" if is_shown else "this is"
                problems.append(f"{_option(name)}: {shown} not allowed; allowed: {allowed}")
        if isinstance(found, list):
            return values
        return values[0] if values else None

    outcomes = read("outcome", _outcomes, f"{ANY_ERROR}, {', '.join(OUTCOMES)}") or []
    selection = Selection(
        outcomes=frozenset().union(*outcomes),
        message_ids=frozenset(
            read("message_id", lambda text: _position(topic, text), f"{topic}-PARTITION-OFFSET")
            or []
        ),
        partitions=frozenset(read("partition", _number, "a whole number from 0") or []),
        from_offset=read("from_offset", _number, "a whole number from 0"),
        to_offset=read("to_offset", _number, "a whole number from 0"),
        since=read("since", milliseconds_of, TIME_FORM),
        until=read("until", milliseconds_of, TIME_FORM),
        users=frozenset(read("user", _user, f"1 to {MAX_TEXT} characters", False) or []),
        fields=tuple(read("field", _field, f"NAME=VALUE, NAME: {', '.join(FIELDS)}", False) or []),
        include_repeats=given.include_repeats,
    )
    problems += _contradictions(selection)
    rate = read("rate", _rate, f"a whole number from 1 to {MAX_RATE}")
    if not given.all and all(getattr(given, name) is None for name in SELECTING):
        problems.append(f"nothing is chosen: give {', '.join(map(_option, SELECTING))}, or --all")
    if problems:
        raise SettingsError(problems)
    return Options(selection, given.send, rate, given.json)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="kafka-processor replay",
        usage="%(prog)s WHICH ... [--send] [--rate N] [--json]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    choose = parser.add_argument_group("WHICH messages").add_argument
    choose(
        "--outcome", action="append", metavar="NAME",
        help=f"filtered, skipped, {ANY_ERROR} (of any type), or one of {', '.join(OUTCOMES[2:])}",
    )  # fmt: skip
    choose("--field", action="append", metavar="NAME=VALUE",
           help="a listed field of the message; NAME= for absent, null or empty")  # fmt: skip
    choose("--user", action="append", metavar="ID", help="its user_id")
    choose("--since", metavar="TIME", help="its Kafka timestamp, RFC 3339; from then on")
    choose("--until", metavar="TIME", help="the same; before then")
    choose("--partition", action="append", metavar="N", help="of the input topic")
    choose("--from-offset", metavar="N", help="in each of the partitions; from this one on")
    choose("--to-offset", metavar="N", help="the same; before this one (exclusive)")
    choose("--message-id", action="append", metavar="ID", help="TOPIC-PARTITION-OFFSET")
    choose("--all", action="store_true", help="all that failed, were filtered or skipped")
    choose("--include-repeats", action="store_true",
           help="also those that are repeats themselves, and failed again")  # fmt: skip
    do = parser.add_argument_group("what to do").add_argument
    do("--send", action="store_true", help="send them; without it: a dry run")
    do("--rate", default=str(DEFAULT_RATE), metavar="N", help="messages a second (%(default)s)")
    do("--json", action="store_true", help="the result as one JSON object")
    do("--env-file", metavar="FILE", help="read settings from this file instead of .env")
    return parser


def _contradictions(selection: Selection) -> Iterator[str]:
    """Ranges in which nothing can be."""
    first, last = selection.from_offset, selection.to_offset
    if last is not None and last <= (first or 0):
        after = "the first offset" if first is None else f"--from-offset {first}"
        yield f"--to-offset: {last} is not after {after}, and it is exclusive"
    since, until = selection.since, selection.until
    if since is not None and until is not None and since >= until:
        yield "--until: not after --since"


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _names(unknown: Sequence[str]) -> list[str]:
    """Of options alone: a stray value may be a user's."""
    options = [text.partition("=")[0] for text in unknown if text.startswith("-")]
    return options or (["an argument"] if unknown else [])


def _outcomes(text: str) -> frozenset[str]:
    if text == ANY_ERROR:
        return ERROR_TYPES
    if text not in OUTCOMES:
        raise ValueError
    return frozenset({text})


def _position(topic: str, text: str) -> Position:
    position = position_in(topic, text)
    if position is None:
        raise ValueError
    return position


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", text):
        raise ValueError
    return int(text)


def _rate(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,7}", text) or not 1 <= int(text) <= MAX_RATE:
        raise ValueError
    return int(text)


def _user(text: str) -> str:
    if not 1 <= len(text) <= MAX_TEXT:
        raise ValueError
    return text


def _field(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or name not in FIELDS:
        raise ValueError
    return name, value
