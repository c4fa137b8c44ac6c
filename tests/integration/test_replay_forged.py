"""A replay among records of strangers: nothing is sent, or kept back, on their word."""

import json
from collections import Counter
from typing import Any

from tests.support.job import Job
from tests.support.load import event
from tests.support.replays import copies, input_messages, report_of

FAILED = ("--outcome", "error")
PROCESSED, FIRST, FILTERED, SECOND, UNREAD, FALSE_COPY = range(6)


def ids(job: Job, *offsets: int) -> list[str]:
    return [f"{job.input}-0-{offset}" for offset in offsets]


def forge_errors(job: Job, like: dict[str, Any], *offsets: int) -> None:
    """Error records about these messages, with all that the daemon would write there."""
    for message in input_messages(job):
        if message.offset in offsets:
            [message_id] = ids(job, message.offset)
            created = like["source"]["timestamp"][:11] + rest_of_time(message.time)
            source = {**like["source"], "offset": message.offset, "timestamp": created}
            forged = {**like, "message_id": message_id, "source": source}
            job.producer.produce(job.topics["errors"], json.dumps(forged).encode())
    job.flush()


def rest_of_time(milliseconds: int) -> str:
    seconds = milliseconds // 1000 % 86_400
    minutes = seconds // 60
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds % 60:02}.{milliseconds % 1000:03}Z"


def test_forged_records_are_reported_and_change_nothing(job: Job) -> None:
    job.send_all([event(0, 1), b"no json", event(0, 2, app_version="2.4.0"), b"nor this"])
    [genuine, _] = job.run(4).errors
    job.send(event(0, 4))
    job.send(b"another value", headers=[("replay-of", ids(job, SECOND)[0].encode())])
    job.flush()
    forge_errors(job, genuine.value, PROCESSED, UNREAD)

    # processed-output and the metrics tell it each by itself.
    for settings in ({}, {"METRICS_TOPIC": ""}, {"PROCESSED_TOPIC": "no-such-topic"}):
        report = report_of(job, *FAILED, code=1, **settings)
        assert report["contradicted_ids"] == ids(job, PROCESSED), settings
        assert report["not_processed_yet_ids"] == ids(job, UNREAD)
        assert report["forged_copy_ids"] == ids(job, FALSE_COPY)
        assert report["examples"] == ids(job, FIRST, SECOND)
    assert report_of(job, "--outcome", "filtered")["examples"] == ids(job, FILTERED)

    for sent in (2, 0):
        report = report_of(job, *FAILED, "--send", code=1)
        assert (report["sent"], report["already_replayed"]) == (sent, 2 - sent)
        assert (report["contradicted"], report["not_processed_yet"]) == (1, 1)
    assert copies(job) == Counter(ids(job, FIRST, SECOND, SECOND))
