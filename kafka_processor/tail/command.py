"""`kafka-processor tail KIND`: its command line, settings and exit code."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from kafka_processor.config import Settings
from kafka_processor.environment.reading import is_connection_or_topic, load_command_settings
from kafka_processor.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, SettingsError
from kafka_processor.tail.cleaned import cleaned_view
from kafka_processor.tail.errors import errors_view
from kafka_processor.tail.metrics import metrics_view
from kafka_processor.tail.processed import processed_view
from kafka_processor.tail.summary import summary_view
from kafka_processor.tail.tailing import Tail, View
from kafka_processor.tail.topic_reader import TopicReader
from kafka_processor.terminal.arguments import SECONDS, CommandParser, integer, listed, wrapped
from kafka_processor.terminal.endings import print_error, run_command
from kafka_processor.terminal.screen import Screen


@dataclass(frozen=True)
class Kind:
    """A kind of record that can be shown."""

    setting: str
    """Names the topic."""
    summary: str
    view_of: Callable[[Screen, Settings], View]


KINDS: Final = {
    "processed": Kind("PROCESSED_TOPIC", "events that were processed", processed_view),
    "errors": Kind("ERRORS_TOPIC", "messages that failed, and why", errors_view),
    "cleaned": Kind("CLEANED_TOPIC", "messages that were filtered out, and why", cleaned_view),
    "summary": Kind(
        "SUMMARY_TOPIC",
        "running counts of each input partition, and the sum of all that were seen",
        summary_view,
    ),
    "metrics": Kind("METRICS_TOPIC", "outcome and times of each message", metrics_view),
}
DESCRIPTION: Final = """\
Shows the records of an output topic as they arrive. Reads committed records only, and joins no \
group. Records go to stdout, everything else to stderr."""
EPILOG: Final = """\
The settings are those of kafka-processor, see its --help: KAFKA_* and *_TOPIC.

Exit codes: 0 done, or stopped by a signal; 1 the topic cannot be read; 2 wrong options or \
settings."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    signal.signal(signal.SIGINT, lambda *_: sys.exit(EXIT_INTERRUPTED))  # until a tail runs
    return run_command(lambda: _run(create_parser().parse(arguments)))


def create_parser() -> CommandParser:
    parser = CommandParser("kafka-processor tail", "KIND [OPTIONS]", "", EPILOG)
    kinds = listed((name, f"{kind.summary} ({kind.setting})") for name, kind in KINDS.items())
    parser.description = f"{wrapped(DESCRIPTION)}\n\nKIND:\n{kinds}"
    option = parser.add_argument
    option("kind", nargs="?", metavar="KIND", help=argparse.SUPPRESS)
    option("--json", action="store_true", help="one raw record a line, for other programs")
    option("--from-beginning", action="store_true", help="existing records first, then new ones")
    option("--max-messages", type=integer(1), metavar="N", help="stop after N records")
    option("--timeout", type=SECONDS, metavar="S", help="stop after S seconds without a record")
    parser.add_env_file()
    return parser


def _run(options: argparse.Namespace) -> int:
    """Raises CommandError."""
    kind = KINDS.get(options.kind)
    if kind is None:
        what = "not given" if options.kind is None else f"{options.kind!r} is not allowed"
        raise SettingsError([f"KIND: {what}; use one of {', '.join(KINDS)}"])
    settings, _ = load_command_settings(options.env_file, is_connection_or_topic)
    topic = getattr(settings, kind.setting.lower())
    if not topic:
        raise SettingsError([f"{kind.setting}: is empty, so there is no topic to read; set it"])
    screen = Screen()
    reader = TopicReader(settings, topic, options.from_beginning, print_error)
    tail = Tail(reader, screen, None if options.json else kind.view_of(screen, settings))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: tail.stop())
    try:
        tail.run(options.max_messages, options.timeout)
    except BrokenPipeError:
        return EXIT_OK
    except OSError as error:
        print_error(f"cannot write to stdout ({error.strerror})")
        return EXIT_FAILED
    finally:
        reader.close()
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)  # over the ^C that the terminal shows
    print_error(f"records shown: {tail.shown:,}")
    return EXIT_OK
