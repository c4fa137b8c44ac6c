"""Who sends it: this process, unless OpenTelemetry's settings say something else."""

from typing import Final
from uuid import uuid4

from opentelemetry.sdk.resources import OTELResourceDetector, Resource

from kafka_processor import __version__
from kafka_processor.config import Settings

SERVICE: Final = "kafka-processor"
_PROCESS: Final = str(uuid4())
"""For processes without an INSTANCE_ID: no two may send figures under one name."""


def resource_of(settings: Settings) -> Resource:
    ours = {
        "service.name": SERVICE,
        "service.version": __version__,
        "service.instance.id": settings.instance_id or _PROCESS,
    }
    given = OTELResourceDetector().detect().attributes
    return Resource.create({name: value for name, value in ours.items() if name not in given})
