"""The file that a container's health check looks at."""

import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from kafka_processor import heartbeat as module
from kafka_processor.heartbeat import ABANDONED, Heartbeat, is_alive

needs_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only one that may hold the file."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(module, "_SHARED_MEMORY", str(folder))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return folder


def beaten() -> Heartbeat:
    heartbeat = Heartbeat()
    heartbeat.beat()
    return heartbeat


def test_alive_while_it_beats(folder: Path) -> None:
    with Heartbeat() as heartbeat:
        assert heartbeat.is_visible
        assert not is_alive()
        heartbeat.beat()
        assert is_alive()
    assert not is_alive()
    assert not list(folder.iterdir())


def test_a_folder_that_goes_ends_nothing(folder: Path) -> None:
    with Heartbeat() as heartbeat:
        shutil.rmtree(folder)
        heartbeat.beat()
        assert not is_alive()


def test_one_of_several_processes_that_turns_is_enough(folder: Path) -> None:
    with Heartbeat(), beaten():
        assert len(list(folder.iterdir())) == 2
        assert is_alive()


def test_the_file_lies_in_a_folder_that_only_its_user_may_enter(folder: Path) -> None:
    with beaten():
        [own] = folder.iterdir()
        assert stat.S_IMODE(own.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o720])
def test_what_others_may_have_touched_is_not_trusted(folder: Path, mode: int) -> None:
    with beaten():
        [own] = folder.iterdir()
        own.chmod(mode)
        assert not is_alive()


@needs_root
def test_what_belongs_to_others_is_not_trusted(folder: Path) -> None:
    with beaten():
        [own] = folder.iterdir()
        os.chown(own, 12345, 12345)
        assert not is_alive()


def test_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    with beaten():
        [own] = folder.iterdir()
        own.rename(tmp_path / "elsewhere")
        own.symlink_to(tmp_path / "elsewhere")
        assert not is_alive()
        own.unlink()


def test_a_file_that_is_old_or_of_a_clock_that_was_set_is_not_alive(folder: Path) -> None:
    with beaten():
        [beat] = folder.glob("*/*")
        for moment in (time.time() - 60, time.time() + 3600):
            os.utime(beat, (moment, moment))
            assert not is_alive()


def test_what_a_killed_process_left_is_removed_after_a_day(folder: Path) -> None:
    left = beaten()
    with beaten():
        pass
    [own] = folder.iterdir()
    long_ago = time.time() - 2 * ABANDONED
    for path in (*own.iterdir(), own):
        os.utime(path, (long_ago, long_ago))
    with beaten():
        assert own not in list(folder.iterdir())
        left.beat()  # should it turn again after all


def test_without_any_folder_it_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert folder.is_dir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    monkeypatch.setattr(module, "_SHARED_MEMORY", str(tmp_path / "none"))
    with beaten() as heartbeat:
        assert not heartbeat.is_visible
        assert not is_alive()


def test_a_read_only_root_leaves_the_shared_memory(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with beaten():
        assert len(list(folder.iterdir())) == 1
        assert is_alive()


def test_the_folder_of_the_login_comes_first(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    with beaten():
        assert len(list((tmp_path / "run").iterdir())) == 1
        assert not list(folder.iterdir())
        assert is_alive()


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("folder", "hasty_threads")
def test_a_process_that_ends_while_it_is_looked_for_raises_nothing() -> None:
    done = Event()

    def come_and_go() -> None:
        while not done.is_set():
            with beaten():
                pass

    other = Thread(target=come_and_go)
    other.start()
    try:
        for _ in range(500):
            is_alive()
    finally:
        done.set()
        other.join(10)
