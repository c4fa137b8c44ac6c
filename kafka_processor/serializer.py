"""How the records of the outputs are encoded. Today that is JSON; other formats are added here.

Metrics lines are the exception: `metrics.py` writes them as JSON text, three times as fast as an
encoder does.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct

Encode = Callable[[Any], bytes]


class Serializer(Protocol):
    def encoder(self, topic: str, record_type: type[Struct]) -> Encode:
        """Returns the function that encodes records of this type for this topic.

        Called once for each, when the pipeline is built: a format may look up or register a schema
        here, and costs nothing more than its encoding for each message.
        """


class JsonSerializer:
    """UTF-8 JSON, one object a record, whatever the topic and the type."""

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder().encode

    def encoder(self, topic: str, record_type: type[Struct]) -> Encode:  # noqa: ARG002
        return self._encode


JSON: Final = JsonSerializer()
