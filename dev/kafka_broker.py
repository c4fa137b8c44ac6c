"""One broker of a local Kafka: its files, its process, and whether it answers."""

import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from dev.free_ports import HOST
from dev.kafka_install import KafkaInstallation, LocalKafkaError
from dev.process_guard import ProcessGuard

START_TIMEOUT = 60.0  # seconds until a broker that was started must answer
STOP_TIMEOUT = 20.0  # seconds that a broker gets for a clean stop

# As in Kafka's own start script.
JVM_OPTIONS = ("-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35")
# Formatting takes less than half a second: too short for the optimising compiler.
FORMAT_JVM_OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %m (%c{1})%n
"""


class PortInUseError(LocalKafkaError):
    """Another program has a port that the broker was to listen on."""


class Broker:
    """A broker and controller in one process, made by LocalKafka.

    `kill()` or `stop()` it, and `start()` brings it back on the same ports and files.
    """

    def __init__(
        self,
        node_id: int,
        kafka: KafkaInstallation,
        guard: ProcessGuard,
        cluster_folder: Path,
        cluster_id: str,
        ports: Mapping[str, int],
        advertised: Mapping[str, int],
        properties: Mapping[str, str],
        heap: str,
    ) -> None:
        """`ports` by listener name; `advertised` has those that clients are told, where they
        differ; `properties` override what is specific to this broker."""
        folder = cluster_folder / f"broker-{node_id}"
        self.node_id = node_id
        self.ports = ports
        self.client_ports = {**ports, **advertised}
        self.log_file = folder / "broker.log"
        self.class_list = folder / "classes"
        self._kafka = kafka
        self._guard = guard
        self._cluster_id = cluster_id
        self._heap = heap
        self._data = folder / "data"
        self._properties_file = folder / "server.properties"
        self._logging_file = folder / "log4j2.properties"
        self._log_start = 0
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)
        self._properties_file.write_text(
            _as_java_properties({**self._own_properties(), **properties})
        )
        self._logging_file.write_text(LOGGING)

    def _own_properties(self) -> dict[str, str]:
        listeners = {name: f"{name}://{HOST}:{port}" for name, port in self.ports.items()}
        advertised = (
            f"{name}://{HOST}:{port}"
            for name, port in self.client_ports.items()
            if name != "CONTROLLER"
        )
        return {
            "node.id": str(self.node_id),
            "log.dirs": str(self._data),
            "listeners": ",".join(listeners.values()),
            "advertised.listeners": ",".join(advertised),
        }

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Of a broker that has ended by itself; negative: the signal that ended it."""
        return self._process.poll() if self._process is not None else None

    @property
    def pid(self) -> int:
        """The process id. Raises LocalKafkaError if the broker does not run."""
        if self._process is None or not self.is_running:
            raise LocalKafkaError(f"broker {self.node_id} does not run")
        return self._process.pid

    def start(self) -> None:
        """Start the broker and return once it answers a client.

        Raises LocalKafkaError: it ended, or did not answer in time.
        """
        self.launch()
        self.wait_until_it_answers()

    def launch(self) -> None:
        """Start the broker's process, unless it runs. Raises LocalKafkaError: wrong settings."""
        if self.is_running:
            return
        self._forget_process()
        self._log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        if not (self._data / "meta.properties").exists():
            self._format_data_folder()
        jvm: tuple[str, ...] = (*JVM_OPTIONS, f"-Xmx{self._heap}")
        if not self._kafka.has_class_archive:
            jvm = (*jvm, f"-XX:DumpLoadedClassList={self.class_list}")
        self._process = self._run("kafka.Kafka", str(self._properties_file), jvm=jvm)

    def wait_until_it_answers(self) -> None:
        """Raises LocalKafkaError: the broker ended (PortInUseError: for its port), or did not
        answer in time."""
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            self.check_that_it_runs()
            if time.monotonic() > deadline:
                raise LocalKafkaError(
                    f"broker {self.node_id} did not answer within {START_TIMEOUT:.0f} s:"
                    f" {self._log_tail()}"
                )
            # A client for each question is dear, and a broker on its way has no time to waste.
            time.sleep(0.1)

    def check_that_it_runs(self) -> None:
        """Raises LocalKafkaError if it does not; PortInUseError if it found its port taken."""
        if self.is_running:
            return
        if "Address already in use" in self._log():
            raise PortInUseError(f"a port of broker {self.node_id} is in use by now: start again")
        raise LocalKafkaError(f"broker {self.node_id} ended: {self._log_tail()}")

    def kill(self) -> None:
        """End the broker at once, as a crash would (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._forget_process()

    def stop(self) -> None:
        """Stop the broker cleanly; kill it if that takes longer than STOP_TIMEOUT."""
        self.ask_to_stop()
        self.wait_until_stopped()

    def ask_to_stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def wait_until_stopped(self) -> None:
        if self._process is not None:
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.kill()
            self._forget_process()

    def _run(
        self, main_class: str, *arguments: str, jvm: tuple[str, ...]
    ) -> subprocess.Popen[bytes]:
        jvm = (*jvm, f"-Dlog4j2.configurationFile={self._logging_file}")
        return self._guard.start(
            self._kafka.command(main_class, *arguments, jvm=jvm), self.log_file
        )

    def _format_data_folder(self) -> None:
        # In one word, because an id may begin with a dash.
        arguments = (f"--cluster-id={self._cluster_id}", f"--config={self._properties_file}")
        self._process = self._run(
            "kafka.tools.StorageTool", "format", *arguments, jvm=FORMAT_JVM_OPTIONS
        )
        try:
            exit_code = self._process.wait(START_TIMEOUT)
        except subprocess.TimeoutExpired:
            exit_code = None
        self.kill()
        if exit_code != 0:
            raise LocalKafkaError(f"broker {self.node_id} cannot start: {self._log_tail()}")

    def _forget_process(self) -> None:
        if self._process is not None:
            self._guard.ended(self._process.pid)
            self._process = None

    def _answers(self) -> bool:
        """Ask the broker for the cluster's brokers: is it one of them?"""
        port = self.ports["PLAINTEXT"]
        try:  # spares the client the pauses between its attempts
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            return False
        client = AdminClient({"bootstrap.servers": f"{HOST}:{port}", "log_level": 0})
        try:
            return self.node_id in client.list_topics(timeout=2).brokers
        except KafkaException:
            return False

    def _log(self) -> str:
        with self.log_file.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def _log_tail(self) -> str:
        """The last lines of the broker's log that name a failure, else its last ones, as one."""
        lines = [line.strip()[:200] for line in self._log().splitlines() if line.strip()]
        failures = [line for line in lines if " ERROR " in line or "Exception" in line]
        return " | ".join((failures or lines)[-3:])


def _as_java_properties(properties: Mapping[str, str]) -> str:
    escaped = {
        name: value.replace("\\", "\\\\").replace("\n", "\\n") for name, value in properties.items()
    }
    return "".join(f"{name}={value}\n" for name, value in escaped.items())
