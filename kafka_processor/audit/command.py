"""Audits delivery: each input message up to the group's committed offsets against all outputs.

Reports what was lost or doubled, what contradicts the summary, the metrics or the input, and every
value of ip or device_id that was copied to an output. Exit codes: 0 all is well, 1 something is
wrong or cannot be read, 2 wrong settings or arguments.
"""

import argparse
import dataclasses
import gc
import signal
import sys
from contextlib import closing
from pathlib import Path

from kafka_processor.audit.auditing import Audit, Request, Result
from kafka_processor.audit.cluster import Cluster
from kafka_processor.audit.findings import Violation
from kafka_processor.audit.plan import Wanted
from kafka_processor.audit.progress import Progress
from kafka_processor.audit.reading import SpanReader
from kafka_processor.audit.report import Report
from kafka_processor.audit.spill import Spill
from kafka_processor.config import Settings
from kafka_processor.errors import CannotReadError, SettingsError, StoppedError
from kafka_processor.event.timestamps import milliseconds_of
from kafka_processor.tail.tailing import add_env_file, note, relevant_settings, seconds
from kafka_processor.terminal.streams import guard_streams, lost_output


def main() -> int:
    guard_streams()
    options = _options()
    progress = Progress(note)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: progress.stop())
    try:
        settings = relevant_settings(options.env_file, "CONSUMER_GROUP", "DELIVERY")
        if options.delivery:
            settings = dataclasses.replace(settings, delivery=options.delivery)
        report = Report(settings, options.json)
        result = _audit(settings, options, progress, report)
        is_ok = report.verdict(result)
        sys.stdout.flush()
        if why := lost_output():
            raise why
    except SettingsError as error:
        return _end(progress, error.lines, 2)
    except BrokenPipeError:  # whoever read the report wanted no more
        return _end(progress, [], 1)
    except (CannotReadError, OSError) as error:
        return _end(progress, [str(error)], 1)
    except StoppedError:
        return _end(progress, ["stopped before the end: nothing can be said"], 1)
    return 0 if is_ok else 1


def _end(progress: Progress, lines: list[str], code: int) -> int:
    progress.clear()
    for line in lines:
        note(line)
    return code


def _audit(
    settings: Settings, options: argparse.Namespace, progress: Progress, report: Report
) -> Result:
    # Millions of small objects that refer to nothing: there are no cycles to look for.
    gc.disable()
    wanted = Wanted(options.partition or (), options.from_offset or 0, options.to_offset)
    request = Request(wanted, options.since, options.until)

    def tell(violation: Violation) -> None:
        report.violation(violation)
        if why := lost_output():
            raise why

    with (
        closing(Cluster(settings, progress.check)) as cluster,
        closing(SpanReader(settings, options.timeout, progress.read)) as reader,
        Spill(options.folder) as spill,
    ):
        result = Audit(settings, cluster, reader, spill, progress, tell).run(request)
        progress.clear()
        note(
            f"group {settings.consumer_group} on {settings.input_topic} at "
            f"{settings.kafka_bootstrap_servers}: {progress.offsets:,} offsets read in "
            f"{progress.seconds:.1f} s, {spill.written / 1e6:,.0f} MB of temporary files"
        )
    return result


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Audits delivery: each input message up to the group's committed offsets "
        "against all outputs. Reads committed records only, commits nothing and joins no group, "
        "so it may run while the processes do. The settings are those of kafka-processor (see "
        "its --help): KAFKA_*, *_TOPIC, CONSUMER_GROUP and DELIVERY, from the environment or .env.",
        epilog="Exit codes: 0 all is well, 1 something is wrong or cannot be read, 2 wrong "
        "settings or arguments. A range restricts which messages are audited; the outputs are "
        "read whole all the same, since a record may have been written at any later time.",
    )
    option = parser.add_argument
    option("--json", action="store_true", help="one object a line: violations, then the verdict")
    option("--delivery", choices=("exactly-once", "at-least-once"), help="default: DELIVERY")
    option("--partition", type=_whole, action="append", metavar="N", help="this one; repeatable")
    option("--from-offset", type=_whole, metavar="N", help="from this offset of each partition on")
    option("--to-offset", type=_whole, metavar="N", help="before this offset (exclusive)")
    option("--since", type=_time, metavar="TIME", help="messages from this time on, RFC 3339")
    option("--until", type=_time, metavar="TIME", help="messages before this time, RFC 3339")
    option("--folder", type=_folder, metavar="PATH", help="where temporary files go")
    option(
        "--timeout",
        type=seconds,
        default=60.0,
        metavar="S",
        help="give up after S seconds in which nothing can be read (default: 60)",
    )
    add_env_file(parser)
    return parser.parse_args()


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 2**63):
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, 0 or more")
    return int(text)


def _time(text: str) -> int:
    """Milliseconds since the epoch."""
    try:
        return milliseconds_of(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an RFC 3339 time such as 2024-07-10T02:00:25Z"
        ) from None


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no folder")
    return Path(text)


if __name__ == "__main__":
    sys.exit(main())
