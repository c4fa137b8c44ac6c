"""`kafka-processor replay`: options and settings in, report and exit code out."""

import json
import os
import signal
import threading
from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaException

from kafka_processor.config import Settings, load_settings
from kafka_processor.environment.reading import read_environment
from kafka_processor.errors import ReplayError, SettingsError, StoppedError
from kafka_processor.replay.arguments import Options, options_of, parse
from kafka_processor.replay.candidates import State
from kafka_processor.replay.progress import Progress
from kafka_processor.replay.report import Report, with_named_ones
from kafka_processor.replay.run import Replay
from kafka_processor.replay.scanning import TopicScanner
from kafka_processor.replay.selection import Selection
from kafka_processor.startup.core_dumps import forbid_core_dumps
from kafka_processor.terminal.endings import EXIT_FAILED, EXIT_OK, EXIT_WRONG_SETTINGS, explain, say
from kafka_processor.terminal.streams import is_delivered

NOT_NEEDED: Final = ("DEVICE_ID_KEY", "DEVICE_ID_KEY_FILE", "ALLOW_KEY_CHANGE")
"""Settings that are not looked at: no key is needed to send a message as it is."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit code (`docs/replay.md`)."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        given = parse(arguments)
        read = read_environment(os.environ, given.env_file)
        say(*read.warnings)
        settings = load_settings({n: v for n, v in read.values.items() if n not in NOT_NEEDED})
        if not settings.allow_core_dumps:
            forbid_core_dumps()
        options = options_of(given, settings.input_topic)
        _look_at_metrics(settings, options.selection)
        return _run(settings, options, stopping)
    except SettingsError as wrong:
        say(*wrong.lines)
        return EXIT_WRONG_SETTINGS
    except KafkaException as exception:
        reason, exit_code = explain(exception)
        say(reason)
        return exit_code


def _look_at_metrics(settings: Settings, selection: Selection) -> None:
    """Only metrics tell what was skipped. Raises SettingsError if that was asked for by name."""
    if settings.metrics_topic or not selection.takes_outcome("skipped"):
        return
    problem = "METRICS_TOPIC: set to nothing, so skipped messages cannot be found"
    if selection.outcomes:
        raise SettingsError([problem])
    say(problem)


def _run(settings: Settings, options: Options, stopping: threading.Event) -> int:
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
    except (ReplayError, StoppedError) as end:
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
        say(stopped)
    return EXIT_OK if is_complete else EXIT_FAILED


def _report(settings: Settings, options: Options, replay: Replay, stopped: str | None) -> bool:
    """Prints it, and says whether all was done."""
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
