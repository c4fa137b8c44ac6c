"""Clients that live as long as the daemon: what they report does not pile up in an outage."""

import logging
from typing import Any

import structlog
from confluent_kafka.admin import AdminClient

from kafka_processor.clients.client_config import connection_config
from kafka_processor.config import Settings, load_settings
from kafka_processor.membership.input_topic import InputTopic
from kafka_processor.record_limits import RecordLimits
from kafka_processor.topics.configs import LimitLookup
from tests.support.brokers import dead_port
from tests.support.waiting import wait_until

SILENT = logging.getLogger(__name__)


def without_broker() -> Settings:
    return load_settings({"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{dead_port()}"})


REPORTS = 5


def wait_for_reports(admin: Any) -> None:
    wait_until(lambda: len(admin) >= REPORTS, "lines about the broker that is away")


def test_the_lookup_of_limits_takes_what_its_client_reports() -> None:
    settings = without_broker()
    admin: Any = AdminClient(connection_config(settings) | {"logger": SILENT})
    lookup = LimitLookup(settings, admin, RecordLimits(), structlog.get_logger())
    wait_for_reports(admin)
    lookup.turned()
    assert len(admin) < REPORTS


def test_the_watch_of_the_input_topic_takes_what_its_client_reports() -> None:
    topic = InputTopic(without_broker(), SILENT)
    admin: Any = topic._admin
    wait_for_reports(admin)
    topic.watch()
    assert len(admin) < REPORTS
