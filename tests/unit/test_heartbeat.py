"""The file that a container's health check looks at."""

import tempfile
from pathlib import Path

import pytest

from kafka_processor.heartbeat import Heartbeat, is_alive


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_alive_while_it_beats(folder: Path) -> None:
    with Heartbeat() as heartbeat:
        assert not is_alive()
        heartbeat.beat()
        assert is_alive()
    assert not is_alive()
    assert not list(folder.iterdir())


def test_a_folder_that_goes_ends_nothing(folder: Path) -> None:
    with Heartbeat() as heartbeat:
        folder.rmdir()
        heartbeat.beat()
        assert not is_alive()
