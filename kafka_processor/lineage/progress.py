"""What the loop has done so far, as far as lineage tells of it."""

from collections import Counter
from collections.abc import Callable

from kafka_processor.config import Settings
from kafka_processor.delivery.batch import Batch
from kafka_processor.metrics import records_by_topic
from kafka_processor.monitoring.observer import Observer
from kafka_processor.outcomes import Outcome


class Progress(Observer):
    def __init__(self, settings: Settings, on_work: Callable[[], None]) -> None:
        """`on_work` is called once the loop turns, which it does when all topics are there."""
        self._settings = settings
        self._on_work: Callable[[], None] | None = on_work
        self._outcomes: Counter[Outcome] = Counter()

    def turned(self) -> None:
        if self._on_work:
            self._on_work()
            self._on_work = None

    def committed(self, batch: Batch, seconds: float) -> None:  # noqa: ARG002
        for work in batch.works.values():
            self._outcomes.update(work.outcomes)

    def rows(self) -> dict[str, int]:
        """Records committed by this process, of the topics with one a message. For any thread."""
        return records_by_topic(self._settings, dict(self._outcomes))
