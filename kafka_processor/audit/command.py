"""`kafka-processor audit`: every input message against all outputs (`docs/audit.md`)."""

import argparse
import dataclasses
import gc
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import Final

from kafka_processor.audit.auditing import Audit, Request, Result
from kafka_processor.audit.cluster import Cluster
from kafka_processor.audit.findings import Violation
from kafka_processor.audit.plan import Wanted
from kafka_processor.audit.progress import AuditProgress
from kafka_processor.audit.reading import SpanReader
from kafka_processor.audit.report import Report
from kafka_processor.audit.spill import Spill
from kafka_processor.config import Settings
from kafka_processor.environment.reading import is_connection_or_topic, load_command_settings
from kafka_processor.errors import EXIT_FAILED, EXIT_OK, CannotReadError
from kafka_processor.terminal.arguments import FOLDER, SECONDS, TIME, CommandParser, integer
from kafka_processor.terminal.endings import run_command
from kafka_processor.terminal.streams import lost_output

DESCRIPTION: Final = """\
Compares every input message up to the committed offsets of the group with all outputs. Reports \
messages that were lost or duplicated, contradictions with the summary, the metrics or the input, \
and values of ip or device_id that were copied to an output.

Reads committed records only, joins no group and commits nothing, so it may run beside the \
daemons. docs/audit.md has more."""
EPILOG: Final = """\
The options select input messages. The outputs are always read in full, since a record may have \
been written at any later time.

The settings are those of kafka-processor, see its --help: KAFKA_*, *_TOPIC, *_LABELS, \
CONSUMER_GROUP and DELIVERY.

Exit codes: 0 all is well, 1 something is wrong or cannot be read, 2 wrong options or settings."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit code (`docs/audit.md`)."""
    progress = AuditProgress()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: progress.stop())
    return run_command(
        lambda: _run(create_parser().parse(arguments), progress), report=progress.note
    )


def create_parser() -> CommandParser:
    parser = CommandParser(
        "kafka-processor audit", "[OPTIONS]", description=DESCRIPTION, epilog=EPILOG
    )
    option = parser.add_argument
    option("--json", action="store_true", help="one JSON object a line: violations, then verdict")
    option("--delivery", choices=("exactly-once", "at-least-once"), help="default: DELIVERY")
    option("--partition", type=integer(0), action="append", metavar="N",
           help="only this input partition; repeatable")  # fmt: skip
    option("--from-offset", type=integer(0), metavar="N", help="of each partition, inclusive")
    option("--to-offset", type=integer(0), metavar="N", help="of each partition, exclusive")
    option("--since", type=TIME, metavar="TIME", help="messages from this time on, RFC 3339")
    option("--until", type=TIME, metavar="TIME", help="messages before this time, RFC 3339")
    option("--folder", type=FOLDER, metavar="PATH", help="folder for temporary files")
    option("--timeout", type=SECONDS, default=60.0, metavar="S",
           help="give up after S seconds in which nothing can be read (default: 60)")  # fmt: skip
    parser.add_env_file()
    return parser


def _run(options: argparse.Namespace, progress: AuditProgress) -> int:
    """Raises CommandError."""
    settings, _ = load_command_settings(
        options.env_file,
        lambda name: is_connection_or_topic(name) or name in ("CONSUMER_GROUP", "DELIVERY"),
    )
    if options.delivery:
        settings = dataclasses.replace(settings, delivery=options.delivery)
    report = Report(settings, options.json)
    try:
        result = _audit(settings, options, progress, report)
        is_ok = report.verdict(result)
        sys.stdout.flush()
        _raise_lost_output()
    except BrokenPipeError:  # nobody has read the report to its end
        progress.clear()
        return EXIT_FAILED
    except OSError as error:  # of stdout or of the temporary files
        raise CannotReadError(str(error)) from None
    return EXIT_OK if is_ok else EXIT_FAILED


def _audit(
    settings: Settings, options: argparse.Namespace, progress: AuditProgress, report: Report
) -> Result:
    # Millions of small objects without cycles: the collector would only cost time.
    gc.disable()
    wanted = Wanted(options.partition or (), options.from_offset or 0, options.to_offset)
    request = Request(wanted, options.since, options.until)

    def show(violation: Violation) -> None:
        report.violation(violation)
        _raise_lost_output()

    with (
        closing(Cluster(settings, progress.check)) as cluster,
        closing(SpanReader(settings, options.timeout, progress.read)) as reader,
        Spill(options.folder) as spill,
    ):
        result = Audit(settings, cluster, reader, spill, progress, show).run(request)
        progress.note(
            f"group {settings.consumer_group} on {settings.input_topic} at "
            f"{settings.kafka_bootstrap_servers}: {progress.offsets:,} offsets read in "
            f"{progress.seconds:.1f} s, {spill.written / 1e6:,.0f} MB of temporary files"
        )
    return result


def _raise_lost_output() -> None:
    if error := lost_output():
        raise error
