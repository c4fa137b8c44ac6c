"""The dashboard in a real browser, beside real daemons: what it shows is what the topics hold."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.faults.cluster import Cluster
from tests.support.cases import encoded, login
from tests.support.dashboards import (
    Dashboard,
    accessibility_problems,
    open_page,
    produce,
    produce_summary,
    run_chromium,
    table,
    text,
    wait_for_text,
)
from tests.support.job import Job, MakeJob, Site
from tests.support.outputs import Results
from tests.support.waiting import wait_until

LOCALES = ("CA", "TX", "TX", "TX", "TX", "RU", "pt_BR", "no place at all", "GB")
DEVICES = ("android", "iOS", "iOS")
UNKNOWN = "\u2013"
"""What the page shows for a figure that is not known."""
HOSTILE = """<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>"""
CUT_OFF = """[...document.querySelectorAll('body *')].filter(each =>
    getComputedStyle(each).overflowX === 'hidden' && each.scrollWidth > each.clientWidth + 1
    && !each.closest('.visually-hidden, svg, .process')).map(each => each.id || each.className)"""
"""What has more in it than is to be seen. Names of processes may: they are cut with an ellipsis."""
FOCUS = """(element => {
    const seen = element.name === 'map' ? element.nextElementSibling : element;
    return [element.id || element.value || element.tagName, getComputedStyle(seen).outlineStyle];
})(document.activeElement)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with run_chromium() as chromium:
        yield chromium


def send_logins(job: Job, count: int) -> None:
    """Of all kinds: some are filtered, some skipped, some fail in several ways."""
    for number in range(count):
        device, locale = DEVICES[number % len(DEVICES)], LOCALES[number % len(LOCALES)]
        fields = login(device_type=device, locale=locale)
        age = None
        if number % 10 == 3:
            fields["app_version"] = "1.0.0"
        elif number % 10 == 4:
            fields.pop("device_type")
        elif number % 20 == 5:
            fields["ip"] = "unknown"
        elif number % 20 == 15:
            age = 3600
        value = b"no JSON" if number % 50 == 26 else encoded(fields)
        job.send(value, number % job.partitions, age=age)
    job.flush()


def expected_outcomes(results: Results) -> dict[str, int]:
    outcomes = Counter(line["outcome"] for line in results.lines)
    kinds = ("processed", "filtered", "skipped")
    whole = {kind: outcomes.pop(kind, 0) for kind in kinds}
    return whole | {"errors": outcomes.total()}


def test_the_page_shows_what_the_topics_hold(make_job: MakeJob, browser: Browser) -> None:
    job = make_job(2)
    send_logins(job, 1000)
    daemon = job.start()
    dashboard = Dashboard(job)
    job.wait_for_lines(1000)
    results = job.results()
    outcomes = expected_outcomes(results)
    with open_page(browser, dashboard.address) as page:
        wait_until(
            lambda: table(page, "#outcomes") == outcomes,
            lambda: f"{outcomes} in {table(page, '#outcomes')}",
        )
        assert text(page, "#received") == "1,000"
        check_labels(page, results)
        check_errors(page, results)
        check_group(page, job)
        assert text(page, "#group") == job.group
        wait_for_text(page, "#word", "Healthy|Idle|Warning")  # a tenth of them failed
        wait_until(
            lambda: "now" in (page.locator("#rate-chart").get_attribute("aria-label") or ""),
            "the chart's text alternative",
        )
        send_logins(job, 50)  # the table has the latest seconds alone
        page.click("#rate-table >> xpath=.. >> summary")
        rates = page.locator("#rate-table tbody td:nth-child(2)")
        wait_until(
            lambda: any(rate not in (UNKNOWN, "0") for rate in rates.all_inner_texts()),
            lambda: f"rates as a table: {rates.all_inner_texts()}",
        )
    daemon.stop()
    whole = next(dashboard.snapshots())
    shown = dashboard.process.log + dashboard.process.stdout + json.dumps(whole)
    assert any(error.value["message_id"] in shown for error in results.errors)
    assert not re.findall(r"\b93\.\d+\.\d+\.\d+|user-\d+|593-47-\d+", shown)


def check_labels(page: Page, results: Results) -> None:
    processed = [record.value for record in results.processed]
    devices = Counter(each["device_type"] for each in processed)
    locales = Counter(
        each["locale"] if " " not in each["locale"] else "__other__" for each in processed
    )
    assert table(page, "#devices") == devices
    assert table(page, "#locales") == locales
    assert page.is_checked("input[name=map][value=states]"), "more states than countries"
    shapes = page.locator("#map path[data-level]:not([data-level='0'])")
    assert sorted(shapes.locator("title").all_text_contents()) == [
        f"California: {locales['CA']}",
        f"Texas: {locales['TX']}",
    ]
    assert f"{locales['GB'] + locales['RU'] + locales['pt_BR'] + locales['__other__']} are" in text(
        page, "#map-note"
    )
    page.check("input[name=map][value=countries]")
    assert f"Brazil: {locales['pt_BR']}" in shapes.locator("title").all_text_contents()
    inside = locales["CA"] + locales["TX"]
    assert f"United States: {inside}" in shapes.locator("title").all_text_contents()


def check_errors(page: Page, results: Results) -> None:
    errors = [record.value for record in results.errors]
    types = Counter(each["error_type"] for each in errors)
    shown = table(page, "#error-types")
    assert {name: count for name, count in shown.items() if count} == types
    recent = page.locator("#error-types tbody td:last-child").all_inner_texts()
    assert sum(map(int, recent)) == len(errors)
    latest = page.locator("#latest li").evaluate_all(
        "items => items.map(item => [item.querySelector('.id').textContent,"
        " item.querySelector('.type').textContent, item.querySelector('.message').textContent])"
    )
    known = {each["message_id"]: (each["error_type"], each["error_message"]) for each in errors}
    assert len(latest) == 20
    for message_id, error_type, message in latest:
        assert known[message_id] == (error_type, message)
    times = {record.value["message_id"]: record.time for record in results.errors}
    oldest = min(times[message_id] for message_id, _, _ in latest)
    assert oldest >= sorted(times.values())[-20]
    shown_text = page.content()
    assert not [
        each["user_id"] for each in errors if each["user_id"] and each["user_id"] in shown_text
    ]


def check_group(page: Page, job: Job) -> None:
    wait_for_text(page, "#lag", "^0$")
    wait_for_text(page, "#group-note", "2 partitions · 1 process · stable")
    rows = page.locator("#partitions tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.children].map(cell => cell.textContent))"
    )
    assert [(row[0], row[2], row[3]) for row in rows] == [("0", "0", "500"), ("1", "0", "500")]
    assert [row[5] for row in rows] == [
        f"{offset:,}" for _, offset in sorted(job.committed().items())
    ]
    wait_for_text(page, "#members", "partitions 0, 1")


def test_hostile_text_is_shown_as_text(job: Job, browser: Browser) -> None:
    daemon = job.start()
    dashboard = Dashboard(job)
    record: dict[str, Any] = {
        "message_id": f"{job.input}-0-1", "user_id": "u", "error_type": HOSTILE,
        "error_message": HOSTILE + "\u202e", "message_content": None, "timestamp": "t",
    }  # fmt: skip
    produce(job, job.topics["errors"], json.dumps(record).encode())
    produce(
        job, job.topics["metrics"],
        json.dumps({"message_details": [{"message_id": f"{job.input}-0-1", "outcome": HOSTILE}]})
        .encode(),
    )  # fmt: skip
    produce_summary(job, 5, labels={HOSTILE: 3, "</script>": 2})
    for topic in job.topics.values():
        produce(job, topic, b"\xff{", f"{job.group}/{job.input}-7".encode())
    with open_page(browser, dashboard.address) as page:
        wait_for_text(page, "#latest .message", re.escape(HOSTILE) + r"\\u202e")
        assert text(page, "#latest .type") == HOSTILE[:40] + "…"
        wait_for_text(page, "#notices", "records are not as documented")
        assert page.locator("#latest img, #latest script, main script, main img").count() == 0
        assert "owned" not in page.title()
    daemon.stop()


def test_elsewhere_than_on_loopback_it_asks_for_a_token(job: Job, browser: Browser) -> None:
    daemon = job.start()
    dashboard = Dashboard(job, "--host", "0.0.0.0")
    assert "?token=" in dashboard.address
    for path in ("/", "/events", "/static/app.js", "/?token=wrong"):
        assert dashboard.get(path)[0] == 401
    with open_page(browser, dashboard.here) as page:
        assert page.url == f"http://127.0.0.1:{dashboard.port}/", "the token is out of sight"
        page.reload()
        page.wait_for_selector("body[data-shown]")
        [cookie] = page.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    daemon.stop()


def test_topics_that_are_late_and_a_broker_that_was_away(
    cluster: Cluster, program: Path, tmp_path: Path, browser: Browser
) -> None:
    with Job(Site(cluster.servers, program, tmp_path), 1) as job, cluster.mended():
        dashboard = Dashboard(job)
        with open_page(browser, dashboard.address) as page:
            wait_for_text(page, "#reasons", "There is no topic test-summary-.* yet")
            assert text(page, "#word") == "Waiting"
            job.start()
            send_logins(job, 10)
            wait_for_text(page, "#received", "^10$")
            cluster.kafka.brokers[0].kill()
            wait_for_text(page, "#reasons", "No broker answers at")
            assert text(page, "#connection") == "Waiting for Kafka"
            assert text(page, "#received") == "10"
            cluster.kafka.start()
            produce_summary(job, 5, labels={"TX": 5})
            wait_for_text(page, "#received", "^15$")
            wait_until(lambda: "No broker" not in text(page, "#reasons"), "recovery")
            wait_for_text(page, "#connection", "Live")


def test_without_metrics_rates_come_from_the_summary(job: Job, browser: Browser) -> None:
    daemon = job.start(METRICS_TOPIC="")
    dashboard = Dashboard(job, METRICS_TOPIC="")
    with open_page(browser, dashboard.address) as page:
        assert "METRICS_TOPIC is off" in text(page, "#notices")
        send_logins(job, 2000)
        wait_for_text(page, "#received", "^2,000$")
        send_logins(job, 1000)
        wait_for_text(page, "#rate", "^[1-9]")
        assert text(page, "#p99") == UNKNOWN
    daemon.stop()


def test_a_page_whose_server_is_gone_says_so_and_comes_back(job: Job, browser: Browser) -> None:
    dashboard = Dashboard(job)
    with open_page(browser, dashboard.address) as page:
        wait_for_text(page, "#connection", "Live")
        page.click("#pause")
        wait_for_text(page, "#connection", "Paused")
        page.click("#pause")
        wait_for_text(page, "#connection", "Live")
        dashboard.process.stop()
        wait_for_text(page, "#connection", "Connection lost")
        Dashboard(job, "--port", str(dashboard.port))
        wait_for_text(page, "#connection", "Live")


def test_it_is_accessible_and_fits_every_width(make_job: MakeJob, browser: Browser) -> None:
    job = make_job(2)
    send_logins(job, 500)
    daemon = job.start()
    dashboard = Dashboard(job)
    job.wait_for_lines(500)
    for colours, width in (("light", 1440), ("dark", 768), ("light", 390)):
        with open_page(browser, dashboard.address, colours=colours, width=width) as page:
            wait_for_text(page, "#received", "^500$")
            page.wait_for_selector("#map svg")
            for summary in page.locator("summary:visible").all():
                summary.click()
            page.wait_for_selector("#latest li")
            assert accessibility_problems(page) == []
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{wide} wide at {width}"
            assert page.evaluate(CUT_OFF) == []
    check_keyboard(browser, dashboard.address)
    daemon.stop()


def check_keyboard(browser: Browser, address: str) -> None:
    """Everything that can be used is reached with the Tab key, and can be seen there."""
    with open_page(browser, address) as page:
        reached = []
        for _ in range(12):
            page.keyboard.press("Tab")
            reached.append(page.evaluate(FOCUS))
        names = [name for name, _ in reached]
        assert names[0] == "pause"
        assert {"states", "latest-scroll", "partitions", "SUMMARY"} <= set(names)
        assert not [name for name, outline in reached if name != "BODY" and outline == "none"]
