"""One line for many failed messages."""

from collections import Counter
from typing import Any

from kafka_processor.monitoring.failed_messages import INTERVAL, FailedMessages, FailedReport


def counted(**messages: int) -> Counter[Any]:
    return Counter(messages)


def test_without_a_failure_there_is_nothing_to_report() -> None:
    failed = FailedMessages()
    failed.add(counted(processed=5, filtered=2, skipped=1), None, 100.0)
    assert failed.report(1000.0) is None
    assert failed.report(1000.0, at_once=True) is None


def test_the_first_failure_is_reported_at_once_with_its_message() -> None:
    failed = FailedMessages()
    failed.add(counted(processed=5, parse_error=1), "user-login-0-7", 100.0)
    assert failed.report(100.0) == FailedReport({"parse_error": 1}, "user-login-0-7", 0.0)


def test_a_flood_is_one_report_an_interval_that_counts_each_message_once() -> None:
    failed = FailedMessages()
    reports = []
    for number in range(1000):
        now = 100.0 + number * INTERVAL / 100
        failed.add(counted(invalid_field=3, parse_error=1), f"user-login-0-{number}", now)
        reports.append(failed.report(now))
    reports.append(failed.report(200.0 + INTERVAL))
    told = [report for report in reports if report]
    assert len(told) == 11
    assert sum(report.by_type["invalid_field"] for report in told) == 3000
    assert sum(report.by_type["parse_error"] for report in told) == 1000
    assert told[-1].example == "user-login-0-999"


def test_a_stop_reports_what_is_still_open() -> None:
    failed = FailedMessages()
    failed.add(counted(parse_error=1), "user-login-0-1", 5.0)
    assert failed.report(5.0)
    failed.add(counted(parse_error=2), "user-login-0-3", 6.0)
    assert failed.report(6.0) is None
    assert failed.report(6.5, at_once=True) == FailedReport(
        {"parse_error": 2}, "user-login-0-3", 0.5
    )
