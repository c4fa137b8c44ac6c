"""The topics as OpenLineage's datasets: name, fields, and where they come from."""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import column_lineage_dataset as column_lineage
from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics
from openlineage.client.facet_v2 import schema_dataset

from kafka_processor.config import Settings
from kafka_processor.lineage.columns import COLUMNS, FILTERS, Origin
from kafka_processor.lineage.schema import fields_of
from kafka_processor.records import (
    CleanedRecord,
    ErrorRecord,
    LoginEvent,
    MetricsRecord,
    ProcessedRecord,
    SummaryRecord,
)

DEFAULT_PORT: Final = "9092"


def namespace_of(bootstrap_servers: str) -> str:
    """By the first of the brokers, as OpenLineage names Kafka's datasets."""
    address = bootstrap_servers.split(",", maxsplit=1)[0].strip()
    has_port = address.rpartition("]")[2].count(":") == 1  # an IPv6 address is in brackets
    return f"kafka://{address}" if has_port else f"kafka://{address}:{DEFAULT_PORT}"


class Datasets:
    def __init__(self, settings: Settings) -> None:
        self._namespace = namespace_of(settings.kafka_bootstrap_servers)
        self._input = settings.input_topic
        self._records: dict[str, type[Struct]] = {
            settings.processed_topic: ProcessedRecord,
            settings.errors_topic: ErrorRecord,
            settings.cleaned_topic: CleanedRecord,
            settings.summary_topic: SummaryRecord,
        }
        if settings.metrics_topic:
            self._records[settings.metrics_topic] = MetricsRecord

    def inputs(self) -> list[InputDataset]:
        schema = schema_dataset.SchemaDatasetFacet(fields=fields_of(LoginEvent))
        return [InputDataset(self._namespace, self._input, facets={"schema": schema})]

    def outputs(self, rows: Mapping[str, int]) -> list[OutputDataset]:
        """`rows`: committed records by topic, where that is known."""
        return [
            OutputDataset(
                self._namespace,
                topic,
                facets={
                    "schema": schema_dataset.SchemaDatasetFacet(fields=fields_of(record)),
                    "columnLineage": self._columns(record),
                },
                outputFacets=(
                    {
                        "outputStatistics": statistics.OutputStatisticsOutputDatasetFacet(
                            rowCount=rows[topic]
                        )
                    }
                    if topic in rows
                    else {}
                ),
            )
            for topic, record in self._records.items()
        ]

    def _columns(self, record: type[Struct]) -> column_lineage.ColumnLineageDatasetFacet:
        return column_lineage.ColumnLineageDatasetFacet(
            fields={
                name: column_lineage.Fields(self._inputs_of(origins))
                for name, origins in COLUMNS[record].items()
            },
            dataset=self._inputs_of(FILTERS.get(record, ())),
        )

    def _inputs_of(self, origins: Iterable[Origin]) -> list[column_lineage.InputField]:
        return [
            column_lineage.InputField(
                self._namespace,
                self._input,
                origin.field,
                [
                    column_lineage.Transformation(
                        origin.type, origin.subtype, origin.description, origin.masking
                    )
                ],
            )
            for origin in origins
        ]
