"""Which field of the output comes from which field of the input, and how.

Fields that come from no field are not among them: `message_id` and `source` are a message's
coordinates, `key_id` names the key, and so on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from msgspec import Struct

from kafka_processor.records import (
    FIELDS,
    CleanedRecord,
    ErrorRecord,
    MetricsRecord,
    ProcessedRecord,
    SummaryRecord,
)


@dataclass(frozen=True)
class Origin:
    """One field of the input, and what was made of it."""

    field: str
    type: Literal["DIRECT", "INDIRECT"]
    subtype: str
    description: str
    masking: bool = False


def _identity(field: str) -> Origin:
    return Origin(field, "DIRECT", "IDENTITY", "as it came")


def _judged(fields: Iterable[str], description: str, *, masking: bool = False) -> list[Origin]:
    return [Origin(each, "INDIRECT", "CONDITIONAL", description, masking) for each in fields]


_IP: Final = Origin(
    "ip",
    "DIRECT",
    "TRANSFORMATION",
    "masked: the last octet of IPv4 zeroed, all but the first 48 bits of IPv6 (40 of 6to4)",
    masking=True,
)
_DEVICE_ID: Final = Origin(
    "device_id",
    "DIRECT",
    "TRANSFORMATION",
    "pseudonym: HMAC-SHA256 under a secret key, 64 hex digits",
    masking=True,
)
_TIMESTAMP: Final = Origin("timestamp", "DIRECT", "TRANSFORMATION", "as RFC 3339, UTC")
_CONTENT: Final = [
    {"ip": _IP, "device_id": _DEVICE_ID}.get(field) or _identity(field) for field in FIELDS
]
_CHECKED: Final = "whether the checks find the fields there and of the right type"


def _counted(field: str, description: str, *, masking: bool) -> Origin:
    return Origin(field, "DIRECT", "AGGREGATION", description, masking)


COLUMNS: Final[dict[type[Struct], dict[str, list[Origin]]]] = {
    ProcessedRecord: {
        "user_id": [_identity("user_id")],
        "app_version": [_identity("app_version")],
        "device_type": [_identity("device_type")],
        "ip": [_IP],
        "locale": [_identity("locale")],
        "device_id": [_DEVICE_ID],
        "timestamp": [_TIMESTAMP],
    },
    ErrorRecord: {
        "user_id": [_identity("user_id")],
        "error_type": _judged(FIELDS, _CHECKED),
        "error_message": _judged(FIELDS, "names fields and types, never values"),
        "message_content": _CONTENT,
    },
    CleanedRecord: {
        "user_id": [_identity("user_id")],
        "clean_type": _judged(["app_version"], "whether it is an accepted one"),
        "message_content": _CONTENT,
    },
    SummaryRecord: {
        "processed_count": _judged(FIELDS, _CHECKED, masking=True),
        "filtered_count": _judged(FIELDS, _CHECKED, masking=True),
        "error_count": _judged(FIELDS, _CHECKED, masking=True),
        "error_type_counts": _judged(FIELDS, _CHECKED, masking=True),
        "device_type_counts": [
            _counted("device_type", "processed messages of each", masking=False)
        ],
        "locale_counts": [_counted("locale", "processed messages of each", masking=False)],
    },
    MetricsRecord: {"message_details": _judged(FIELDS, _CHECKED, masking=True)},
}
"""By the record of an output topic: the origins of each field that has any."""


def _filters(fields: Iterable[str], description: str) -> list[Origin]:
    return [Origin(each, "INDIRECT", "FILTER", description) for each in fields]


FILTERS: Final[dict[type[Struct], list[Origin]]] = {
    ProcessedRecord: _filters(FIELDS, "events that pass the checks, of an accepted app version"),
    ErrorRecord: _filters(FIELDS, "events that fail the checks"),
    CleanedRecord: _filters(FIELDS, "events that pass the checks, of another app version"),
}
"""What decides which messages have a record there at all."""
