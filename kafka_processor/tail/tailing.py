"""The loop of a tail: reads records, formats them, and writes them to stdout."""

import math
import select
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from confluent_kafka import Message
from msgspec import UnsetType

from kafka_processor.config import Settings
from kafka_processor.event.timestamps import rfc3339
from kafka_processor.tail.topic_reader import TopicReader
from kafka_processor.terminal.endings import print_error
from kafka_processor.terminal.printable import printable
from kafka_processor.terminal.screen import CYAN, DIM, NO_VALUE, RED, Column, Screen
from kafka_processor.terminal.streams import lost_output
from kafka_processor.timing import Every

BURST: Final = 500
"""Records that are printed before stdout is flushed."""
PAUSE: Final = 0.2
"""Seconds to wait for a record before signals and timeouts are checked."""
MAX_RAW: Final = 2000
"""Characters that are shown of a record that cannot be decoded."""
_LINE_ENDS_AS_SPACES: Final = bytes.maketrans(b"\r\n", b"  ")


@dataclass(frozen=True)
class View:
    """How the records of one topic look on the screen."""

    record_type: type
    heading: str
    show: Callable[[Any, str], str]
    """Formats a record and the time it was written; every value in it must be made printable."""


def first_columns(settings: Settings) -> tuple[Column, Column]:
    """The time of the record, and the message that it is about."""
    return Column("WRITTEN (UTC)", 14, DIM), Column("MESSAGE", len(settings.input_topic) + 14, CYAN)


def message_name(message_id: str, replay_of: str | UnsetType) -> str:
    return f"{message_id} (replay of {replay_of})" if replay_of else message_id


def print_heading(heading: str) -> None:
    for line in heading.split("\n"):
        print_error(line)


class Tail:
    """Writes the records of a topic to stdout: in their view, or raw without one."""

    def __init__(self, reader: TopicReader, screen: Screen, view: View | None) -> None:
        self.shown = 0
        self._reader = reader
        self._screen = screen
        self._view = view
        self._is_stopped = False

    def stop(self) -> None:
        self._is_stopped = True

    def run(self, max_messages: int | None, timeout: float | None) -> None:
        """Returns when stopped, after `max_messages`, or after `timeout` seconds without a record.

        Raises CannotReadError, BrokenPipeError if the reader of stdout is gone, and any other
        OSError if stdout cannot be written.
        """
        quiet = Every(math.inf if timeout is None else timeout)
        while not self._is_stopped and self.shown != max_messages:
            limit = min(BURST, max_messages - self.shown) if max_messages else BURST
            messages = self._reader.read(limit, PAUSE)
            if messages and not self.shown and self._view and self._view.heading:
                print_heading(self._view.heading)
            for message in messages:
                sys.stdout.buffer.write(self._line(message) + b"\n")
            sys.stdout.flush()
            if error := lost_output():
                raise error
            self.shown += len(messages)
            if messages:
                quiet.restart()
            elif quiet.is_due:
                self._reader.require_connection()
                return
            elif _is_stdout_closed():
                raise BrokenPipeError

    def _line(self, message: Message) -> bytes:
        value = message.value()
        raw = b"null" if value is None else value
        if self._view:
            text = self._shown(message, self._view)
        elif self._screen.is_terminal:
            text = printable(raw.decode(errors="backslashreplace"))
        else:
            # A line end in JSON is white space; here it would start a forged record.
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
    """The time of the record in UTC, without the year."""
    kind, milliseconds = message.timestamp()
    text = rfc3339(milliseconds) if kind else None
    return text[5:19].replace("T", " ") if text else NO_VALUE.ljust(14)


def _is_stdout_closed() -> bool:
    """Whether stdout is a pipe whose reader is gone; on a quiet topic no write would notice."""
    if not hasattr(select, "poll"):  # Windows: the next write notices it
        return False
    poller = select.poll()
    poller.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poller.poll(0))
