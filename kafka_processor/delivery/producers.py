"""Creates the producer for the delivery guarantee that DELIVERY names."""

from typing import Any

from kafka_processor.clients.client_config import ClientConfig
from kafka_processor.config import Settings
from kafka_processor.consumer import InputConsumer
from kafka_processor.delivery.at_least_once import AtLeastOnceProducer
from kafka_processor.delivery.exactly_once import ExactlyOnceProducer
from kafka_processor.producer import OutputProducer
from kafka_processor.record_limits import RecordLimits


def create_producer(
    settings: Settings,
    consumer: InputConsumer,
    limits: RecordLimits,
    client_log: Any,
    client_options: ClientConfig | None = None,
) -> OutputProducer:
    """Raises KafkaException for properties that the client rejects. Reaches no broker."""
    is_exactly_once = settings.delivery == "exactly-once"
    kind = ExactlyOnceProducer if is_exactly_once else AtLeastOnceProducer
    producer = kind(settings, consumer, limits, client_log, client_options)
    producer.demand_properties()
    return producer
