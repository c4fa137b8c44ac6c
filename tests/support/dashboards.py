"""A dashboard as a process of its own, and its page in a real browser."""

import json
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize, sync_playwright

from tests.support.job import Job
from tests.support.program import Daemon
from tests.support.waiting import TIMEOUT, wait_until

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
HOW_TO_GET_IT = "no Chromium, so no page was looked at; Debian: apt-get install chromium"
AXE = Path(__file__).parent / "axe" / "axe.min.js"
_ADDRESS = re.compile(r"^Dashboard: (http://\S+)", re.MULTILINE)


class Dashboard:
    """`kafka-processor dashboard` on a free port; it is ended with the job's daemons."""

    def __init__(self, job: Job, *options: str, **settings: str) -> None:
        self.process = launch(job, "--port", "0", *options, **settings)

        def is_serving() -> bool:
            assert self.process.is_running, self.process.log
            return bool(_ADDRESS.search(self.process.stdout))

        wait_until(is_serving, lambda: f"the dashboard's address:\n{self.process.log}")
        found = _ADDRESS.search(self.process.stdout)
        assert found
        self.address = found[1]
        self.port = int(re.findall(r":(\d+)/", self.address)[0])

    @property
    def here(self) -> str:
        """The address as this machine reaches it, whatever it listens on."""
        return re.sub(r"//[^/]+:", "//127.0.0.1:", self.address)

    def snapshots(self) -> Iterator[dict[str, Any]]:
        """What a page is sent, from now on."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/events", timeout=10) as events:
            for line in events:
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))

    def wait_for(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Return once a snapshot fulfils it."""
        deadline = time.monotonic() + TIMEOUT
        for snapshot in self.snapshots():
            if condition(snapshot):
                return
            assert time.monotonic() < deadline, snapshot
        raise AssertionError(f"the stream has ended:\n{self.process.log}")

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Status and the beginning of the text."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.readline().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def launch(job: Job, *options: str, **settings: str) -> Daemon:
    """The command, without waiting for anything."""
    arguments = ("-m", "kafka_processor", "dashboard", *options)
    return job.launch(job.settings(**settings), arguments)


@contextmanager
def run_chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(HOW_TO_GET_IT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(
    browser: Browser, address: str, *, colours: str = "light", width: int = 1440
) -> Iterator[Page]:
    """The page, once it has figures. At its end nothing may have gone wrong in the browser."""
    size: ViewportSize = {"width": width, "height": 900}
    options: dict[str, Any] = {"color_scheme": colours, "viewport": size}
    context = browser.new_context(**options)
    page = context.new_page()
    problems: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        # A server that was not there is told of too; what the page says of it is tested.
        if message.type == "error" and "ERR_" not in message.text:
            problems.append(message.text)

    page.on("console", on_console)
    page.on("pageerror", lambda error: problems.append(str(error)))
    try:
        page.goto(address)
        page.wait_for_selector("body[data-shown]", timeout=TIMEOUT * 1000)
        yield page
        assert not problems
    finally:
        context.close()


def table(page: Page, place: str) -> dict[str, int]:
    """The counts of a table with bars, by label."""
    rows = page.locator(f"{place} tbody tr").evaluate_all(
        "rows => rows.map(row => [row.querySelector('th span').textContent, row.children[1].title])"
    )
    return {label: int(count.replace(",", "")) for label, count in rows}


def text(page: Page, selector: str) -> str:
    return page.locator(selector).inner_text()


def wait_for_text(page: Page, selector: str, pattern: str, timeout: float = TIMEOUT) -> None:
    wait_until(
        lambda: re.search(pattern, text(page, selector)) is not None,
        lambda: f"{pattern!r} in {selector}: {text(page, selector)!r}",
        timeout,
    )


def produce(job: Job, topic: str, value: bytes, key: bytes | None = None) -> None:
    job.producer.produce(topic, value, key)
    job.flush()


def produce_summary(job: Job, processed: int, labels: dict[str, int]) -> None:
    """As if the input had a partition 7, of which so many were processed."""
    summary = {
        "consumer_group": job.group, "source_topic": job.input, "source_partition": 7,
        "total_received_count": processed, "processed_count": processed, "filtered_count": 0,
        "skipped_count": 0, "error_count": 0, "error_type_counts": labels,
        "device_type_counts": labels, "locale_counts": labels,
    }  # fmt: skip
    key = f"{job.group}/{job.input}-7".encode()
    produce(job, job.topics["summary"], json.dumps(summary).encode(), key)


def accessibility_problems(page: Page) -> Sequence[str]:
    """What axe finds: rule, and where."""
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run()")
    return [
        f"{violation['id']}: {violation['help']}: {node['html'][:200]}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
