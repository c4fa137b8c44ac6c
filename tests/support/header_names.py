"""A message with header names that are any bytes, which the Python client cannot write."""

from typing import Final

from confluent_kafka.admin import AdminClient

from tests.support.raw_batches import RawHeaders, batch_of, record_of, send_batch

OFTEN: Final = 200
"""Messages after which Python has specialized the calls that are made for each of them."""


def send_with_raw_headers(
    admin: AdminClient,
    topic: str,
    partition: int,
    key: bytes | None,
    value: bytes | None,
    headers: RawHeaders,
    timestamp: int = 0,
) -> None:
    """Returns once it is written; `timestamp` in milliseconds, 0: now."""
    batch = batch_of(record_of(key, value, headers), 1, timestamp=timestamp)
    send_batch(admin, topic, partition, batch)
