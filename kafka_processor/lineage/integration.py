"""What OpenLineage's settings turn on, put together."""

import re
from collections.abc import Iterator
from typing import Final

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import RunState
from openlineage.client.transport import Transport
from structlog.typing import FilteringBoundLogger

from kafka_processor.config import Settings
from kafka_processor.errors import SettingsError
from kafka_processor.lineage.delivery import Delivery
from kafka_processor.lineage.progress import Progress
from kafka_processor.lineage.run import Moment, RunOfProcess, reason_of
from kafka_processor.monitoring.losses import Losses

_UNBOUNDED: Final = ("async_http", "datadog")
"""Transports with an HTTP client of their own, on whose exchanges there is no bound."""
_SECRET_OF_ADDRESS: Final = re.compile(r"(?<=//)[^/\s@]*@|\?\S*")


class Lineage:
    def __init__(self, settings: Settings, log: FilteringBoundLogger) -> None:
        """Begins the run. Raises SettingsError."""
        client = create_client()
        run = RunOfProcess(settings)

        def send(moment: Moment) -> None:
            client.emit(run.event(moment, self.observer.rows()))

        self._delivery = Delivery(send, Losses("lineage was not delivered", log))
        self.observer = Progress(settings, lambda: self._delivery.tell(RunState.RUNNING))
        self._delivery.tell(RunState.START)
        self._delivery.start()

    def end(self, error: BaseException | None) -> None:
        if error is None:
            self._delivery.tell(RunState.COMPLETE)
        else:
            self._delivery.tell(RunState.FAIL, reason_of(error))

    def wait(self, timeout: float) -> None:
        self._delivery.wait(timeout)


def create_client() -> OpenLineageClient:
    try:
        client = OpenLineageClient()
        transport = client.config.transport or {}
    except Exception as error:  # each transport has its own
        text = _SECRET_OF_ADDRESS.sub("", str(error))
        raise SettingsError([f"OPENLINEAGE_*: the client cannot be set up: {text}"]) from None
    if client.transport.kind == "console" and transport.get("type") != "console":
        raise SettingsError(
            ["openlineage.yml: no transport can be read from it; name one, such as http or file"]
        )
    for kind in _kinds(client.transport):
        if kind in _UNBOUNDED:
            raise SettingsError(
                [f"OPENLINEAGE_*: the transport {kind} is not allowed; set http: "
                 "events are sent in the background anyway"]
            )  # fmt: skip
    return client


def _kinds(transport: Transport) -> Iterator[str]:
    """Of a transport and those that it is made of."""
    yield transport.kind or ""
    for part in (*getattr(transport, "transports", ()), getattr(transport, "transport", None)):
        if isinstance(part, Transport):
            yield from _kinds(part)
