"""Many events at once, and the audit of what became of them."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Mapping

from tests.support.cases import login
from tests.support.job import Job
from tests.support.outputs import Record, Results

USERS_A_PARTITION = 50


def event(partition: int, number: int, **changes: object) -> bytes:
    """A good event of one of the users of this input partition; every tenth is filtered out."""
    version = "1.0.0" if number % 10 == 0 else "2.3.0"
    user = f"user-{partition}-{number % USERS_A_PARTITION}"
    return json.dumps(login(**{"user_id": user, "app_version": version, **changes})).encode()


def too_large_event(number: int) -> bytes:
    """Allowed, but more than 8,000 bytes however well they are compressed."""
    generator = random.Random(number)
    user, device_type, locale = (
        "".join(chr(generator.randint(0x4E00, 0x9FFF)) for _ in range(1000)) for _ in range(3)
    )
    fields = login(user_id=f"user-0-{number % 50}-{user}", locale=locale, device_type=device_type)
    return json.dumps(fields, ensure_ascii=False).encode()


def send_load(job: Job, count: int, first: int = 0) -> None:
    """Send events evenly to all partitions, numbered from `first`."""
    send_later(job, count, first)
    job.flush()


def send_later(job: Job, count: int, first: int = 0) -> None:
    """The same, without waiting for the broker."""
    for number in range(first, first + count):
        partition = number % job.partitions
        job.send(event(partition, number // job.partitions), partition)


def message_ids(job: Job, counts: Mapping[int, int]) -> Counter[str]:
    """The ids of the first so many messages of each partition."""
    return Counter(
        f"{job.input}-{partition}-{offset}"
        for partition, count in counts.items()
        for offset in range(count)
    )


def evenly(job: Job, count: int) -> dict[int, int]:
    """How many messages `send_load` sent to each partition."""
    return {number: len(range(number, count, job.partitions)) for number in range(job.partitions)}


def assert_each_once(job: Job, results: Results, counts: Mapping[int, int]) -> None:
    """Every message has one metrics line and one record, and is counted once."""
    expected = message_ids(job, counts)
    assert_same(Counter(line["message_id"] for line in results.lines), expected, "metrics lines")
    assert_same(_ids(results.outcomes), expected, "records")
    assert_counted(results, counts)


def assert_none_missing(job: Job, results: Results, counts: Mapping[int, int]) -> None:
    expected = set(message_ids(job, counts))
    assert expected == {line["message_id"] for line in results.lines}
    assert expected == set(_ids(results.outcomes))
    assert_counted(results, counts)


def assert_counted(results: Results, counts: Mapping[int, int]) -> None:
    """The summary has counted every message once, whatever was started and ended when."""
    summaries = results.latest_summaries()
    assert {number: each["total_received_count"] for number, each in summaries.items()} == counts
    assert {number: each["next_offset"] for number, each in summaries.items()} == counts
    assert {each["counted_since_offset"] for each in summaries.values()} == {0}


def assert_order_kept(results: Results) -> None:
    """Records of one user from one input partition are in the order of the input."""
    offsets: dict[tuple[str, bytes | None, str], list[int]] = defaultdict(list)
    for record in results.outcomes:
        source, offset = record.value["message_id"].rsplit("-", 1)
        offsets[record.topic, record.key, source].append(int(offset))
    assert all(each == sorted(each) for each in offsets.values())


def assert_same(actual: Counter[str], expected: Counter[str], what: str) -> None:
    """Names a few of the differences: there may be thousands."""
    missing, too_many = expected - actual, actual - expected
    assert not missing, f"{missing.total()} {what} missing, such as {sorted(missing)[:3]}"
    assert not too_many, f"{too_many.total()} {what} too many, such as {sorted(too_many)[:3]}"


def _ids(records: list[Record]) -> Counter[str]:
    return Counter(record.value["message_id"] for record in records)
