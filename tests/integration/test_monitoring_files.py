"""What is in deploy/monitoring, by Prometheus' and Alertmanager's own tools."""

import re
import shutil
import subprocess

import pytest

from dev import grafana_dashboard
from tests.support.monitoring import HOW_TO_GET_THEM, MISSING, MONITORING

needs_tools = pytest.mark.skipif(
    bool(MISSING), reason=f"{', '.join(MISSING)} not installed ({HOW_TO_GET_THEM})"
)


def run(*command: str) -> str:
    tool = shutil.which(command[0])
    assert tool
    answer = subprocess.run(
        [tool, *command[1:]],
        check=False,
        cwd=MONITORING,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@needs_tools
def test_the_files_are_valid() -> None:
    run("promtool", "check", "config", "prometheus.yml")
    run("amtool", "check-config", "alertmanager.yml")


@needs_tools
@pytest.mark.parametrize(
    ("severity", "receivers"), [("page", "pagerduty,opsgenie,webhook"), ("ticket", "webhook")]
)
def test_who_hears_of_it(severity: str, receivers: str) -> None:
    config = "--config.file=alertmanager.yml"
    assert run("amtool", "config", "routes", "test", config, f"severity={severity}") == (
        f"{receivers}\n"
    )


@needs_tools
def test_each_alert_comes_where_it_has_to_and_only_there() -> None:
    run("promtool", "test", "rules", "rules.test.yml")


def test_no_alert_is_without_a_test() -> None:
    rules = (MONITORING / "alerting.rules.yml").read_text()
    cases = (MONITORING / "rules.test.yml").read_text()
    for alert in re.findall(r"- alert: (\w+)", rules):
        fires = rf"alertname: {alert}\n\s+exp_alerts:"
        assert re.search(fires, cases), f"{alert} is never seen to fire"
        assert re.search(rf"alertname: {alert}, eval_time", cases), f"{alert} is always there"


def test_the_dashboard_is_what_its_generator_writes() -> None:
    assert grafana_dashboard.FILE.read_text("utf-8") == grafana_dashboard.text()
