"""What the tailing scripts share: the command line, the loop, and how a record gets to stdout.

Records go to stdout, everything else to stderr. Exit codes: 0 when done or asked to stop, 1 when
the topic cannot be read, 2 for wrong settings.
"""

import argparse
import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from confluent_kafka import Message
from msgspec import UnsetType

from kafka_processor.config import Settings, load_settings
from kafka_processor.environment.reading import read_environment
from kafka_processor.errors import CannotReadError, SettingsError
from kafka_processor.event.timestamps import rfc3339
from kafka_processor.tail.topic_reader import TopicReader
from kafka_processor.terminal.printable import printable
from kafka_processor.terminal.screen import CYAN, DIM, NO_VALUE, RED, Column, Screen
from kafka_processor.terminal.streams import guard_streams, lost_output

BURST: Final = 500
"""Most records that are printed before stdout is flushed."""
PAUSE: Final = 0.2
"""Seconds to wait for a record before looking at anything else."""
MAX_RAW: Final = 2000
"""Characters that are shown of a record that is not of the expected form."""
_LINE_ENDS_AS_SPACES: Final = bytes.maketrans(b"\r\n", b"  ")


@dataclass(frozen=True)
class View:
    """How the records of one topic look on the screen."""

    record_type: type
    heading: str
    show: Callable[[Any, str], str]
    """The lines for a record and the time it was written; each value in them made printable."""


def main(description: str, setting: str, view_of: Callable[[Screen, Settings], View]) -> int:
    """Tails the topic that a setting names; returns the exit code."""
    guard_streams()
    options = _options(description)
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))  # until there is something to stop
    try:
        settings = relevant_settings(options.env_file)
        topic = getattr(settings, setting.lower())
        if not topic:
            raise SettingsError([f"{setting}: set to nothing, so there is no topic to read"])
        reader = TopicReader(settings, topic, options.from_beginning, note)
    except SettingsError as error:
        for line in error.lines:
            note(line)
        return 2
    screen = Screen()
    tail = Tail(reader, screen, None if options.json else view_of(screen, settings))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: tail.stop())
    try:
        tail.run(options.max_messages, options.timeout)
    except CannotReadError as error:
        note(str(error))
        return 1
    except BrokenPipeError:
        return 0
    except OSError as error:
        note(f"cannot write to stdout ({error.strerror})")
        return 1
    finally:
        reader.close()
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)  # over the ^C that the terminal shows
    note(f"records shown: {tail.shown:,}")
    return 0


def note(text: str) -> None:
    for line in text.split("\n"):
        print(printable(line), file=sys.stderr, flush=True)


def first_columns(settings: Settings) -> tuple[Column, Column]:
    """When a record was written, and the message that it is about."""
    return Column("WRITTEN (UTC)", 14, DIM), Column("MESSAGE", len(settings.input_topic) + 14, CYAN)


def message_name(message_id: str, replay_of: str | UnsetType) -> str:
    return f"{message_id} (replay of {replay_of})" if replay_of else message_id


def _options(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=f"{description} Reads committed records only, and belongs to no consumer "
        "group. The settings are those of kafka-processor (see its --help): KAFKA_* say where "
        "Kafka is, *_TOPIC how the topics are called; from the environment or .env."
    )
    option = parser.add_argument
    option("--json", action="store_true", help="one raw record a line, for other programs")
    option("--from-beginning", action="store_true", help="what the topic holds first, then new")
    option("--max-messages", type=_count, metavar="N", help="stop after N records")
    option("--timeout", type=seconds, metavar="S", help="stop after S seconds without a record")
    add_env_file(parser)
    return parser.parse_args()


def add_env_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--env-file", metavar="FILE", help="read settings from this file instead of .env"
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, 1 or more")
    return int(text)


def seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} must be a number of seconds above 0")


def relevant_settings(env_file: str | None, *others: str) -> Settings:
    """The settings that matter here: what is wrong with the rest is no reason not to look.

    Those of the connection and the topics, and `others` by name. Raises SettingsError.
    """
    given = read_environment(os.environ, env_file)
    for warning in given.warnings:
        note(warning)
    return load_settings(
        {
            name: value
            for name, value in given.values.items()
            if name.startswith("KAFKA_") or name.endswith("_TOPIC") or name in others
        }
    )


class Tail:
    """From the topic to stdout: records in their view or, without one, as they are."""

    def __init__(self, reader: TopicReader, screen: Screen, view: View | None) -> None:
        self.shown = 0
        self._reader = reader
        self._screen = screen
        self._view = view
        self._is_stopped = False

    def stop(self) -> None:
        self._is_stopped = True

    def run(self, max_messages: int | None, timeout: float | None) -> None:
        """Until stopped, or N records were shown, or none came for so many seconds.

        Raises CannotReadError, BrokenPipeError when whoever reads stdout has gone, and any other
        OSError when stdout cannot be written.
        """
        last = time.monotonic()
        while not self._is_stopped and self.shown != max_messages:
            limit = min(BURST, max_messages - self.shown) if max_messages else BURST
            messages = self._reader.read(limit, PAUSE)
            if messages and not self.shown and self._view and self._view.heading:
                note(self._view.heading)
            for message in messages:
                sys.stdout.buffer.write(self._line(message) + b"\n")
            sys.stdout.flush()
            if why := lost_output():
                raise why
            self.shown += len(messages)
            if messages:
                last = time.monotonic()
            elif timeout is not None and time.monotonic() - last >= timeout:
                self._reader.demand_connection()
                return
            elif _nobody_reads_stdout():
                raise BrokenPipeError

    def _line(self, message: Message) -> bytes:
        value = message.value()
        raw = b"null" if value is None else value
        if self._view:
            text = self._shown(message, self._view)
        elif self._screen.is_terminal:
            text = printable(raw.decode(errors="backslashreplace"))
        else:
            # In JSON a line end means no more than a space; here it would begin a forged record.
            return raw.translate(_LINE_ENDS_AS_SPACES)
        return text.encode(sys.stdout.encoding, errors="backslashreplace")

    def _shown(self, message: Message, view: View) -> str:
        value = message.value()
        if value is None:
            return self._unexpected(message, "has no value", b"")
        try:
            record: Any = msgspec.json.decode(value, type=view.record_type)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return self._unexpected(
                message, f"is not a {view.record_type.__name__}: {error}", value
            )
        return view.show(record, _time(message))

    def _unexpected(self, message: Message, what: str, value: bytes) -> str:
        where = f"{message.topic()}-{message.partition()}-{message.offset()}"
        raw = value[: 4 * MAX_RAW].decode(errors="backslashreplace")
        title = self._screen.styled(printable(f"{where} {what}", MAX_RAW), RED)
        return f"{_time(message)}  {title}\n  {printable(raw, MAX_RAW)}"


def _time(message: Message) -> str:
    """When the record was written, in UTC, without the year."""
    kind, milliseconds = message.timestamp()
    text = rfc3339(milliseconds) if kind else None
    return text[5:19].replace("T", " ") if text else NO_VALUE.ljust(14)


def _nobody_reads_stdout() -> bool:
    """Whether stdout is a pipe whose reader has gone; on a quiet topic no write would tell."""
    if not hasattr(select, "poll"):  # Windows: noticed at the next record instead
        return False
    poller = select.poll()
    poller.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poller.poll(0))
