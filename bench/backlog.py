"""Throughput: how fast a backlog is worked off, the whole job, one process."""

import subprocess
import sys
import time
from dataclasses import dataclass

from confluent_kafka import Consumer, TopicPartition

from bench.daemon import MeasuredDaemon

WARM_FROM = 0.4
"""Share of the backlog after which the process counts as warm."""
DEADLINE = 120.0


@dataclass(frozen=True)
class Throughput:
    delivery: str
    messages: int
    overall: float
    """Messages a second, from the start."""
    warm: float
    """Messages a second, after the first 40%."""
    cpu: float
    """Microseconds of the daemon's processor time a message."""
    memory: float
    """Most resident memory seen, MB."""


def make_backlog(bootstrap_servers: str, topic: str, messages: int) -> None:
    subprocess.run(
        [sys.executable, "-m", "dev.login_generator", "--rate", "max", "--count", str(messages)],
        env={"KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers, "INPUT_TOPIC": topic, "PATH": ""},
        check=True,
        stderr=subprocess.DEVNULL,
    )


def work_off(bootstrap_servers: str, topic: str, partitions: int, delivery: str) -> Throughput:
    """Starts a daemon with a group of its own and measures until the backlog is committed."""
    group = f"bench-{delivery}-{time.time_ns()}"
    watcher = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    parts = [TopicPartition(topic, number) for number in range(partitions)]
    total = sum(watcher.get_watermark_offsets(part)[1] for part in parts)
    settings = {"CONSUMER_GROUP": group, "INPUT_TOPIC": topic, "DELIVERY": delivery}
    with MeasuredDaemon(bootstrap_servers, **settings) as daemon:
        began = time.monotonic()
        marks = [(0.0, 0)]
        memory = 0.0
        while marks[-1][1] < total:
            if time.monotonic() - began > DEADLINE:
                raise SystemExit("the backlog was not worked off in time")
            time.sleep(0.05)
            done = sum(max(p.offset, 0) for p in watcher.committed(parts, timeout=10))
            marks.append((time.monotonic() - began, done))
            memory = max(memory, daemon.memory)
        cpu = daemon.cpu_seconds
    watcher.close()
    seconds = marks[-1][0]
    warm_time, warm_done = next(mark for mark in marks if mark[1] >= WARM_FROM * total)
    warm = (total - warm_done) / (seconds - warm_time) if seconds > warm_time else float("nan")
    return Throughput(delivery, total, total / seconds, warm, cpu / total * 1e6, memory)
