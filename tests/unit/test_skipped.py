"""The one warning for a backlog of messages that were too old."""

from kafka_processor.monitoring.skipped import SkippedBacklog, SkippedReport


def test_nothing_skipped_nothing_reported() -> None:
    backlog = SkippedBacklog()
    backlog.add([], 100.0)
    assert backlog.report(1000.0) is None
    assert backlog.report(1000.0, at_once=True) is None


def test_a_backlog_is_reported_once_with_number_and_age() -> None:
    backlog = SkippedBacklog()
    reports = []
    for second in range(10):
        backlog.add([90_000 - second, 61_000], 50.0 + second * 0.5)
        reports.append(backlog.report(50.0 + second * 0.5))
    backlog.add([], 55.0)
    reports += [backlog.report(now) for now in (55.0, 60.0, 65.0, 1000.0)]
    assert [report for report in reports if report] == [SkippedReport(20, 61.0, 90.0)]


def test_a_stop_reports_what_is_still_open() -> None:
    backlog = SkippedBacklog()
    backlog.add([70_000], 5.0)
    assert backlog.report(5.0) is None
    assert backlog.report(5.0, at_once=True) == SkippedReport(1, 70.0, 70.0)
    assert backlog.report(5.0, at_once=True) is None


def test_the_next_backlog_starts_afresh() -> None:
    backlog = SkippedBacklog()
    backlog.add([500_000], 5.0)
    backlog.report(10.0)
    backlog.add([70_000, 65_000], 100.0)
    assert backlog.report(110.0) == SkippedReport(2, 65.0, 70.0)


def test_a_long_backlog_is_reported_once_too() -> None:
    backlog = SkippedBacklog()
    reports = []
    for second in range(100):
        backlog.add([70_000], float(second) / 2)
        reports.append(backlog.report(float(second) / 2))
    reports.append(backlog.report(1000.0))
    assert [report for report in reports if report] == [SkippedReport(100, 70.0, 70.0)]
