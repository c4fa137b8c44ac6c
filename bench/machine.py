"""What a figure was measured on."""

import os
import platform
from importlib.metadata import version

import confluent_kafka
import psutil

from dev.kafka_install import KAFKA_VERSION


def describe_machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, shared by broker, load and contestant; "
        f"{platform.system()} {platform.machine()}, Kafka {KAFKA_VERSION}, "
        f"Python {platform.python_version()}, confluent-kafka {confluent_kafka.__version__} "
        f"(librdkafka {confluent_kafka.libversion()[0]}), msgspec {version('msgspec')}"
    )
