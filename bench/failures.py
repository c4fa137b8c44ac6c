"""What can go wrong in a measurement, and how a command that measures ends then."""

from collections.abc import Callable
from typing import Final

from confluent_kafka import KafkaException
from rich.console import Console

from bench.contestant_process import ContestantFailed
from bench.peers.environments import PeerMissingError
from dev.kafka_install import LocalKafkaError
from kafka_processor.clients.kafka_errors import describe, error_of

FAILURES: Final = (ContestantFailed, PeerMissingError, LocalKafkaError, KafkaException)


def explain(error: Exception) -> str:
    """One of FAILURES in a line for the user."""
    return describe(error_of(error)) if isinstance(error, KafkaException) else str(error)


def exit_code_of(work: Callable[[], int], console: Console, if_stopped: str) -> int:
    """What `work` returns; after a failure, or a Ctrl-C, a line that says so, and 1 or 130."""
    try:
        return work()
    except FAILURES as error:
        console.print(f"[bold red]error:[/] {explain(error)}")
        return 1
    except KeyboardInterrupt:
        console.print(if_stopped)
        return 130
