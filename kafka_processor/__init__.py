"""Kafka consumer daemon: user-login events in, five clean topics out, exactly once."""

__version__ = "0.1.0"
