"""When summaries are published, how labels are counted, how large metrics records get."""

import json
from collections import Counter

from confluent_kafka.admin import ConfigResource  # type: ignore[attr-defined]

from tests.support.cases import login
from tests.support.job import Job, MakeJob
from tests.support.load import assert_each_once, evenly, event, send_load
from tests.support.outputs import CommittedReader
from tests.support.waiting import wait_until


def wait_for_total(job: Job, reader: CommittedReader, total: int, timeout: float) -> None:
    summaries = reader.records[job.topics["summary"]]

    def published() -> bool:
        reader.read()
        return bool(summaries) and summaries[-1].value["total_received_count"] == total

    wait_until(published, f"a summary of {total} messages", timeout)


def test_published_after_an_interval_and_after_five_seconds(job: Job) -> None:
    daemon = job.start(SUMMARY_PUBLISH_INTERVAL="10")
    reader = job.reader("summary")
    send_load(job, 3)
    wait_for_total(job, reader, 3, timeout=7)
    for total in (13, 23, 33):
        send_load(job, 10, first=total - 10)
        wait_for_total(job, reader, total, timeout=3)
    reader.close()
    daemon.stop()
    assert_each_once(job, job.results(), {0: 33})


def test_published_at_a_clean_stop(job: Job) -> None:
    daemon = job.start()
    send_load(job, 3)
    wait_until(lambda: job.committed_total() == 3, "commit")
    daemon.stop()
    assert job.results().total("total_received_count") == 3


def test_published_when_partitions_are_given_up(make_job: MakeJob) -> None:
    job = make_job(2)
    first = job.start()
    send_load(job, 10)
    wait_until(lambda: job.committed_total() == 10, "commit")
    second = job.start()
    wait_until(lambda: sorted(job.members().values()) == [[0], [1]], "shared partitions")
    reader = job.reader("summary")
    summaries = reader.records[job.topics["summary"]]

    def all_published() -> bool:
        reader.read()
        latest: dict[bytes | None, int] = {
            each.key: each.value["total_received_count"] for each in summaries
        }
        return sum(latest.values()) == 10

    wait_until(all_published, "summaries of both partitions", 7)
    reader.close()
    first.stop()
    second.stop()
    assert_each_once(job, job.results(), evenly(job, 10))


def test_summary_topic_is_compacted(job: Job) -> None:
    job.start().stop()
    resource = ConfigResource(ConfigResource.Type.TOPIC, job.topics["summary"])
    config = job.admin.describe_configs([resource])[resource].result(30)
    assert config["cleanup.policy"].value == "compact"


ODD = ["x" * 17, "RU\n", "\u0420\u0423", "\U0001f600", "a/b", '"', "\0", "9lives", " ru"]
"""No labels of either kind."""
LOCALES = ["ru", "RU", "pt-BR", "zh_Hant_TW", *(f"x{chr(97 + n // 26)}-{n:03}" for n in range(100))]
DEVICE_TYPES = ["x" * 16, "a-b_C-9", "iOS 17.1", "RU", *(f"D{number}" for number in range(100))]


def test_labels(job: Job) -> None:
    """Only 64 locales and 32 device types have counts of their own, and only what has the form."""
    labels = zip([*ODD, *LOCALES], [*ODD, *DEVICE_TYPES], strict=True)
    values = [
        json.dumps(login(locale=locale, device_type=device_type)).encode()
        for locale, device_type in labels
    ]
    values += [json.dumps(login(locale="RU", device_type="RU")).encode()] * 5
    uncounted = [event(0, 0, locale="FILTERED"), event(0, 1, locale="FAILED", ip="nowhere")]
    job.send_all([*uncounted, *values])

    summary = job.run(len(values) + 2).latest_summaries()[0]

    for name, all_labels, limit in (("locale", LOCALES, 64), ("device_type", DEVICE_TYPES, 32)):
        expected = Counter(all_labels[:limit]) + Counter({"RU": 5})
        expected["__other__"] = len(ODD) + len(all_labels) - limit
        assert summary[f"{name}_counts"] == dict(expected)


def test_labels_survive_a_restart(job: Job) -> None:
    """Also the most and longest that there can be: they travel with the committed offset."""
    values = [
        json.dumps(login(locale=f"abc_Latn_{n:03}", device_type=f"d{n:->15}")).encode()
        for n in range(100)
    ]
    job.send_all(values)
    before = job.run(100).latest_summaries()[0]
    job.send_all(values)
    after = job.run(200).latest_summaries()[0]
    for name, limit in (("locale_counts", 64), ("device_type_counts", 32)):
        assert len(before[name]) == limit + 1
        assert after[name] == {label: 2 * count for label, count in before[name].items()}
    assert after["total_received_count"] == 200


def test_metrics_records_are_limited(make_job: MakeJob) -> None:
    """With the longest topic names 1,000 lines would be too large for one record."""
    for padding, lines in (("", 1000), ("-" + "long" * 52, 700)):
        job = make_job(2, padding)
        send_load(job, 5000)
        results = job.run(5000, MAX_MESSAGE_AGE="0")
        assert_each_once(job, results, evenly(job, 5000))
        assert max(len(record.raw) for record in results.metrics) <= 256 * 1024
        sizes = [len(record.value["message_details"]) for record in results.metrics]
        assert 1 <= max(sizes) <= lines


def test_metrics_can_be_switched_off(job: Job) -> None:
    topic = job.topics["metrics"]
    send_load(job, 20)
    daemon = job.start(METRICS_TOPIC="")
    wait_until(lambda: job.committed_total() == 20, "commit")
    daemon.stop()
    assert topic not in job.existing_topics()
    results = job.results()
    assert len(results.outcomes) == 20
    assert results.total("total_received_count") == 20
    assert results.metrics == []
