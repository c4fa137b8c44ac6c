"""Writes the Grafana dashboard: `python -m dev.grafana_dashboard`.

A dashboard's JSON repeats for each panel what is said here once.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FILE: Final = (
    Path(__file__).parents[1] / "deploy" / "monitoring" / "grafana" / "kafka_processor.json"
)
SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
OURS: Final = '{job=~"$job"}'
WIDTH: Final = 24
"""Columns of Grafana's grid."""
SCHEMA_VERSION: Final = 39
STAT_OPTIONS: Final = {
    "colorMode": "value",
    "graphMode": "area",
    "justifyMode": "auto",
    "orientation": "auto",
    "percentChangeColorMode": "standard",
    "showPercentChange": False,
    "textMode": "auto",
    "wideLayout": True,
}
"""Grafana's defaults, which its schema wants to see."""


@dataclass(frozen=True)
class Panel:
    title: str
    meaning: str
    queries: tuple[tuple[str, str], ...]
    """Each an expression and its legend."""
    unit: str
    width: int = 8
    height: int = 8
    kind: str = "timeseries"
    thresholds: tuple[tuple[str, float], ...] = ()
    """Colours, each from a value on."""
    stacked: bool = False


def _rate(metric: str, by: str, extra: str = "") -> str:
    return f'sum by ({by}) (rate({metric}{{job=~"$job"{extra}}}[$__rate_interval]))'


def _quantile(share: float, histogram: str) -> str:
    rates = f"rate({histogram}_bucket{OURS}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by (le) ({rates}))"


def _quantiles(histogram: str) -> tuple[tuple[str, str], ...]:
    shares = ((0.5, "p50"), (0.99, "p99"))
    return tuple((_quantile(share, histogram), name) for share, name in shares)


MESSAGES: Final = "kafka_processor_messages_total"
ERRORS: Final = ', outcome="error"'
PANELS: Final = (
    Panel(
        "Ready",
        "Processes that are members of the group and can commit, of those that are scraped.",
        ((f"sum(kafka_processor_ready{OURS})", "ready"), (f"count(up{OURS})", "scraped")),
        "short", 4, 4, "stat", (("red", 0), ("green", 1)),
    ),
    Panel("Messages", "Committed, of all outcomes.", ((f"sum({_rate(MESSAGES, 'job')})", ""),),
          "cps", 5, 4, "stat"),
    Panel(
        "Failed",
        "Share of the messages with an error type.",
        ((
            f"(sum({_rate(MESSAGES, 'job', ERRORS)}) or vector(0))"
            f" / (sum({_rate(MESSAGES, 'job')}) > 0)",
            "",
        ),),
        "percentunit", 5, 4, "stat", (("green", 0), ("orange", 0.02), ("red", 0.1)),
    ),
    Panel("Lag", "Messages that are not committed yet.",
          ((f"sum(kafka_processor_consumer_lag_messages{OURS})", ""),),
          "short", 5, 4, "stat", (("green", 0), ("orange", 10_000), ("red", 100_000))),
    Panel("Age", "Of the oldest message that waits, at most.",
          ((f"max(kafka_processor_consumer_age_seconds{OURS})", ""),),
          "s", 5, 4, "stat", (("green", 0), ("orange", 10), ("red", 30))),
    Panel("Messages by outcome", "Committed.", ((_rate(MESSAGES, "outcome"), "{{outcome}}"),),
          "cps", 12, stacked=True),
    Panel("Errors by type", "Committed to processed-errors.",
          ((_rate(MESSAGES, "error_type", ERRORS), "{{error_type}}"),), "cps", 12, stacked=True),
    Panel("Latency", "From a record's timestamp to its commit.",
          _quantiles("kafka_processor_latency_seconds"), "s"),
    Panel("Commits", "Duration of a commit.", _quantiles("kafka_processor_commit_seconds"), "s"),
    Panel("Batches", "Messages of a batch.", _quantiles("kafka_processor_batch_messages"), "short"),
    Panel("Work on a message", "Time of the checks and the transformation.",
          _quantiles("kafka_processor_processing_seconds"), "s"),
    Panel("Lag by partition", "Messages.", ((
        f"max by (partition) (kafka_processor_consumer_lag_messages{OURS})", "{{partition}}"),),
          "short"),
    Panel("Age by partition", "Of the oldest message that waits, at most.", ((
        f"max by (partition) (kafka_processor_consumer_age_seconds{OURS})", "{{partition}}"),),
          "s"),
    Panel("Messages by partition", "A hot one stands out.",
          ((_rate("kafka_processor_partition_messages_total", "partition"), "{{partition}}"),),
          "cps"),
    Panel("Records by topic", "Committed.",
          ((_rate("kafka_processor_records_total", "topic"), "{{topic}}"),), "cps"),
    Panel("Partitions of each process", "Assigned.",
          ((f"kafka_processor_assigned_partitions{OURS}", "{{instance}}"),), "short"),
    Panel(
        "Aborts and rebalances",
        "Batches given up, by cause, and rebalances.",
        (
            (f"sum by (cause) (increase(kafka_processor_aborts_total{OURS}[$__rate_interval]))",
             "{{cause}}"),
            (f"sum(increase(kafka_processor_rebalances_total{OURS}[$__rate_interval]))",
             "rebalances"),
        ),
        "short",
    ),
    Panel(
        "Answers of the brokers",
        "99th percentile of the time from a request to its answer.",
        ((
            f"max by (client, broker) (kafka_processor_broker_request_p99_seconds{OURS})",
            "{{client}} {{broker}}",
        ),),
        "s",
    ),
    Panel("Queued in the clients", "Fetched and not polled, or produced and not acknowledged.",
          ((f"sum by (client) (kafka_processor_client_queued_messages{OURS})", "{{client}}"),),
          "short"),
    Panel("Memory", "Resident, of each process.",
          ((f"process_resident_memory_bytes{OURS}", "{{instance}}"),), "bytes"),
    Panel("Processor time", "Cores in use, of each process.",
          ((f"rate(process_cpu_seconds_total{OURS}[$__rate_interval])", "{{instance}}"),), "short"),
)  # fmt: skip


def dashboard() -> dict[str, Any]:
    return {
        "uid": "kafka-processor",
        "title": "kafka_processor",
        "description": "What one consumer group does; docs/operations.md has each figure.",
        "tags": ["kafka_processor"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_source(), _job()]},
        "annotations": {"list": []},
        "panels": _placed(PANELS),
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _job() -> dict[str, Any]:
    return {
        "name": "job",
        "label": "Job",
        "type": "query",
        "datasource": SOURCE,
        "query": "label_values(kafka_processor_ready, job)",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
    }


def _placed(panels: tuple[Panel, ...]) -> list[dict[str, Any]]:
    """From left to right, and down where a row is full."""
    placed = []
    x = y = row_height = 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > WIDTH:
            x, y, row_height = 0, y + row_height, 0
        position = {"x": x, "y": y, "w": panel.width, "h": panel.height}
        placed.append({"id": number, "gridPos": position, **_panel(panel)})
        x += panel.width
        row_height = max(row_height, panel.height)
    return placed


def _panel(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    options: dict[str, Any]
    if panel.thresholds:
        steps = [
            {"color": colour, "value": value if number else None}
            for number, (colour, value) in enumerate(panel.thresholds)
        ]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    if panel.kind == "stat":
        defaults["color"] = {"mode": "thresholds" if panel.thresholds else "palette-classic"}
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}, **STAT_OPTIONS}
    else:
        stacking = "normal" if panel.stacked else "none"
        defaults["custom"] = {"fillOpacity": 10, "stacking": {"mode": stacking}}
        options = {
            "legend": {
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": True,
                "calcs": [],
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.meaning,
        "datasource": SOURCE,
        "targets": [
            {"refId": chr(ord("A") + number), "expr": expression, "legendFormat": legend or "all"}
            for number, (expression, legend) in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
    }


def text() -> str:
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
