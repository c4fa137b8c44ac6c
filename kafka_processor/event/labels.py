"""Which locales and device types are counted by name. The others count as `__other__`.

Both are free text that anybody may send, and counts are shown where no device id or address may be.
So a label must have the form of a locale or a device type.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Final

OTHER: Final = "__other__"
MAX_DEVICE_TYPES: Final = 32
MAX_LOCALES: Final = 64

IsLabel = Callable[[str], object]
"""Returns a true value if the text is counted by name."""

is_locale: Final = re.compile(
    r"[A-Za-z]{2,3}([_-][A-Za-z]{4})?([_-]([A-Za-z]{2}|[0-9]{3}))?"
).fullmatch
"""A language or country, then perhaps a script and a region: `RU`, `pt_BR`, `zh-Hant-TW`."""
is_device_type: Final = re.compile(r"[A-Za-z][A-Za-z0-9 ._-]{0,15}").fullmatch


def labels(form: IsLabel, listed: Collection[str] | None) -> IsLabel:
    """`listed`: the only labels allowed; None: all that have the form."""
    return form if listed is None else frozenset(listed).__contains__


def add_counts(
    counts: dict[str, int], added: Mapping[str, int], is_label: IsLabel, limit: int
) -> None:
    """Adds counts by label. What is not a label, or one too many for `limit`, is `__other__`."""
    for label, count in added.items():
        listed = label in counts or (is_label(label) and len(counts) - (OTHER in counts) < limit)
        name = label if listed else OTHER
        counts[name] = counts.get(name, 0) + count
