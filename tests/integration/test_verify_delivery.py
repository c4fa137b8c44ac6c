"""The audit as a user runs it, on outputs of the real program: each kind of violation is seen."""

import copy
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.support.audits import (
    SCRIPT,
    Audited,
    Copied,
    Laboratory,
    Outputs,
    committed_with_metadata,
    delete_before,
    run_audit,
    time_text,
)
from tests.support.brokers import dead_port
from tests.support.cases import Fields, encoded, login
from tests.support.header_names import OFTEN
from tests.support.job import Job, MakeJob, Site
from tests.support.load import send_load
from tests.support.program import PROJECT_FOLDER
from tests.support.tails import run_in_terminal
from tests.support.waiting import wait_until

PROCESSED_EACH = 20


class Sent:
    """What went into the input: the fields of each message, where it has any."""

    def __init__(self) -> None:
        self.fields: dict[str, Fields] = {}
        self.total = 0


def send_all_kinds(job: Job) -> Sent:
    """To each of two partitions messages of every outcome; all of a partition's first."""
    sent = Sent()
    for partition in range(job.partitions):
        values: list[tuple[Fields | bytes, float | None]] = [
            (
                login(
                    user_id=f"user-{partition}-{number % 3}",
                    locale=("RU", "TX", "pt_BR", "zh-Hant")[number % 4],
                ),
                None,
            )
            for number in range(PROCESSED_EACH)
        ]
        values += [(login(app_version="1.0.0"), None) for _ in range(4)]
        values += [(b"{", None), (login(locale=""), None), (login(device_type=5), None)]
        values += [(login(ip="1.2.3.4:80"), None) for _ in range(3)]
        values += [(login(), 600.0), (login(ip="10.1.2.0"), None)]
        for offset, (value, age) in enumerate(values):
            if isinstance(value, dict):
                sent.fields[f"{job.input}-{partition}-{offset}"] = value
            raw = value if isinstance(value, bytes) else encoded(value)
            job.send(raw, partition, age=age)
        origin = f"{job.input}-{partition}-0".encode()
        again = login()
        sent.fields[f"{job.input}-{partition}-{len(values)}"] = again
        job.send(encoded(again), partition, headers=[("replay-of", origin)])
        sent.total += len(values) + 1
    job.flush()
    return sent


@pytest.fixture(scope="module")
def sent() -> Sent:
    return Sent()


@pytest.fixture(scope="module")
def laboratory(site: Site, sent: Sent) -> Iterator[Laboratory]:
    with Job(site, 2) as job:
        all_sent = send_all_kinds(job)
        sent.fields, sent.total = all_sent.fields, all_sent.total
        job.run(sent.total)
        with Laboratory(job) as laboratory:
            yield laboratory


def audit(laboratory: Laboratory, *changes: Callable[[Outputs], None]) -> Audited:
    return run_audit(laboratory.changed(*changes), "--json")


def processed(laboratory: Laboratory, partition: int = 0) -> list[str]:
    start = f"{laboratory.job.input}-{partition}-"
    ids = [i for i in laboratory.outputs.ids("processed") if i.startswith(start)]
    return sorted(ids, key=lambda i: int(i.rpartition("-")[2]))


def test_what_the_program_did_is_all_right(laboratory: Laboratory, sent: Sent) -> None:
    audited = run_audit(laboratory.job.settings())
    assert audited.code == 0, audited.stdout
    assert audited.stdout.splitlines()[-1] == f"OK: {sent.total} messages, each exactly once"
    assert re.search(r"total +66 +44 +8 +2 +12 +0 +0 +0 +0 +0$", audited.stdout, re.MULTILINE)
    as_json = run_audit(laboratory.job.settings(), "--json")
    assert as_json.code == 0
    assert as_json.verdict["ok"] is True
    assert as_json.verdict["total"]["messages"] == sent.total
    assert all(not partition["notes"] for partition in as_json.verdict["partitions"])


def test_an_unchanged_copy_is_all_right(laboratory: Laboratory) -> None:
    audited = audit(laboratory)
    assert audited.violations == []
    assert audited.code == 0


# Each takes the outputs and the id of a message, and does something that must be seen.


def lose_record(outputs: Outputs, message_id: str) -> None:
    outputs.topic_of(message_id).remove(outputs.record_of(message_id))


def lose_line(outputs: Outputs, message_id: str) -> None:
    details = outputs.metrics_of(message_id).value["message_details"]
    details.remove(outputs.line_of(message_id))


def lose_both(outputs: Outputs, message_id: str) -> None:
    lose_record(outputs, message_id)
    lose_line(outputs, message_id)


def double_record(outputs: Outputs, message_id: str) -> None:
    outputs.topic_of(message_id).append(copy.deepcopy(outputs.record_of(message_id)))


def double_line(outputs: Outputs, message_id: str) -> None:
    line = copy.deepcopy(outputs.line_of(message_id))
    outputs.topics["metrics"].append(Copied(1, None, {"message_details": [line]}))


def contradict_by_outcome(outputs: Outputs, message_id: str) -> None:
    outputs.line_of(message_id)["outcome"] = "publish_error"


def contradict_by_topic(outputs: Outputs, message_id: str) -> None:
    outputs.line_of(message_id)["topic"] = "elsewhere"


def change_user(outputs: Outputs, message_id: str) -> None:
    outputs.record_of(message_id).value["user_id"] = "somebody else"


def change_content(outputs: Outputs, message_id: str) -> None:
    outputs.record_of(message_id).value["locale"] = "elsewhere"


def claim_replay(outputs: Outputs, message_id: str) -> None:
    outputs.record_of(message_id).value["replay_of"] = "some-topic-0-1"


def swap_with_next_of_user(outputs: Outputs, message_id: str) -> None:
    """The record changes places with the next one of the same user."""
    records = outputs.topic_of(message_id)
    one = records.index(outputs.record_of(message_id))
    other = next(
        number
        for number in range(one + 1, len(records))
        if (records[number].key, records[number].partition)
        == (records[one].key, records[one].partition)
    )
    records[one], records[other] = records[other], records[one]


TAMPERING: list[tuple[Callable[[Outputs, str], None], str, str]] = [
    (lose_record, "lost", "no record; its metrics line says processed"),
    (lose_line, "lost", "no metrics line"),
    (lose_both, "lost", "neither a record nor a metrics line"),
    (double_record, "doubled", "2 records"),
    (double_line, "doubled", "2 metrics lines"),
    (contradict_by_outcome, "contradicting", "publish_error by its metrics line, processed by"),
    (contradict_by_topic, "contradicting", "names another topic"),
    (change_user, "contradicting", "not the input's: user_id"),
    (change_content, "contradicting", "not the input's: locale"),
    (claim_replay, "contradicting", "replay_of is not the input's header"),
]


@pytest.fixture(scope="module")
def tampered(laboratory: Laboratory) -> Audited:
    """One audit of outputs with all of that, each done to a message of its own."""
    ids = processed(laboratory)

    def change(outputs: Outputs) -> None:
        for number, (tamper, _, _) in enumerate(TAMPERING):
            tamper(outputs, ids[number])

    return audit(laboratory, change)


@pytest.mark.parametrize("number", range(len(TAMPERING)), ids=[t[0].__name__ for t in TAMPERING])
def test_a_violation_is_named_with_its_coordinates(
    laboratory: Laboratory, tampered: Audited, number: int
) -> None:
    message_id = processed(laboratory)[number]
    tamper, kind, what = TAMPERING[number]
    found = [each for each in tampered.violations if each["message_id"] == message_id]
    assert [each["kind"] for each in found] == [kind] * len(found)
    assert any(what in each["what"] for each in found), found
    assert message_id.endswith(f"-{found[0]['partition']}-{found[0]['offset']}")
    if tamper is double_record:
        assert len(found[0]["records"]) == 2
        assert found[0]["records"][0]["topic"].startswith("test-audit-processed-")
    if tamper is not lose_both:
        assert found[0]["records"]
    assert tampered.code == 1


def test_nothing_but_what_was_done_is_named(laboratory: Laboratory, tampered: Audited) -> None:
    ids = processed(laboratory)
    assert {i for _, i in tampered.found()} == set(ids[: len(TAMPERING)])
    assert tampered.verdict["ok"] is False
    assert tampered.verdict["total"]["lost"] == 3


def test_records_out_of_order_are_named(laboratory: Laboratory) -> None:
    [moved, *_] = [i for i in processed(laboratory) if i.endswith("-0-0")]
    audited = audit(laboratory, lambda outputs: swap_with_next_of_user(outputs, moved))
    assert [each["kind"] for each in audited.violations] == ["contradicting"]
    assert "comes before that of an earlier message" in audited.violations[0]["what"]


def first_of(laboratory: Laboratory, outcome: str) -> str:
    return laboratory.outputs.ids(outcome)[0]


@pytest.mark.parametrize("name", ["ip", "device_id"])
def test_raw_personal_values_are_found_wherever_they_are(
    laboratory: Laboratory, sent: Sent, name: str
) -> None:
    ids = processed(laboratory)
    by_filter, by_error = first_of(laboratory, "filtered"), first_of(laboratory, "invalid_field")
    in_text, skipped = first_of(laboratory, "transform_error"), first_of(laboratory, "skipped")
    raw = {i: str(sent.fields[i][name]) for i in (*ids, by_filter, by_error, in_text, skipped)}

    def change(outputs: Outputs) -> None:
        record = outputs.record_of
        record(ids[0]).value[name] = raw[ids[0]]
        record(ids[1]).value["locale"] = raw[ids[1]]
        record(ids[2]).value["extra"] = {"deep": [raw[ids[2]]]}
        record(ids[3]).value["key_id"] = raw[ids[3]]
        record(ids[4]).key = raw[ids[4]].encode()
        record(ids[5]).headers = [("origin", raw[ids[5]].encode())]
        outputs.line_of(ids[6])["extra"] = raw[ids[6]]
        outputs.line_of(skipped)["extra"] = raw[skipped]
        record(by_filter).value["message_content"][name] = raw[by_filter]
        record(by_error).value["message_content"][name] = raw[by_error]
        record(in_text).value["error_message"] = f"cannot take {raw[in_text]}, sorry"

    settings = laboratory.changed(change)
    audited = run_audit(settings, "--json")
    personal = {i for kind, i in audited.found() if kind == "personal"}
    assert personal == {*ids[:7], skipped, by_filter, by_error, in_text}
    assert {kind for kind, i in audited.found() if i != ids[1]} == {"personal"}
    assert all(v["records"] for v in audited.violations)
    assert any(f"{name} in the field locale" in v["what"] for v in audited.violations)
    shown = run_audit(settings)
    for text in (audited.stdout, audited.stderr, shown.stdout, shown.stderr):
        assert not any(value in text for value in raw.values()), "a raw value was printed"
    assert audited.code == shown.code == 1


def test_values_that_pass_through_or_stay_are_no_copies(make_job: MakeJob) -> None:
    job = make_job(1)
    same = login(user_id="593-47-5928", device_id="593-47-5928")
    job.send_all([encoded(same), encoded(login(ip="10.1.2.0")), encoded(login(ip="2001:db8:1::"))])
    job.send_all([encoded({**same, "app_version": "1", "ip": "593-47-5928"})])
    job.send_all([encoded(login(device_id="10.1.2.0", ip="10.1.2.3"))])
    job.run(5)
    audited = run_audit(job.settings(), "--json")
    assert audited.violations == []
    assert audited.code == 0


@pytest.mark.parametrize(
    "value",
    [
        b"no JSON",
        b'{"message_id":"nothing"}',
        {"message_id": "of-another-0-5", "user_id": "u"},
        None,
    ],
    ids=["no JSON", "no message", "another input", "no value"],
)
def test_records_that_name_no_message(laboratory: Laboratory, value: object) -> None:
    audited = audit(
        laboratory,
        lambda outputs: outputs.topics["processed"].append(Copied(1, None, value)),
    )
    if isinstance(value, dict):
        assert audited.code == 0
        assert audited.verdict["outcomes_of_other_inputs"] == 1
        return
    assert audited.code == 1
    [violation] = audited.violations
    assert violation["kind"] == "contradicting"
    assert violation["message_id"] is None
    assert violation["records"][0]["partition"] == 1


def test_records_of_strangers_are_told_of_and_end_nothing(laboratory: Laboratory) -> None:
    start = f'{{"message_id":"{laboratory.job.input}-0-1","x":'.encode()
    hostile = [
        start + b'"' + b"x" * 900_000 + b'"}',
        start + b"[" * 90_000 + b"]" * 90_000 + b"}",
        b'{"message_id":"' + b"9" * 100_000 + b'-0-1"}',
        f'{{"message_id":"{laboratory.job.input}-0-{"9" * 400}"}}'.encode(),
        f'{{"message_id":"{laboratory.job.input}-0--1\x1b[2J"}}'.encode(),
        b'{"message_details":[' + b"{}," * 80_000 + b"{}]}",
        b"\xff\x1b[2J",
    ]

    def change(outputs: Outputs) -> None:
        for name in ("processed", "errors", "cleaned", "metrics"):
            outputs.topics[name][0:0] = [Copied(0, None, value) for value in hostile]
        for counts in ({f"L{n}": 1 for n in range(50_000)}, {"RU": 10**300}, {"RU": -1}):
            forged = copy.deepcopy(outputs.summary_of(0)) | {"locale_counts": counts}
            outputs.topics["summary"].insert(0, Copied(0, None, forged))

    settings = laboratory.changed(change)
    audited = run_audit(settings, "--json")
    assert audited.code == 1
    assert {kind for kind, _ in audited.found()} == {"contradicting"}
    assert {message_id for _, message_id in audited.found()} == {None}, "none of a true message"
    summaries = [each for each in audited.violations if each["partition"] is not None]
    assert len(summaries) == 3
    assert audited.verdict["output_records_not_of_the_form"] >= 4 * 5
    assert audited.verdict["total"]["messages"] == 66
    assert "\x1b" not in run_audit(settings).stdout


def test_headers_and_keys_that_no_record_has(laboratory: Laboratory) -> None:
    one, other = processed(laboratory)[:2]

    def change(outputs: Outputs) -> None:
        outputs.record_of(one).headers = [("a", b"b")]
        outputs.record_of(other).key = b"somebody else"
        outputs.metrics_of(one).headers = [("a", b"b")]
        outputs.metrics_of(one).key = b"key"
        outputs.topics["summary"][-1].headers = [("a", b"b")]

    audited = audit(laboratory, change)
    said = {each["what"]: each["message_id"] for each in audited.violations}
    assert said == {
        "it has headers": one,
        "its key is not its user_id": other,
        "not of the contract's form: it has a key, it has headers": None,
        "the summary record has headers": None,
    }


def test_records_of_messages_that_the_input_never_had(laboratory: Laboratory) -> None:
    unknown = f"{laboratory.job.input}-0-999999"

    def change(outputs: Outputs) -> None:
        record = copy.deepcopy(outputs.record_of(processed(laboratory)[0]))
        record.value["message_id"] = unknown
        outputs.topics["processed"].append(record)

    audited = audit(laboratory, change)
    assert audited.found() == {("contradicting", unknown)}
    assert audited.code == 1


@pytest.mark.parametrize("change", [1, -1], ids=["too high", "too low"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("processed_count", "processed"),
        ("skipped_count", "skipped"),
        ("error_count", "errors"),
        ("total_received_count", "total"),
        ("replayed_count", "replayed"),
    ],
)
def test_a_summary_that_is_wrong(laboratory: Laboratory, name: str, said: str, change: int) -> None:
    def tamper(outputs: Outputs) -> None:
        outputs.summary_of(1)[name] += change
        labels = outputs.summary_of(0)["locale_counts"]
        labels["TX"] += change
        outputs.summary_of(0)["device_type_counts"] = {}

    audited = audit(laboratory, tamper)
    assert audited.code == 1
    first, second = sorted(audited.violations, key=lambda each: int(each["partition"]))
    assert first["kind"] == second["kind"] == "contradicting"
    assert "locale TX" in first["what"]
    assert "device type android" in first["what"]
    assert f"the summary has {said} " in second["what"]
    assert second["message_id"] is None
    assert second["records"][0]["topic"].startswith("test-audit-summary-")


def test_a_snapshot_that_is_wrong(laboratory: Laboratory) -> None:
    def change(outputs: Outputs) -> None:
        offset, metadata = outputs.committed[0]
        snapshot = json.loads(metadata)
        snapshot[4] += 1  # processed
        outputs.committed[0] = (offset, json.dumps(snapshot))

    audited = audit(laboratory, change)
    [violation] = audited.violations
    assert violation["kind"] == "contradicting"
    assert violation["what"].startswith("the snapshot stored with the committed offset")
    assert audited.code == 1


def test_an_offset_set_by_hand_is_not_compared(laboratory: Laboratory) -> None:
    def change(outputs: Outputs) -> None:
        outputs.committed = {0: (10, "set by hand"), 1: (outputs.committed[1][0], "")}

    audited = audit(laboratory, change)
    assert audited.code == 0, audited.stdout
    first, second = audited.verdict["partitions"]
    assert first["messages"] == 10
    assert any("not compared" in note for note in first["notes"])
    assert second["messages"] == 33


def test_messages_before_the_counting_began_are_not_audited(laboratory: Laboratory) -> None:
    def change(outputs: Outputs) -> None:
        offset, metadata = outputs.committed[0]
        snapshot = json.loads(metadata)
        snapshot[3], snapshot[4] = 15, snapshot[4] - 15  # the first are all processed ones
        snapshot[9] = {"android": 7}
        snapshot[10] = {"zh-Hant": 2, "TX": 1, "pt_BR": 1, "RU": 3}
        outputs.committed[0] = (offset, json.dumps(snapshot))
        lose_both(outputs, f"{laboratory.job.input}-0-3")

    audited = audit(laboratory, change)
    assert audited.code == 0, audited.stdout
    assert audited.verdict["partitions"][0]["messages"] == 18
    assert any("15 offsets below 15" in n for n in audited.verdict["partitions"][0]["notes"])


def test_at_least_once_may_repeat_but_not_lose(laboratory: Laboratory) -> None:
    ids = processed(laboratory)

    def repeat(outputs: Outputs) -> None:
        double_record(outputs, ids[0])
        double_line(outputs, ids[0])
        double_line(outputs, ids[1])
        outputs.topics["metrics"][-1].value["message_details"][0].update(
            outcome="skipped", topic=None
        )

    settings = laboratory.changed(repeat)
    repeated = run_audit(settings, "--json", "--delivery", "at-least-once")
    assert repeated.code == 0, repeated.stdout
    assert repeated.verdict["total"]["repeated"] == 2
    shown = run_audit({**settings, "DELIVERY": "at-least-once"})
    assert (
        shown.stdout.splitlines()[-1] == "OK: 66 messages, each at least once, 2 of them repeated"
    )
    assert run_audit(settings, "--delivery", "exactly-once").code == 1

    lost = laboratory.changed(repeat, lambda outputs: lose_record(outputs, ids[2]))
    audited = run_audit(lost, "--json", "--delivery", "at-least-once")
    assert audited.found() == {("lost", ids[2])}


def test_a_range_restricts_what_is_audited(laboratory: Laboratory) -> None:
    job = laboratory.job

    def change(outputs: Outputs) -> None:
        for partition in (0, 1):
            lose_both(outputs, f"{job.input}-{partition}-5")

    settings = laboratory.changed(change)
    for flags, messages, lost in (
        (("--from-offset", "6"), 54, 0),
        (("--from-offset", "5", "--to-offset", "6"), 2, 2),
        (("--partition", "1"), 33, 1),
        (("--partition", "1", "--to-offset", "5"), 5, 0),
        (("--since", time_text(3600)), 0, 0),
        (("--until", time_text(-3600)), 0, 0),
        (("--since", time_text(-3600), "--until", time_text(3600)), 66, 2),
    ):
        audited = run_audit(settings, "--json", *flags)
        total = audited.verdict["total"]
        assert (total["messages"], total["lost"]) == (messages, lost), flags
        assert audited.code == (1 if lost else 0), flags


def test_without_metrics_the_summary_knows_how_many_were_skipped(laboratory: Laboratory) -> None:
    settings = laboratory.changed()
    audited = run_audit({**settings, "METRICS_TOPIC": ""}, "--json")
    assert audited.code == 0, audited.stdout
    assert audited.verdict["total"]["skipped"] == 2
    lost = laboratory.changed(lambda outputs: lose_record(outputs, processed(laboratory)[4]))
    audited = run_audit({**lost, "METRICS_TOPIC": ""}, "--json")
    assert audited.code == 1
    assert [each["kind"] for each in audited.violations] == ["lost"]
    assert "1 of the messages" in audited.violations[0]["what"]


def test_what_retention_deleted_is_not_auditable(make_job: MakeJob) -> None:
    job = make_job(1)
    send_load(job, 40)
    job.run(40)
    assert run_audit(job.settings()).code == 0
    delete_before(job, job.topics["processed"], {0: 10})
    delete_before(job, job.topics["cleaned"], {0: 1})
    audited = run_audit(job.settings(), "--json")
    assert audited.code == 0, audited.stdout
    assert audited.verdict["total"]["not_auditable"] == 11
    assert audited.verdict["total"]["messages"] == 29
    assert "11 not auditable" in audited.verdict["text"]

    delete_before(job, job.input, {0: 25})
    audited = run_audit(job.settings(), "--json")
    assert audited.code == 0, audited.stdout
    assert audited.verdict["total"]["messages"] == 15
    assert audited.verdict["total"]["not_auditable"] == 25
    assert any("deleted by retention" in n for n in audited.verdict["partitions"][0]["notes"])


def test_a_compacted_input_proves_nothing(make_job: MakeJob) -> None:
    job = make_job(None)
    job.create_topic(job.input, 1, {"cleanup.policy": "compact"})
    job.partitions = 1
    job.send(encoded(login()), key=b"user")
    job.flush()
    job.run(1)
    audited = run_audit(job.settings(), "--json")
    assert audited.code == 1
    assert audited.stdout == ""
    [line] = audited.stderr.splitlines()
    assert line.startswith(f"{job.input}: is compacted")


def test_aborted_records_do_not_count_and_open_ones_are_waited_for(
    laboratory: Laboratory, broker: str
) -> None:
    settings = laboratory.changed()
    producer = Producer(
        {
            "bootstrap.servers": broker,
            "transactional.id": f"test-{time.time_ns()}",
            "log_level": 0,
        }
    )
    producer.init_transactions(30)
    record = laboratory.outputs.record_of(processed(laboratory)[0])
    for topic in (settings["PROCESSED_TOPIC"], settings["CLEANED_TOPIC"]):
        producer.begin_transaction()
        producer.produce(topic, json.dumps(record.value).encode(), record.key, 0)
        producer.flush(30)
        if topic == settings["PROCESSED_TOPIC"]:
            producer.abort_transaction(30)
    blocked = run_audit(settings, "--timeout", "1")
    assert blocked.code == 1
    assert blocked.stdout == ""
    assert re.fullmatch(r".*a transaction has been open there.*\n", blocked.stderr)
    with subprocess.Popen(
        [sys.executable, str(SCRIPT)],
        env={"PATH": os.environ["PATH"], **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as waiting:
        producer.abort_transaction(30)
        output, _ = waiting.communicate(timeout=30)
    assert output.splitlines()[-1] == "OK: 66 messages, each exactly once"


def test_while_the_program_works(make_job: MakeJob) -> None:
    job = make_job(2)
    daemon = job.start()
    send_load(job, 100)
    wait_until(lambda: bool(job.committed()), "the first commit")
    seen = []
    for turn in range(3):
        send_load(job, 4000, first=100 + 4000 * turn)
        audited = run_audit(job.settings(), "--json")
        assert audited.code == 0, audited.stdout
        seen.append(audited.verdict["total"]["messages"])
    job.wait_for_lines(12_100)
    assert seen == sorted(seen)
    assert seen[-1] > 100
    daemon.stop()
    audited = run_audit(job.settings(), "--json")
    assert audited.verdict["total"]["messages"] == 12_100
    assert audited.code == 0
    assert sum(offset for offset, _ in committed_with_metadata(job).values()) == 12_100


def test_what_it_cannot_read_is_one_line(laboratory: Laboratory) -> None:
    settings = laboratory.job.settings()
    address = f"127.0.0.1:{dead_port()}"
    for wrong, said in (
        ({"KAFKA_BOOTSTRAP_SERVERS": address}, f"no broker answers at {address}"),
        ({"CLEANED_TOPIC": "test-absent"}, "topic test-absent does not exist"),
        ({"INPUT_TOPIC": "test-absent"}, "topic test-absent does not exist"),
        ({"CONSUMER_GROUP": "test-nobody"}, "group test-nobody has committed no offset"),
    ):
        audited = run_audit({**settings, **wrong})
        assert audited.code == 1
        assert audited.stdout == ""
        [line] = audited.stderr.splitlines()
        assert line.startswith(said)


def test_wrong_settings_and_arguments_end_it_with_2(laboratory: Laboratory) -> None:
    settings = laboratory.job.settings()
    wrong = run_audit({**settings, "KAFKA_SECURITY_PROTOCOL": "none", "DELIVERY": "often"})
    assert wrong.code == 2
    starts = [line.partition(":")[0] for line in wrong.stderr.splitlines()]
    assert starts == ["KAFKA_SECURITY_PROTOCOL", "DELIVERY"]
    for flags in (
        ["--partition", "9"],
        ["--from-offset", "-1"],
        ["--since", "yesterday"],
        ["--since", "2024-07-10T02:00:25"],
        ["--until", "20240710T020025Z"],
        ["--folder", "/nowhere/at/all"],
        ["--unknown"],
    ):
        assert run_audit(settings, *flags).code == 2, flags


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_one_line(
    laboratory: Laboratory, tmp_path: Path, number: signal.Signals
) -> None:
    settings = laboratory.job.settings(KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{dead_port()}")
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), "--folder", str(tmp_path)],
        env={"PATH": os.environ["PATH"], **settings},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(lambda: any(tmp_path.iterdir()), "its temporary folder")
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
    assert errors.splitlines() == ["stopped before the end, so there is no result"]
    assert process.returncode == 1
    assert list(tmp_path.iterdir()) == [], "temporary files are left"


def test_header_names_that_are_no_text_do_not_end_it(job: Job) -> None:
    for _ in range(OFTEN):
        job.send(encoded(login()))
    job.send(encoded(login()), headers=[("a", b""), (b"\xff\xfe", b"v"), ("b", b"")])
    job.run(OFTEN + 1)
    assert run_audit(job.settings()).code == 0


def test_it_runs_from_any_folder(laboratory: Laboratory, tmp_path: Path) -> None:
    settings = laboratory.job.settings()
    for folder, script in (
        (PROJECT_FOLDER, "verify/verify_delivery.py"),
        (PROJECT_FOLDER / "verify", "verify_delivery.py"),
        (tmp_path, str(SCRIPT)),
    ):
        assert run_audit(settings, script=script, folder=folder).code == 0


@pytest.mark.parametrize("columns", [80, 120])
def test_it_fits_a_terminal(laboratory: Laboratory, tmp_path: Path, columns: int) -> None:
    text = run_in_terminal([str(SCRIPT)], laboratory.job.settings(), tmp_path, columns)
    assert "\x1b[32mOK: 66 messages" in text
    plain = re.sub(r"\x1b\[[0-9]*m", "", text)
    assert max(map(len, plain.splitlines())) <= columns


def test_violations_cannot_take_over_a_terminal(laboratory: Laboratory) -> None:
    def change(outputs: Outputs) -> None:
        for message_id in processed(laboratory):
            record = outputs.record_of(message_id)
            record.value["locale"] = "\x1b[2J"
        outputs.topics["errors"].append(Copied(0, None, b'{"message_id":"\x1b[2J"}'))

    settings = laboratory.changed(change)
    audited = run_audit(settings)
    assert audited.code == 1
    assert "\x1b" not in audited.stdout
    assert "more; --json has all of them" in audited.stdout
    assert audited.stdout.splitlines()[-1].startswith("WRONG, in 66 messages: 22 contradicting")
