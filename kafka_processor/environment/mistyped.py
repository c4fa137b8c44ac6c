"""Finds variables whose names are probably misspelled settings."""

from collections.abc import Collection, Iterable, Iterator
from typing import Final

MAX_DISTANCE: Final = 2
"""Edits by which a misspelled name may differ from the setting."""


def mistyped_names(names: Iterable[str], settings: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yields each name that starts like a setting and is close to one, with that setting.

    Ignores case.
    """
    prefixes = tuple({name.partition("_")[0] for name in settings})
    for name in sorted(names):
        upper = name.upper()
        if name in settings or not upper.startswith(prefixes):
            continue
        near = {setting: distance(upper, setting) for setting in settings}
        best = min(near, key=near.__getitem__)
        if near[best] <= MAX_DISTANCE:
            yield name, best


def distance(one: str, other: str) -> int:
    """Returns the Levenshtein distance, or any number above MAX_DISTANCE if it is larger."""
    if abs(len(one) - len(other)) > MAX_DISTANCE:
        return MAX_DISTANCE + 1
    row = list(range(len(other) + 1))
    for number, character in enumerate(one, start=1):
        above, row = row, [number]
        for column, against in enumerate(other, start=1):
            row.append(
                min(above[column] + 1, row[-1] + 1, above[column - 1] + (character != against))
            )
    return row[-1]
