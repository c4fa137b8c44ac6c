"""A steady rate: latency from produce to a read_committed reader, and memory meanwhile."""

import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from subprocess import Popen

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from bench.contestant_process import ContestantProcess
from bench.contestants import Contestant
from bench.topics import Topics

WARM_UP_RATE = 20_000
SETTLE = 3.0
"""Seconds at the beginning of each rate that are not counted."""


class _Output(msgspec.Struct):
    timestamp: datetime | float


_decode = msgspec.json.Decoder(_Output).decode


@dataclass(frozen=True)
class Latency:
    """Milliseconds; the events carry the time of their produce() in milliseconds."""

    rate: int
    messages: int
    p50: float
    p99: float
    p999: float
    cpu: float
    """Microseconds of the contestant's processor time a message."""


@dataclass(frozen=True)
class Steady:
    latencies: list[Latency]
    memory_at_rest: float
    """MB, some seconds after the start, before the first message."""
    memory_most: float


def pace(bootstrap_servers: str, topic: str, rate: int, seconds: float) -> None:
    """Produces valid events, each with the time of its produce() as its timestamp."""
    # Like many clients that each send little: a request for each event would measure the broker.
    producer = Producer({"bootstrap.servers": bootstrap_servers, "linger.ms": 5})
    began = time.monotonic()
    sent = 0
    while (elapsed := time.monotonic() - began) < seconds:
        for number in range(sent, int(elapsed * rate)):
            user = number % 1000
            producer.produce(
                topic,
                b'{"user_id": "424cdd21-063a-43a7-b91b-%012d", "app_version": "2.3.0", '
                b'"device_type": "android", "ip": "199.172.%d.%d", "locale": "RU", '
                b'"device_id": "593-47-%04d", "timestamp": %.3f}'
                % (user, user % 250, number % 250, user, time.time()),
                b"%d" % user,
            )
        sent = int(elapsed * rate)
        producer.poll(0.0005)
    producer.flush(10)


@contextmanager
def pacer(bootstrap_servers: str, topic: str, rate: int, seconds: float) -> Iterator[None]:
    """`pace` in a process of its own."""
    arguments = [bootstrap_servers, topic, str(rate), str(seconds)]
    with Popen([sys.executable, "-m", "bench.steady", *arguments]) as process:
        try:
            yield
        finally:
            process.terminate()


def measure_steady(
    contestant: Contestant,
    topics: Topics,
    partitions: int,
    rates: list[int],
    seconds: float,
    warm_up: float,
) -> Steady:
    """One process of the contestant under one rate after the other. Raises ContestantFailed.

    `warm_up`: seconds at WARM_UP_RATE before: what compiles at run time needs them.
    """
    command = contestant.command()
    topic = f"steady-{time.time_ns()}"
    topics.create([topic], partitions)
    servers = topics.bootstrap_servers
    with topics.run(topic, partitions) as settings:
        environment = {**settings, **contestant.environment("latency")}
        with ContestantProcess(command, environment) as process:
            time.sleep(SETTLE)
            at_rest = most = process.memory
            with pacer(servers, topic, WARM_UP_RATE, warm_up):
                time.sleep(warm_up)
            latencies = []
            for rate in rates:
                latencies.append(
                    _measure(process, topics, settings["PROCESSED_TOPIC"], topic, rate, seconds)
                )
                most = max(most, process.memory)
                process.check()
    topics.remove([topic])
    return Steady(latencies, at_rest, most)


def _measure(
    process: ContestantProcess, topics: Topics, output: str, topic: str, rate: int, seconds: float
) -> Latency:
    reader = reader_at_the_end(topics.bootstrap_servers, output)
    latencies: list[float] = []
    with pacer(topics.bootstrap_servers, topic, rate, seconds + SETTLE + 1):
        began = time.monotonic()
        cpu_before = 0.0
        while (elapsed := time.monotonic() - began) < seconds + SETTLE:
            messages = reader.consume(1, 0.1) + reader.consume(10_000, 0)
            now = time.time()
            if elapsed >= SETTLE:
                cpu_before = cpu_before or process.cpu_seconds
                latencies += [
                    (now - produced_at(value)) * 1000
                    for message in messages
                    if (value := message.value())
                ]
        cpu = process.cpu_seconds - cpu_before
    reader.close()
    latencies.sort()
    return Latency(
        rate,
        len(latencies),
        percentile(latencies, 0.5),
        percentile(latencies, 0.99),
        percentile(latencies, 0.999),
        cpu / max(len(latencies), 1) * 1e6,
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """NaN if there is nothing."""
    return ordered[int(len(ordered) * share)] if ordered else math.nan


def produced_at(value: bytes) -> float:
    timestamp = _decode(value).timestamp
    return timestamp if isinstance(timestamp, float) else timestamp.timestamp()


def reader_at_the_end(bootstrap_servers: str, topic: str) -> Consumer:
    reader = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "bench-reader",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "fetch.queue.backoff.ms": 2,
        }
    )
    partitions = reader.list_topics(topic, 10).topics[topic].partitions
    ends = [
        TopicPartition(
            topic, number, reader.get_watermark_offsets(TopicPartition(topic, number))[1]
        )
        for number in partitions
    ]
    reader.assign(ends)
    return reader


if __name__ == "__main__":
    servers, name, messages_a_second, duration = sys.argv[1:]
    pace(servers, name, int(messages_a_second), float(duration))
