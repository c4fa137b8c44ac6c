"""A steady rate: latency from produce to a read_committed reader, and memory over time."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from subprocess import Popen

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from bench.daemon import MeasuredDaemon

WARM_UP = 5.0
"""Seconds at the beginning of a run that are not counted."""


class _Output(msgspec.Struct):
    timestamp: datetime


_decode = msgspec.json.Decoder(_Output).decode


@dataclass(frozen=True)
class Latency:
    """Milliseconds; the events carry the time of their produce() in milliseconds."""

    rate: int
    messages: int
    p50: float
    p99: float
    p999: float


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


def measure_latency(
    bootstrap_servers: str, topic: str, partitions: int, rate: int, seconds: float
) -> Latency:
    output = f"{topic}-processed"
    settings = {
        "INPUT_TOPIC": topic,
        "PROCESSED_TOPIC": output,
        "CONSUMER_GROUP": f"bench-{time.time_ns()}",
        "AUTO_OFFSET_RESET": "latest",
    }
    latencies: list[float] = []
    with MeasuredDaemon(bootstrap_servers, **settings):
        reader = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "bench-reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.queue.backoff.ms": 2,
            }
        )
        reader.assign([TopicPartition(output, number, 0) for number in range(partitions)])
        with pacer(bootstrap_servers, topic, rate, seconds + WARM_UP + 1):
            began = time.monotonic()
            while (elapsed := time.monotonic() - began) < seconds + WARM_UP:
                messages = reader.consume(1, 0.1) + reader.consume(10_000, 0)
                now = time.time()
                if elapsed >= WARM_UP:
                    latencies += [
                        (now - _decode(value).timestamp.timestamp()) * 1000
                        for message in messages
                        if (value := message.value())
                    ]
        reader.close()
    latencies.sort()

    def percentile(share: float) -> float:
        return latencies[int(len(latencies) * share)]

    return Latency(rate, len(latencies), percentile(0.5), percentile(0.99), percentile(0.999))


def measure_memory(bootstrap_servers: str, topic: str, rate: int, minutes: int) -> list[float]:
    """The most resident memory of each minute, MB."""
    settings = {"INPUT_TOPIC": topic, "CONSUMER_GROUP": f"bench-{time.time_ns()}"}
    maxima = [0.0] * minutes
    with (
        MeasuredDaemon(bootstrap_servers, **settings) as daemon,
        pacer(bootstrap_servers, topic, rate, minutes * 60 + 1),
    ):
        began = time.monotonic()
        while (minute := int((time.monotonic() - began) // 60)) < minutes:
            maxima[minute] = max(maxima[minute], daemon.memory)
            time.sleep(0.2)
    return maxima


if __name__ == "__main__":
    servers, name, messages_a_second, duration = sys.argv[1:]
    pace(servers, name, int(messages_a_second), float(duration))
