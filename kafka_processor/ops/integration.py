"""What OPS_PORT turns on, put together."""

from collections.abc import Iterator
from contextlib import contextmanager

from kafka_processor.config import Settings
from kafka_processor.ops.collector import FiguresCollector
from kafka_processor.ops.insight import Insight
from kafka_processor.ops.server import serve


@contextmanager
def open_room(settings: Settings, key_id: str, port: int, insight: Insight) -> Iterator[None]:
    """Raises CannotListenError."""
    collector = FiguresCollector(settings, key_id, insight.figures, insight.health)
    with serve(settings.ops_host, port, collector, insight.health):
        yield
