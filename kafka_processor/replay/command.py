"""`kafka-processor replay`: options and settings in, report and exit code out."""

import json
import signal
import threading
from collections.abc import Sequence

from kafka_processor.config import Settings
from kafka_processor.environment.reading import load_command_settings
from kafka_processor.errors import (
    EXIT_FAILED,
    EXIT_OK,
    CannotReadError,
    ReplayError,
    SettingsError,
    StoppedError,
)
from kafka_processor.replay.arguments import Options, create_parser, options_of
from kafka_processor.replay.candidates import State
from kafka_processor.replay.report import Report, with_named_ones
from kafka_processor.replay.run import Replay
from kafka_processor.replay.scanning import TopicScanner
from kafka_processor.replay.selection import Selection
from kafka_processor.startup.core_dumps import forbid_core_dumps
from kafka_processor.terminal.endings import print_error, run_command
from kafka_processor.terminal.progress import Progress
from kafka_processor.terminal.streams import is_delivered

__all__ = ["create_parser", "main"]


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit code (`docs/replay.md`)."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    return run_command(lambda: _run(arguments, stopping))


def _run(arguments: Sequence[str], stopping: threading.Event) -> int:
    """Raises CommandError."""
    parsed = create_parser().parse(arguments)
    settings, _ = load_command_settings(parsed.env_file)
    if not settings.allow_core_dumps:
        forbid_core_dumps()
    options = options_of(parsed, settings.input_topic)
    _check_metrics(settings, options.selection)
    return _replay(settings, options, stopping)


def _check_metrics(settings: Settings, selection: Selection) -> None:
    """Only metrics report skipped messages. Raises SettingsError if they were asked for by name."""
    if settings.metrics_topic or not selection.takes_outcome("skipped"):
        return
    problem = "METRICS_TOPIC: is empty, so skipped messages cannot be found"
    if selection.outcomes:
        raise SettingsError([f"{problem}; set it, or leave out --outcome skipped"])
    print_error(problem)


def _replay(settings: Settings, options: Options, stopping: threading.Event) -> int:
    progress = Progress()
    scanner = TopicScanner(settings, progress, stopping)
    replay = Replay(settings, options.selection, scanner, progress, stopping)
    stopped = None
    try:
        replay.find()
        if options.send:
            replay.send(options.rate)
        else:
            replay.look()
    except (CannotReadError, ReplayError, StoppedError) as end:
        stopped = str(end)
        if options.send:
            stopped += f" ({replay.candidates.count(State.SENT):,} sent)"
    finally:
        progress.clear()
        scanner.close()
    is_complete = stopped is None
    if replay.has_looked:
        is_complete = _report(settings, options, replay, stopped)
    if stopped:
        print_error(stopped)
    return EXIT_OK if is_complete else EXIT_FAILED


def _report(settings: Settings, options: Options, replay: Replay, stopped: str | None) -> bool:
    """Prints the report; returns whether everything that was selected is done."""
    finder, candidates = replay.finder, replay.candidates
    report = Report(
        settings.input_topic,
        candidates,
        with_named_ones(finder.why_not(), candidates, options.selection.message_ids),
        finder.repeats_left_out,
        finder.unknown_records,
        is_dry_run=not options.send,
        stopped=stopped,
        forged_copies=replay.forged_copies,
        forged_copies_found=replay.forged_copies_found,
    )
    text = json.dumps(report.for_programs()) if options.json else report.for_people()
    print(text, flush=True)  # noqa: T201
    return report.is_complete and is_delivered()
