"""`make soak`: a long run at a steady rate; memory, latency and lag must not grow.

Writes what it saw as a plot, and ends with 1 if something grew.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Final

from confluent_kafka import Consumer, TopicPartition
from rich.console import Console

from bench.contestant_process import ContestantProcess
from bench.contestants import CONTESTANTS
from bench.failures import exit_code_of
from bench.machine import describe_machine
from bench.plots import draw_soak
from bench.results import Sample
from bench.steady import pacer, percentile, produced_at, reader_at_the_end
from bench.topics import Topics, committed_total
from dev.local_kafka import LocalKafka

PARTITIONS: Final = 4
SAMPLE: Final = 5.0
"""Seconds for each point of the plot."""
RETENTION: Final = {
    "log.retention.ms": "120000",
    "log.retention.check.interval.ms": "30000",
    "log.segment.bytes": str(64 * 1024 * 1024),
    "log.segment.delete.delay.ms": "1000",
}
"""The broker keeps two minutes of everything, so that a long run does not fill the disk."""
ALLOWED_GROWTH: Final = 1.1
"""Of memory, from the second quarter to the last."""
ALLOWED_LATENCY: Final = 2.0
"""The same of the median latency, which is noisier."""
MAX_LAG: Final = 1.0
"""Seconds of messages not yet committed, at the median of the last quarter."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=int, default=5_000, help="messages a second")
    parser.add_argument("--plot", type=Path, help="where to write it (default: a temporary file)")
    options = parser.parse_args()
    console = Console()
    return exit_code_of(
        lambda: _run(options, console), console, "stopped before its end: nothing is said of growth"
    )


def _run(options: argparse.Namespace, console: Console) -> int:
    with LocalKafka(heap="1g", properties=RETENTION) as kafka:
        samples = soak(Topics(kafka.bootstrap_servers), options.rate, options.minutes, console)
    plot = options.plot or Path(tempfile.gettempdir()) / "kafka-processor-soak.svg"
    draw_soak(samples, f"{options.rate:,} messages/s; {describe_machine()}", plot)
    console.print(f"plot in {plot}")
    grown = growth(samples, options.rate)
    for line in grown:
        console.print(f"[bold red]grew:[/] {line}")
    if not grown:
        console.print("nothing grew")
    return 1 if grown else 0


def soak(topics: Topics, rate: int, minutes: float, console: Console) -> list[Sample]:
    topics.create(["soak"], PARTITIONS)
    ours = CONTESTANTS[0]
    with (
        topics.run("soak", PARTITIONS) as settings,
        ContestantProcess(ours.command(), {**settings, **ours.environment()}) as process,
        pacer(topics.bootstrap_servers, "soak", rate, minutes * 60 + SAMPLE),
        # Its answers can take seconds, in which what is read would seem late.
        ThreadPoolExecutor(1) as aside,
    ):
        reader = reader_at_the_end(topics.bootstrap_servers, settings["PROCESSED_TOPIC"])
        watcher = Consumer(
            {"bootstrap.servers": topics.bootstrap_servers, "group.id": settings["CONSUMER_GROUP"]}
        )
        samples: list[Sample] = []
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < minutes * 60:
            latencies: list[float] = []
            lag = aside.submit(_lag, watcher)
            while time.monotonic() - began < elapsed + SAMPLE or not lag.done():
                messages = reader.consume(1, 0.1) + reader.consume(10_000, 0)
                now = time.time()
                latencies += [
                    (now - produced_at(value)) * 1000
                    for message in messages
                    if (value := message.value())
                ]
            process.check()
            latencies.sort()
            sample = Sample(
                elapsed + SAMPLE,
                process.memory,
                percentile(latencies, 0.5),
                percentile(latencies, 0.99),
                lag.result(),
            )
            samples.append(sample)
            if len(samples) % 12 == 0:
                console.print(
                    f"{sample.seconds / 60:5.0f} min: {sample.memory:.0f} MB, p50 "
                    f"{sample.p50:.0f} ms, p99 {sample.p99:.0f} ms, lag {sample.lag:,} messages"
                )
        reader.close()
        watcher.close()
    return samples


def growth(samples: Sequence[Sample], rate: int) -> list[str]:
    """What grew from the second quarter of the run to the last, in words; empty: nothing."""
    quarter = max(len(samples) // 4, 1)
    early, late = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    grown = []
    for name, allowed in (("memory", ALLOWED_GROWTH), ("p50", ALLOWED_LATENCY)):
        before, after = (median(getattr(each, name) for each in part) for part in (early, late))
        if not after <= before * allowed:  # no latency at all is not a number
            grown.append(f"{name}, from {before:.1f} to {after:.1f}")
    lag = median(each.lag for each in late)
    if lag > MAX_LAG * rate:
        grown.append(f"the lag, to {lag:,.0f} messages")
    return grown


def _lag(watcher: Consumer) -> int:
    parts = [TopicPartition("soak", number) for number in range(PARTITIONS)]
    committed = committed_total(watcher, parts)
    # Asked for last: while the answers take their time, it is the ends that move on.
    return sum(watcher.get_watermark_offsets(part, timeout=10)[1] for part in parts) - committed


if __name__ == "__main__":
    sys.exit(main())
