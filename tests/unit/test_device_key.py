"""The secret key: how it may be written, and the project's own key file."""

import base64
import os
import random
import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_processor.config import load_settings
from kafka_processor.environment import project_key
from kafka_processor.errors import SettingsError
from kafka_processor.settings.device_key import create_key_file, parse_key, read_key_file

keys = st.binary(min_size=32, max_size=100).filter(
    lambda key: len(set(key)) >= 8 and not re.fullmatch(rb"[ -~]*", key)
)
space = st.text(" \t\r\n", max_size=3)


@given(keys, space, space, st.booleans())
def test_a_key_is_hex_or_base64_with_white_space_around(
    key: bytes, before: str, after: str, upper: bool
) -> None:
    written = key.hex().upper() if upper else key.hex()
    assert parse_key(before + written + after) == key
    assert parse_key(before + base64.b64encode(key).decode() + after) == key


def test_hex_is_tried_first() -> None:
    both = "0123456789abcdef" * 4
    assert parse_key(both) == bytes.fromhex(both) != base64.b64decode(both)


@pytest.mark.parametrize(
    "text",
    ["", " ", "00" * 31, base64.b64encode(bytes(31)).decode(), "0" * 63,
     "00" * 16 + " " + "00" * 16, "zz" * 32 + "!", "é" * 64, "\u0660" * 64, "00:" * 32,
     "0x" + "00" * 32, "\udcff" * 40, "=" * 64],
)  # fmt: skip
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(ValueError, match=r"32 bytes or more") as refused:
        parse_key(text)
    assert not text.strip() or text.strip() not in str(refused.value)


GUESSABLE = {
    "one byte": bytes(32),
    "few bytes": bytes(range(7)) * 10,
    "a phrase": b"correct horse battery staple, and more",
    "hex digits as text": b"0123456789abcdef" * 4,
    "all that is printable": bytes(range(0x20, 0x7F)),
}


@pytest.mark.parametrize("key", GUESSABLE.values(), ids=GUESSABLE.keys())
@pytest.mark.parametrize("name", ["DEVICE_ID_KEY", "DEVICE_ID_KEY_FILE", "the project's own"])
def test_a_key_that_can_be_guessed_is_refused(
    key: bytes, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in (key.hex(), base64.b64encode(key).decode()):
        file = tmp_path / "key"
        file.write_text(text)
        with pytest.raises(SettingsError, match="not a random key") as refused:
            if name == "the project's own":
                monkeypatch.setattr(project_key, "PROJECT_KEY_PATH", file)
                project_key.project_key()
            load_settings({name: str(file) if name.endswith("FILE") else text})
        [line] = refused.value.lines
        assert line.startswith("DEVICE_ID_KEY")
        assert text not in line


@given(st.integers(0, 2**64))
def test_a_random_key_is_taken(seed: int) -> None:
    key = random.Random(seed).randbytes(32)
    assert parse_key(key.hex()) == key


def test_the_least_that_is_taken() -> None:
    for key in (bytes(range(8)) * 4, bytes(range(0x20, 0x7E)) + b"\x7f"):
        assert parse_key(key.hex()) == key


def test_a_key_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    key = bytes(range(100, 132))
    file.write_text("\n" + key.hex() + "\n")
    assert read_key_file(str(file)) == key


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64, b"\x00" * 64])
def test_a_file_without_a_key(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(ValueError):
        read_key_file(str(file))


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    file = tmp_path / "a key"
    file.write_text("0123456789abcdef" * 4)
    file.chmod(mode)
    with pytest.raises(SettingsError) as given_file:
        load_settings({"DEVICE_ID_KEY_FILE": str(file)})
    monkeypatch.setattr(project_key, "PROJECT_KEY_PATH", file)
    with pytest.raises(SettingsError) as own_file:
        project_key.project_key()
    for error, name in ((given_file, "DEVICE_ID_KEY_FILE"), (own_file, "DEVICE_ID_KEY")):
        [line] = error.value.lines
        assert line.startswith(f"{name}: ")
        assert f"chmod go-w '{file}'" in line


def test_a_file_without_end_is_no_key() -> None:
    with pytest.raises(ValueError):
        read_key_file("/dev/zero")


def test_a_pipe_may_hold_the_key() -> None:
    """As of `DEVICE_ID_KEY_FILE=<(vault read …)`."""
    reading, writing = os.pipe()
    os.write(writing, b"0123456789abcdef" * 4)
    os.close(writing)
    try:
        assert len(read_key_file(f"/dev/fd/{reading}")) == 32
    finally:
        os.close(reading)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", tmp_path / ("x" * 300)):
        with pytest.raises((OSError, ValueError)):
            read_key_file(str(path))


def test_a_file_that_cannot_be_read_is_not_said_to_hold_a_wrong_key(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings({"DEVICE_ID_KEY_FILE": str(tmp_path / "none")})
    [line] = error.value.lines
    assert line.startswith(f"DEVICE_ID_KEY_FILE: {tmp_path / 'none'} cannot be read (No such file")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_a_new_key_is_random_whole_and_for_its_owner_alone(tmp_path: Path, umask: int) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    before = os.umask(umask)
    try:
        assert create_key_file(one)
        assert create_key_file(two)
    finally:
        os.umask(before)
    assert one.stat().st_mode & 0o077 == 0
    assert umask == 0o277 or one.stat().st_mode & 0o777 == 0o600
    assert len(read_key_file(str(one))) >= 32
    assert read_key_file(str(one)) != read_key_file(str(two))
    assert sorted(tmp_path.iterdir()) == [one, two], "no draft is left"


def test_a_new_key_is_on_disk_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[bool, bool]] = []
    file, fsync = tmp_path / "key", os.fsync

    def spy(descriptor: int) -> None:
        fsync(descriptor)
        mode = os.fstat(descriptor).st_mode
        assert stat.S_ISDIR(mode) or os.fstat(descriptor).st_size == 65, "the whole key"
        synced.append((stat.S_ISDIR(mode), file.exists()))

    monkeypatch.setattr(os, "fsync", spy)
    assert create_key_file(file)
    assert synced == [(False, False), (True, True)], "the file, then under its name the folder"


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("mine")
    assert create_key_file(file) is False
    assert file.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_cannot_be_written_to_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        create_key_file(tmp_path / "none" / "key")


def test_of_many_threads_one_makes_the_key_and_none_sees_half_of_it(tmp_path: Path) -> None:
    threads = 16
    for attempt in range(20):
        file = tmp_path / str(attempt)
        together = Barrier(threads)

        def create(path: Path = file, start: Barrier = together) -> tuple[bool, bytes]:
            start.wait(10)
            return create_key_file(path), read_key_file(str(path))

        with ThreadPoolExecutor(threads) as pool:
            results = [
                future.result(10) for future in [pool.submit(create) for _ in range(threads)]
            ]
        assert sorted(made for made, _ in results) == [False] * (threads - 1) + [True]
        assert len({key for _, key in results}) == 1
    assert len(list(tmp_path.iterdir())) == 20


def test_a_reader_sees_a_whole_key_or_none(tmp_path: Path) -> None:
    file, done = tmp_path / "key", Event()

    def read() -> int:
        seen = 0
        while not done.is_set():
            if file.exists():
                with suppress(FileNotFoundError):
                    assert len(read_key_file(str(file))) == 32
                seen += 1
        return seen

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        try:
            for _ in range(200):
                assert create_key_file(file)
                file.unlink()
        finally:
            done.set()
        reading.result(10)


CREATE_WHEN_TOLD = """
import sys
from pathlib import Path
from kafka_processor.settings.device_key import create_key_file
print("ready", flush=True)
sys.stdin.readline()
print(create_key_file(Path(sys.argv[1])))
"""


def test_of_many_processes_one_makes_the_key(tmp_path: Path) -> None:
    file = tmp_path / "key"
    command = (sys.executable, "-c", CREATE_WHEN_TOLD, str(file))
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    try:
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=20)[0].strip() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert sorted(said) == ["False"] * 5 + ["True"]
    assert len(read_key_file(str(file))) == 32
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_to_nothing_is_said_and_not_taken_for_a_key_to_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "key"
    link.symlink_to(tmp_path / "nothing")
    monkeypatch.setattr(project_key, "PROJECT_KEY_PATH", link)
    with pytest.raises(SettingsError, match="cannot be read"):
        project_key.project_key()
