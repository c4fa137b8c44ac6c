"""Who takes part, and with which settings: each in the form that was measured to suit it best.

How each was tuned: `docs/performance.md`.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from bench.peers.environments import python_of
from bench.peers.streams_install import install_streams

OURS: Final = "kafka_processor"
TWO_WORKERS: Final = "kafka_processor, 2 workers"
STREAMS: Final = "Kafka Streams"
COPY: Final = "copy, no work"
SAME_CLIENTS: Final = "clients as kafka_processor's (client_config.py)"

Aim = Literal["throughput", "latency", "growth", "members"]
"""`growth`: over partitions and sizes of events; `members`: several of them on this machine."""


@dataclass(frozen=True)
class Contestant:
    name: str
    delivery: str
    command: Callable[[], list[str]]
    """Makes ready what is needed, which may take a while, and returns the command line."""
    clients: str
    """Which settings its Kafka clients have, for the reader."""
    tuning: Mapping[str, str] = field(default_factory=dict)
    """What suits its throughput best, as environment variables."""
    special: Mapping[Aim, Mapping[str, str]] = field(default_factory=dict)
    """The same for other aims, where something else suits them better."""
    makes_our_records: bool = True
    """Does the whole job by the same rules, which is checked."""

    @property
    def label(self) -> str:
        return f"{self.name}, {self.delivery}"

    def environment(self, aim: Aim = "throughput") -> dict[str, str]:
        return {"DELIVERY": self.delivery, **self.special.get(aim, self.tuning)}

    def settings(self) -> str:
        """One line for the reader."""

        def shown(tuning: Mapping[str, str]) -> str:
            return " ".join(f"{name}={value}" for name, value in tuning.items())

        parts = [self.clients, shown(self.tuning)]
        parts += [f"for {aim} {shown(tuning)}" for aim, tuning in self.special.items()]
        return "; ".join(part for part in parts if part)


def _ours(*options: str) -> list[str]:
    return [sys.executable, "-m", "kafka_processor", *options]


def _two_workers() -> list[str]:
    return _ours("--workers", "2")


def _python_peer(name: str) -> Callable[[], list[str]]:
    return lambda: [str(python_of(name)), "-m", f"bench.peers.{name}"]


def _streams() -> list[str]:
    return install_streams().command()


_STREAMS_CLIENTS: Final = "its own Java clients: Settings.java, streams_install.py"
_STREAMS_HEAP: Final = {"JDK_JAVA_OPTIONS": "-Xms768m -Xmx768m -Xmn384m"}
_STREAMS_QUICK_RETRIES: Final = "producer.retry.backoff.ms=5,producer.retry.backoff.max.ms=20"
_STREAMS_ONE_THREAD: Final = {**_STREAMS_HEAP, "STREAMS_THREADS": "1"}
_STREAMS_GROWTH: Final = {
    "JDK_JAVA_OPTIONS": "-Xms1536m -Xmx1536m -Xmn768m",
    "BUFFERED_RECORDS": "5000",
}

CONTESTANTS: Final = (
    Contestant(OURS, "exactly-once", _ours, SAME_CLIENTS),
    Contestant(OURS, "at-least-once", _ours, SAME_CLIENTS),
    Contestant(TWO_WORKERS, "exactly-once", _two_workers, SAME_CLIENTS),
    Contestant(
        STREAMS,
        "exactly-once",
        _streams,
        _STREAMS_CLIENTS,
        tuning=_STREAMS_HEAP,
        special={
            "latency": {
                **_STREAMS_ONE_THREAD,
                "COMMIT_INTERVAL_MS": "10",
                "LINGER_MS": "1",
                "STREAMS_PROPERTIES": _STREAMS_QUICK_RETRIES,
            },
            "growth": _STREAMS_GROWTH,
            "members": _STREAMS_ONE_THREAD,
        },
    ),
    Contestant(
        STREAMS,
        "at-least-once",
        _streams,
        _STREAMS_CLIENTS,
        tuning=_STREAMS_HEAP,
        special={"latency": {**_STREAMS_ONE_THREAD, "LINGER_MS": "0"}},
    ),
    Contestant(
        "Quix Streams",
        "exactly-once",
        _python_peer("quix_streams"),
        SAME_CLIENTS,
        special={"latency": {"COMMIT_INTERVAL": "0.03", "LINGER_MS": "1"}},
    ),
    Contestant(
        "Quix Streams",
        "at-least-once",
        _python_peer("quix_streams"),
        SAME_CLIENTS,
        special={"latency": {"COMMIT_INTERVAL": "0.1", "LINGER_MS": "1"}},
    ),
    Contestant(
        "Arroyo",
        "at-least-once",
        _python_peer("arroyo_loop"),
        SAME_CLIENTS,
        special={"latency": {"LINGER_MS": "1"}},
    ),
    Contestant(
        "plain loop",
        "at-least-once",
        _python_peer("plain_loop"),
        "clients as by default; the rules are looser",
        makes_our_records=False,
    ),
    Contestant(
        COPY, "exactly-once", _python_peer("copy_loop"), SAME_CLIENTS, makes_our_records=False
    ),
    Contestant(
        COPY, "at-least-once", _python_peer("copy_loop"), SAME_CLIENTS, makes_our_records=False
    ),
)
