"""An observer of the loop that is broken in every way."""

import inspect
from typing import Any

from kafka_processor.monitoring.observer import Observer

METHODS = [name for name, _ in inspect.getmembers(Observer, inspect.isfunction)]


class Raising(Observer):
    """Raises in each method; the text is what must not be logged."""

    def __init__(self) -> None:
        self.called: set[str] = set()

    def __getattribute__(self, name: str) -> Any:
        if name in METHODS:
            self.called.add(name)
            return self.fail
        return super().__getattribute__(name)

    def fail(self, *_: object) -> None:
        raise RuntimeError("5ec4e7")
