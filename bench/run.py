"""`make bench`: one honest run on this machine, broker and all, printed as a table."""

import argparse
import os
import platform
import sys
from collections.abc import Iterable, Sequence

import confluent_kafka
import psutil
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from rich.console import Console
from rich.table import Table

from bench.backlog import Throughput, make_backlog, work_off
from bench.steady import Latency, measure_latency, measure_memory
from dev.kafka_install import KAFKA_VERSION
from dev.local_kafka import LocalKafka

PARTITIONS = 4
BACKLOG = 1_000_000
ROUNDS = 3
"""Turns of each delivery, alternating; the median is shown."""
LATENCY_RATES = (1_000, 5_000, 20_000)
MEMORY_RATE = 20_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--messages", type=int, default=BACKLOG, help="size of the backlog")
    parser.add_argument("--seconds", type=float, default=20, help="length of a latency run")
    parser.add_argument("--minutes", type=int, default=5, help="length of the memory run; 0: none")
    options = parser.parse_args()
    console = Console()
    console.print(describe_machine())
    with LocalKafka(heap="2g") as kafka:
        servers = kafka.bootstrap_servers
        _create(servers, ["backlog", *(f"rate-{rate}" for rate in LATENCY_RATES), "memory"])
        console.print(f"filling a backlog of {options.messages:,} messages ...")
        make_backlog(servers, "backlog", options.messages)
        console.print(
            "working it off once, not counted: a broker that has just started is slow ..."
        )
        work_off(servers, "backlog", PARTITIONS, "exactly-once")
        runs: dict[str, list[Throughput]] = {"exactly-once": [], "at-least-once": []}
        for turn in range(1, ROUNDS + 1):
            for delivery, done in runs.items():
                console.print(f"working it off, {delivery}, {turn} of {ROUNDS} ...")
                done.append(work_off(servers, "backlog", PARTITIONS, delivery))
        throughputs = [median_run(done) for done in runs.values()]
        latencies = []
        for rate in LATENCY_RATES:
            console.print(f"latency at {rate:,} messages/s, {options.seconds:.0f} s ...")
            latencies.append(
                measure_latency(servers, f"rate-{rate}", PARTITIONS, rate, options.seconds)
            )
        maxima: list[float] = []
        if options.minutes:
            console.print(f"memory at {MEMORY_RATE:,} messages/s, {options.minutes} minutes ...")
            maxima = measure_memory(servers, "memory", MEMORY_RATE, options.minutes)
    console.print(throughput_table(throughputs), latency_table(latencies))
    if maxima:
        console.print(memory_table(maxima))
    return 0


def median_run(runs: Sequence[Throughput]) -> Throughput:
    return sorted(runs, key=lambda run: run.overall)[len(runs) // 2]


def describe_machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, shared by broker, load and daemon; "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"confluent-kafka {confluent_kafka.__version__}, Kafka {KAFKA_VERSION}"
    )


def throughput_table(rows: Iterable[Throughput]) -> Table:
    table = Table(title=f"Backlog: the whole job, one process, median of {ROUNDS}")
    for column in ("delivery", "messages", "messages/s", "warm", "CPU µs/message", "peak MB"):
        table.add_column(column, justify="left" if column == "delivery" else "right")
    for row in rows:
        table.add_row(
            row.delivery,
            f"{row.messages:,}",
            f"{row.overall:,.0f}",
            f"{row.warm:,.0f}",
            f"{row.cpu:.2f}",
            f"{row.memory:.0f}",
        )
    return table


def latency_table(rows: Iterable[Latency]) -> Table:
    table = Table(title="Latency, exactly once: produce to a read_committed reader, ms")
    for column in ("messages/s", "measured", "p50", "p99", "p99.9"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            f"{row.rate:,}",
            f"{row.messages:,}",
            f"{row.p50:.0f}",
            f"{row.p99:.0f}",
            f"{row.p999:.0f}",
        )
    return table


def memory_table(maxima: list[float]) -> Table:
    table = Table(title=f"Resident memory at {MEMORY_RATE:,} messages/s, most in each minute, MB")
    for minute in range(1, len(maxima) + 1):
        table.add_column(f"minute {minute}", justify="right")
    table.add_row(*(f"{most:.0f}" for most in maxima))
    return table


def _create(bootstrap_servers: str, topics: Iterable[str]) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    new = [NewTopic(topic, num_partitions=PARTITIONS) for topic in topics]
    for created in admin.create_topics(new).values():
        created.result()


if __name__ == "__main__":
    sys.exit(main())
