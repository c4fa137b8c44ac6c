"""docs/operations.md names what there is, and nothing else."""

import re

from kafka_processor.config import load_settings
from kafka_processor.heartbeat import Heartbeat
from kafka_processor.ops.collector import FiguresCollector
from kafka_processor.ops.families import PREFIX
from kafka_processor.ops.figures import Figures
from kafka_processor.ops.health import Health
from tests.support.monitoring import MONITORING
from tests.support.program import PROJECT_FOLDER

PAGE = (PROJECT_FOLDER / "docs" / "operations.md").read_text("utf-8")


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_each_figure_is_in_the_table() -> None:
    figures = Figures()
    figures.last_commit = 1.0
    figures.take_statistics('{"type": "producer"}')
    collector = FiguresCollector(load_settings({}), "", figures, Health(Heartbeat(), figures))
    names = set()
    for family in collector.collect():
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        names.add(family.name.removeprefix(PREFIX) + suffix)
    rows = [row.split("|")[1] for row in section("Metrics").splitlines() if row.startswith("| `")]
    told = {name for row in rows[1:] for name in re.findall(r"`(\w+)`", row)}
    assert told == names


def test_each_alert_is_in_the_table() -> None:
    rules = (MONITORING / "alerting.rules.yml").read_text("utf-8")
    severities = re.findall(r"alert: (\w+)\n(?:.*\n)*?\s+labels: \{severity: (\w+)\}", rules)
    told = re.findall(r"^\| `(\w+)` \|.*\| (\w+) \|$", section("Alerts"), re.MULTILINE)
    assert sorted(told) == sorted(severities)
