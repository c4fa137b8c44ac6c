"""Another format: all records of a message go through the one serializer that is given."""

import json

from msgspec import Struct

from kafka_processor.pipeline import Pipeline
from kafka_processor.record_limits import RecordLimits
from kafka_processor.records import CleanedRecord, ErrorRecord, ProcessedRecord, SummaryRecord
from kafka_processor.serializer import JSON, Encode
from kafka_processor.summary_printer import SummaryPrinter
from tests.unit.pipeline_runs import KEY, NOW, PARTITION, event, message, settings


class Framed:
    """JSON behind the name of the topic and the record's type, as a format with schemas has it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, type[Struct]]] = []

    def encoder(self, topic: str, record_type: type[Struct]) -> Encode:
        self.asked.append((topic, record_type))
        encode = JSON.encoder(topic, record_type)
        return lambda record: f"{topic}:{record_type.__name__}:".encode() + encode(record)


def test_each_record_is_encoded_for_its_topic_and_type() -> None:
    serializer = Framed()
    pipeline = Pipeline(settings(), KEY, serializer=serializer)
    summary = SummaryPrinter(settings(), "0123abcd", serializer=serializer)
    asked = [
        ("processed-output", ProcessedRecord),
        ("cleaned-data", CleanedRecord),
        ("processed-errors", ErrorRecord),
        ("summary-output", SummaryRecord),
    ]
    assert serializer.asked == asked
    values = [event(), event(app_version="1"), b"{"]
    messages = [message(value, offset) for offset, value in enumerate(values)]
    work = pipeline.work(PARTITION, messages, NOW, {})
    summary.restore(PARTITION, None, None, 0, 0.0)
    summary.add(PARTITION, work, 0.0)
    records = [*work.records, *summary.publish([PARTITION], NOW)]
    for (topic, record_type), (its_topic, _, value) in zip(asked, records, strict=True):
        assert topic == its_topic
        prefix, _, rest = value.partition(b"{")
        assert prefix == f"{topic}:{record_type.__name__}:".encode()
        assert json.loads(b"{" + rest).keys() >= {"timestamp"}
    assert serializer.asked == asked, "asked for once, not for each message"
    [_, offset, *_] = json.loads(summary.snapshot(PARTITION)[1])
    assert offset == 3, "what is stored with the offset is JSON in any case"


def test_the_size_that_counts_is_that_of_the_format() -> None:
    topic = "p" * 249
    own, limits = settings(PROCESSED_TOPIC=topic), RecordLimits({topic: 600})
    for serializer, outcome in ((JSON, "processed"), (Framed(), "publish_error")):
        pipeline = Pipeline(own, KEY, limits=limits, serializer=serializer)
        work = pipeline.work(PARTITION, [message(event())], NOW, {})
        assert work.outcomes == {outcome: 1}
