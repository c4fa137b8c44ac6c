"""Counts that are stored with committed offsets: today's format is read for good."""

import json
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from kafka_processor.records import SNAPSHOT_VERSION, Snapshot, decode_snapshot, encode

STORED = (
    '[1,108,"0123abcd",100,3,1,2,1,{"parse_error":1,"publish_error":1},'
    '{"android":1,"iOS":1,"__other__":1},{"RU":2,"pt_BR":1},"iO_A-LWe"]'
)
"""As version 1 has written it. Never change this text: such snapshots are in the field."""
STORED_WITHOUT_TOPIC_ID = STORED.replace(',"iO_A-LWe"', "")
"""As it was written before `topic_id` was appended."""
COUNTS = {
    "version": 1,
    "next_offset": 108,
    "key_id": "0123abcd",
    "counted_since_offset": 100,
    "processed": 3,
    "filtered": 1,
    "skipped": 2,
    "replayed": 1,
    "errors": {"parse_error": 1, "publish_error": 1},
    "device_types": {"android": 1, "iOS": 1, "__other__": 1},
    "locales": {"RU": 2, "pt_BR": 1},
    "topic_id": "iO_A-LWe",
}


def fields_of(snapshot: Snapshot) -> dict[str, object]:
    return msgspec.structs.asdict(snapshot)


def test_what_version_1_has_stored_is_read() -> None:
    assert fields_of(decode_snapshot(STORED)) == COUNTS
    assert fields_of(decode_snapshot(STORED_WITHOUT_TOPIC_ID)) == COUNTS | {"topic_id": ""}
    assert decode_snapshot(STORED).is_possible


def test_what_is_stored_now_is_what_version_1_has_stored() -> None:
    """Older processes of the group read it during an upgrade."""
    assert SNAPSHOT_VERSION == 1
    assert encode(decode_snapshot(STORED)).decode() == STORED


class WithAnotherField(Snapshot, array_like=True, kw_only=True):
    """A later version 1, by the first rule: a field is appended, with a default."""

    late: int = 0


class NextVersion(Snapshot, array_like=True, kw_only=True):
    """Version 2, by the second rule: an older program must not go on with its counts."""

    version: Annotated[int, Meta(ge=1, le=2)]
    late: int = 0


@pytest.mark.parametrize("later", [WithAnotherField, NextVersion])
def test_a_later_program_reads_what_is_stored_today(later: type[Snapshot]) -> None:
    for text, topic_id in ((STORED, "iO_A-LWe"), (STORED_WITHOUT_TOPIC_ID, "")):
        read = msgspec.json.decode(text, type=later)
        assert fields_of(read) == COUNTS | {"topic_id": topic_id, "late": 0}


def test_todays_program_ignores_a_field_that_was_appended() -> None:
    later = json.dumps([*json.loads(STORED), 7])
    assert fields_of(decode_snapshot(later)) == COUNTS


@pytest.mark.parametrize("version", [0, 2, -1, "1", 1.5, None])
def test_todays_program_rejects_a_version_it_does_not_know(version: object) -> None:
    other = json.dumps([version, *json.loads(STORED)[1:], 7])
    with pytest.raises(msgspec.ValidationError):
        decode_snapshot(other)
