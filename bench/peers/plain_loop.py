"""The loop that most people write first, clients as by default: `python -m bench.peers.plain_loop`.

Roughly at least once: an offset is committed before the records of its message are acknowledged.
Its records have the right topics and names of fields; the rules are looser than the contract's.
"""

import hashlib
import json
import os
import signal
import sys
import time
from datetime import datetime, timezone
from typing import Any

from confluent_kafka import Consumer, Message, Producer

REQUIRED = ("user_id", "ip", "device_id", "app_version", "device_type", "timestamp", "locale")
ACCEPTED_VERSION = "2.3.0"
SUMMARY_INTERVAL = 1000


def mask(ip: str) -> str:
    return ":".join(ip.split(":")[:3]) + "::" if ":" in ip else ip[: ip.rindex(".")] + ".0"


def transform(message: Message) -> tuple[str, str, dict[str, Any]]:
    """Topic setting, outcome, record."""
    now = datetime.now(timezone.utc).isoformat()
    record: dict[str, Any] = {
        "message_id": f"{message.topic()}-{message.partition()}-{message.offset()}",
        "user_id": None,
        "timestamp": now,
    }
    try:
        event = json.loads(message.value() or b"")
        record["user_id"] = event.get("user_id")
        missing = [name for name in REQUIRED if not event.get(name)]
        if missing:
            record |= {"error_type": "missing_field", "error_message": f"missing: {missing}"}
            return "ERRORS_TOPIC", "missing_field", record
        event["device_id"] = hashlib.sha256(event["device_id"].encode()).hexdigest()
        event["ip"] = mask(event["ip"])
        if event["app_version"] != ACCEPTED_VERSION:
            record |= {"clean_type": "filtered_app_version", "message_content": event}
            return "CLEANED_TOPIC", "filtered", record
        time_of_event = datetime.fromtimestamp(float(event["timestamp"]), timezone.utc)
        event["timestamp"] = time_of_event.isoformat()
        return "PROCESSED_TOPIC", "processed", record | {name: event[name] for name in REQUIRED}
    except Exception as error:
        record |= {"error_type": "parse_error", "error_message": type(error).__name__}
        return "ERRORS_TOPIC", "parse_error", record


def run() -> None:
    servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": os.environ["CONSUMER_GROUP"],
            "auto.offset.reset": os.environ.get("AUTO_OFFSET_RESET", "earliest"),
            "enable.auto.commit": False,
        }
    )
    producer = Producer({"bootstrap.servers": servers})
    counts: dict[str, int] = {}
    total = 0

    def send(setting: str, key: str | None, value: dict[str, Any]) -> None:
        key_bytes = key.encode(errors="replace") if key else None
        producer.produce(os.environ[setting], key=key_bytes, value=json.dumps(value).encode())
        producer.poll(0)

    consumer.subscribe(
        [os.environ["INPUT_TOPIC"]],
        on_assign=lambda *_: print("Kafka Consumer has started...", flush=True),
    )
    try:
        while True:
            message = consumer.poll(1.0)
            if message is None or message.error():
                continue
            began = time.time()
            setting, outcome, record = transform(message)
            user_id = record["user_id"]
            send(setting, user_id if isinstance(user_id, str) else None, record)
            details = {
                "message_id": record["message_id"],
                "outcome": outcome,
                "topic": os.environ[setting],
                "processing_time": time.time() - began,
                "latency": time.time() - message.timestamp()[1] / 1000,
                "timestamp": record["timestamp"],
            }
            send("METRICS_TOPIC", None, {"message_details": [details]})
            counts[f"{outcome}_count"] = counts.get(f"{outcome}_count", 0) + 1
            total += 1
            if total % SUMMARY_INTERVAL == 0:
                send("SUMMARY_TOPIC", "summary", {"total_received_count": total} | counts)
            consumer.commit(message=message, asynchronous=False)
    finally:
        producer.flush(2)
        consumer.close()


if __name__ == "__main__":
    if os.environ.get("DELIVERY") == "exactly-once":
        sys.exit("the plain loop does not offer DELIVERY=exactly-once")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    run()
