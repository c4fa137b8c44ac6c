"""The record of a message that is not processed: filtered out, or failed. Pure."""

from typing import Any, Final, NamedTuple

from msgspec import UnsetType
from msgspec.structs import asdict

from kafka_processor.checks import Filtered, Rejection, what_is_wrong
from kafka_processor.config import Settings
from kafka_processor.event.timestamps import rfc3339
from kafka_processor.outcomes import Outcome
from kafka_processor.record_limits import RecordLimits
from kafka_processor.records import (
    CleanedRecord,
    ErrorRecord,
    OutputRecord,
    ProcessedRecord,
    Source,
)
from kafka_processor.serializer import Serializer
from kafka_processor.transformer import Pseudonymizer, masked_content

MAX_ERROR_MESSAGE: Final = 500
"""Characters (contract)."""


class Origin(NamedTuple):
    """Where a message came from."""

    message_id: str
    partition: int
    offset: int
    age: int | None
    """Milliseconds; None without a record timestamp."""
    replay_of: str | UnsetType


class UnprocessedRecords:
    """Builds them, each small enough for its topic where that is possible."""

    def __init__(
        self,
        settings: Settings,
        pseudonymizer: Pseudonymizer,
        limits: RecordLimits,
        serializer: Serializer,
    ) -> None:
        self._input_topic = settings.input_topic
        self._cleaned_topic = settings.cleaned_topic
        self._errors_topic = settings.errors_topic
        self._pseudonymizer = pseudonymizer
        self._limits = limits
        self._encode_cleaned = serializer.encoder(settings.cleaned_topic, CleanedRecord)
        self._encode_error = serializer.encoder(settings.errors_topic, ErrorRecord)

    def build(
        self, result: Filtered | Rejection, origin: Origin, now: int
    ) -> tuple[Outcome, OutputRecord]:
        """Returns the message's outcome and its record; `now` in milliseconds."""
        outcome, record = self._encode(result, origin, now)
        cause = self._limits.refusal(*record)
        if cause and outcome != "publish_error":
            outcome, record = self._encode(publish_error(result, cause), origin, now)
            cause = self._limits.refusal(*record)
        if cause:  # too large even so: without its user_id too
            outcome, record = self._encode(Rejection("publish_error", cause, None), origin, now)
        return outcome, record

    def _encode(
        self, result: Filtered | Rejection, origin: Origin, now: int
    ) -> tuple[Outcome, OutputRecord]:
        if isinstance(result, Filtered):
            return "filtered", self._filtered(result, origin, now)
        return result.error_type, self._failed(result, origin, now)

    def _filtered(self, result: Filtered, origin: Origin, now: int) -> OutputRecord:
        record = CleanedRecord(
            message_id=origin.message_id,
            user_id=result.event.user_id,
            clean_type=result.reason,
            message_content=masked_content(asdict(result.event), self._pseudonymizer),
            timestamp=rfc3339(now) or "",
            replay_of=origin.replay_of,
        )
        return self._cleaned_topic, record.user_id.encode(), self._encode_cleaned(record)

    def _failed(self, result: Rejection, origin: Origin, now: int) -> OutputRecord:
        user_id = _valid_user_id(result.fields)
        content = None
        if result.fields is not None and result.error_type != "publish_error":
            content = masked_content(result.fields, self._pseudonymizer)
        record = ErrorRecord(
            message_id=origin.message_id,
            user_id=user_id,
            error_type=result.error_type,
            error_message=result.message[:MAX_ERROR_MESSAGE],
            message_content=content,
            source=Source(
                topic=self._input_topic,
                partition=origin.partition,
                offset=origin.offset,
                timestamp=None if origin.age is None else rfc3339(now - origin.age),
            ),
            timestamp=rfc3339(now) or "",
            replay_of=origin.replay_of,
        )
        key = user_id.encode() if user_id else None
        return self._errors_topic, key, self._encode_error(record)


def publish_error(result: ProcessedRecord | Filtered | Rejection, cause: str) -> Rejection:
    """Returns what becomes of a message whose record cannot be published."""
    if isinstance(result, Rejection):
        fields = result.fields
    else:
        event = result.event if isinstance(result, Filtered) else result
        fields = {"user_id": event.user_id}
    return Rejection("publish_error", cause, fields)


def _valid_user_id(fields: dict[str, Any] | None) -> str | None:
    user_id = (fields or {}).get("user_id")
    return None if not user_id or what_is_wrong("user_id", user_id) else user_id
