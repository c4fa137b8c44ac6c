"""A real Prometheus and a real Alertmanager with the project's own configuration, in a hurry."""

import json
import re
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.brokers import free_port
from tests.support.program import PROJECT_FOLDER
from tests.support.scraping import get
from tests.support.waiting import wait_until

MONITORING = PROJECT_FOLDER / "deploy" / "monitoring"
ALERTMANAGER = (
    "prometheus-alertmanager" if shutil.which("prometheus-alertmanager") else "alertmanager"
)
"""Debian's name, or the one that it has elsewhere."""
TOOLS = ("prometheus", "promtool", ALERTMANAGER, "amtool")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
HOW_TO_GET_THEM = "Debian: apt-get install prometheus prometheus-alertmanager"
_DURATION = re.compile(r"\b([0-9]+)([mh])\b")
HURRY = 30
"""So many times faster time passes for the rules: 5 minutes are 10 seconds."""


def in_a_hurry(rules: str) -> str:
    """The same rules with shorter durations, in ranges, offsets and `for`."""

    def shorter(match: re.Match[str]) -> str:
        seconds = int(match[1]) * (60 if match[2] == "m" else 3600)
        return f"{max(seconds // HURRY, 1)}s"

    return _DURATION.sub(shorter, rules)


class Webhook:
    """Whom Alertmanager tells; keeps what it was told."""

    def __init__(self) -> None:
        self.alerts: list[Mapping[str, Any]] = []
        told = self.alerts

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                told.extend(json.loads(self.rfile.read(length))["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/alerts"

    def __enter__(self) -> "Webhook":
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def told(self, alert: str, status: str = "firing") -> list[Mapping[str, Any]]:
        return [
            each
            for each in self.alerts
            if each["labels"]["alertname"] == alert and each["status"] == status
        ]


class Monitoring:
    """Prometheus on a port, and what it tells whom."""

    def __init__(self, port: int, webhook: Webhook, logs: Sequence[Path]) -> None:
        self._port = port
        self._logs = logs
        self.webhook = webhook

    def query(self, expression: str) -> list[Mapping[str, Any]]:
        """The series that the expression has now."""
        query = urllib.parse.urlencode({"query": expression})
        status, text = get(self._port, f"/api/v1/query?{query}")
        assert status == 200, f"{expression}: {text}"
        result: list[Mapping[str, Any]] = json.loads(text)["data"]["result"]
        return result

    def wait_for(self, alert: str, timeout: float = 60.0, **labels: str) -> Mapping[str, Any]:
        """The alert with these labels, once the webhook was told of it."""

        def found() -> list[Mapping[str, Any]]:
            return [
                each
                for each in self.webhook.told(alert)
                if labels.items() <= each["labels"].items()
            ]

        wait_until(lambda: bool(found()), lambda: f"alert {alert}: {self._describe()}", timeout)
        return found()[0]

    def _describe(self) -> str:
        told = [each["labels"]["alertname"] for each in self.webhook.alerts]
        logs = "\n".join(log.read_text()[-2000:] for log in self._logs)
        return f"told so far: {told}\n{get(self._port, '/api/v1/alerts')[1]}\n{logs}"


@contextmanager
def run_monitoring(folder: Path, targets: Sequence[int]) -> Iterator[Monitoring]:
    """Scrapes daemons on these OPS_PORTs each second; `folder` is an empty one."""
    with ExitStack() as stack:
        webhook = stack.enter_context(Webhook())
        alertmanager, prometheus = free_port(), free_port()
        for name in ("recording.rules.yml", "alerting.rules.yml"):
            (folder / name).write_text(in_a_hurry((MONITORING / name).read_text()))
        shown = ", ".join(f'"127.0.0.1:{target}"' for target in targets)
        config = (MONITORING / "prometheus.yml").read_text()
        for old, new in (
            ('"127.0.0.1:9108"', shown),
            ("127.0.0.1:9093", f"127.0.0.1:{alertmanager}"),
            (": 10s", ": 1s"),
        ):
            assert old in config
            config = config.replace(old, new)
        (folder / "prometheus.yml").write_text(config)
        routes = (MONITORING / "alertmanager.yml").read_text()
        for old, new in (
            ("http://127.0.0.1:5001/alerts", webhook.url),
            ("group_wait: 30s", "group_wait: 1s"),
            ("group_interval: 5m", "group_interval: 1s"),
        ):
            assert old in routes
            routes = routes.replace(old, new)
        (folder / "alertmanager.yml").write_text(_without_keys(routes, folder))
        logs = [
            _start(stack, folder, ALERTMANAGER, [
                f"--config.file={folder}/alertmanager.yml",
                f"--storage.path={folder}/alertmanager",
                f"--web.listen-address=127.0.0.1:{alertmanager}",
                "--cluster.listen-address=",
            ], alertmanager),
            _start(stack, folder, "prometheus", [
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/prometheus",
                f"--web.listen-address=127.0.0.1:{prometheus}",
            ], prometheus),
        ]  # fmt: skip
        yield Monitoring(prometheus, webhook, logs)


def _without_keys(routes: str, folder: Path) -> str:
    """The services' key files are of the test: none of its alerts may leave the machine."""
    for service, url in (("pagerduty", "url"), ("opsgenie", "api_url")):
        key = folder / f"{service}.key"
        key.write_text("a-key-of-the-test")
        routes = routes.replace(
            f"/etc/alertmanager/{service}.key", f"{key}\n        {url}: http://127.0.0.1:9/"
        )
    return routes


def _start(stack: ExitStack, folder: Path, tool: str, arguments: Sequence[str], port: int) -> Path:
    log = folder / f"{tool}.log"
    with log.open("wb") as output:
        process = subprocess.Popen([tool, *arguments], stdout=output, stderr=output, cwd=folder)
    stack.callback(process.wait)
    stack.callback(process.kill)

    def is_ready() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return get(port, "/-/ready")[0] == 200
        except OSError:
            return False

    wait_until(is_ready, lambda: f"{tool}: {log.read_text()}")
    return log
