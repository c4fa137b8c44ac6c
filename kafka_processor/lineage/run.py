"""The life of this process as a run of OpenLineage's, and its events."""

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from confluent_kafka import KafkaException
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState, set_producer
from openlineage.client.facet_v2 import (
    JobFacet,
    RunFacet,
    documentation_job,
    error_message_run,
    job_type_job,
    processing_engine_run,
)
from openlineage.client.uuid import generate_new_uuid

from kafka_processor import __version__
from kafka_processor.clients.kafka_errors import describe, error_of
from kafka_processor.config import Settings
from kafka_processor.lineage.datasets import Datasets

DEFAULT_NAMESPACE: Final = "default"
PRODUCER: Final = f"urn:kafka-processor:{__version__}"
MEANING: Final = (
    "Checks login events, replaces device ids by keyed pseudonyms, masks ip addresses, and sends "
    "each event to the topic where it belongs; exactly once"
)


class Moment(NamedTuple):
    """Something to tell."""

    state: RunState
    at: datetime
    reason: str | None = None
    """Of a failure."""

    @property
    def is_last(self) -> bool:
        return self.state in (RunState.COMPLETE, RunState.FAIL)


def reason_of(error: BaseException) -> str:
    """What may be told of an error: not the text of one that nobody has thought of."""
    if isinstance(error, KafkaException):
        return describe(error_of(error))
    is_ours = type(error).__module__.startswith("kafka_processor.")
    return str(error) if is_ours else type(error).__name__


class RunOfProcess:
    def __init__(self, settings: Settings) -> None:
        set_producer(PRODUCER)  # of the facets too, which know no other way
        self._namespace = os.environ.get("OPENLINEAGE_NAMESPACE", "").strip() or DEFAULT_NAMESPACE
        self._name = settings.consumer_group
        self._id = str(generate_new_uuid())
        self._datasets = Datasets(settings)

    def event(self, moment: Moment, rows: Mapping[str, int]) -> RunEvent:
        """Complete in itself: a receiver that was away has missed nothing but time."""
        run_facets: dict[str, RunFacet] = {
            "processing_engine": processing_engine_run.ProcessingEngineRunFacet(
                version=__version__, name="kafka_processor"
            )
        }
        if moment.reason is not None:
            run_facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
                message=moment.reason, programmingLanguage="python"
            )
        job_facets: dict[str, JobFacet] = {
            "jobType": job_type_job.JobTypeJobFacet(
                processingType="STREAMING", integration="KAFKA_PROCESSOR", jobType="JOB"
            ),
            "documentation": documentation_job.DocumentationJobFacet(description=MEANING),
        }
        return RunEvent(
            eventTime=moment.at.isoformat(timespec="milliseconds"),
            eventType=moment.state,
            run=Run(self._id, facets=run_facets),
            job=Job(self._namespace, self._name, facets=job_facets),
            inputs=self._datasets.inputs(),
            outputs=self._datasets.outputs(rows),
        )
