"""What the loop has done so far, as far as lineage tells of it."""

from collections.abc import Callable

from kafka_processor.batch import Batch
from kafka_processor.config import Settings
from kafka_processor.observer import Observer
from kafka_processor.records import ERROR_TYPES


class Progress(Observer):
    def __init__(self, settings: Settings, on_work: Callable[[], None]) -> None:
        """`on_work` is called once the loop turns, which it does when all topics are there."""
        self._settings = settings
        self._on_work: Callable[[], None] | None = on_work
        self._rows = {
            settings.processed_topic: 0,
            settings.errors_topic: 0,
            settings.cleaned_topic: 0,
        }

    def turned(self) -> None:
        if self._on_work:
            self._on_work()
            self._on_work = None

    def committed(self, batch: Batch, seconds: float) -> None:  # noqa: ARG002
        settings, rows = self._settings, self._rows
        for work in batch.works.values():
            for outcome, count in work.outcomes.items():
                if outcome == "processed":
                    rows[settings.processed_topic] += count
                elif outcome == "filtered":
                    rows[settings.cleaned_topic] += count
                elif outcome in ERROR_TYPES:
                    rows[settings.errors_topic] += count

    def rows(self) -> dict[str, int]:
        """Records committed by this process, of the topics with one a message. For any thread."""
        return dict(self._rows)
