"""A log that keeps what it is told."""

from typing import Any, cast

from structlog.typing import FilteringBoundLogger


class ToldLog:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def warning(self, event: str, **values: Any) -> None:
        self.lines.append((event, values))

    def error(self, event: str, **values: Any) -> None:
        self.lines.append((event, values))

    @property
    def bound(self) -> FilteringBoundLogger:
        """As what takes a log wants it."""
        return cast(FilteringBoundLogger, self)

    def total(self, name: str) -> int:
        """Of the values of one name in all lines."""
        return sum(values.get(name, 0) for _, values in self.lines)
