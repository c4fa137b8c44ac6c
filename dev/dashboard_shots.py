"""Pictures of the dashboard from a real run: `python -m dev.dashboard_shots` writes them to docs.

Needs Chromium (Debian: apt-get install chromium) and the extra `test`.
"""

import argparse
import io
import math
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from dev.demo_daemon import Daemon
from dev.local_kafka import LocalKafka
from dev.login_producer import LoginProducer, Plan
from dev.logins import LoginEvents, Shares
from kafka_processor.config import PROJECT_FOLDER

SEED: Final = 7
RATE: Final = 600.0
SWING: Final = 0.35
"""How much more and less than that comes in, in waves."""
TURN: Final = 2.0
"""Seconds at one rate."""


class Shot(NamedTuple):
    name: str
    width: int
    height: int
    colours: Literal["light", "dark"]
    is_whole: bool
    """Down to the end of the page."""


KEPT: Final = (
    Shot("light", 1440, 900, "light", is_whole=True),
    Shot("dark", 1440, 900, "dark", is_whole=True),
    Shot("phone", 390, 844, "light", is_whole=False),
)
ALL: Final = tuple(
    Shot(f"{width}-{colours}", width, 900, colours, is_whole=True)
    for width in (1440, 768, 390)
    for colours in ("light", "dark")
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m dev.dashboard_shots", description=__doc__)
    parser.add_argument("--seconds", type=float, default=150.0, help="of logins (%(default)s)")
    parser.add_argument("--folder", type=Path, default=PROJECT_FOLDER / "docs")
    parser.add_argument("--all", action="store_true", help="every width in light and dark")
    options = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        print("error: needs Chromium; Debian: apt-get install chromium", file=sys.stderr)
        return 1
    with LocalKafka() as kafka, _running(kafka.bootstrap_servers) as daemon:
        address = daemon.start_dashboard()
        print(f"sending logins for {options.seconds:g} s to {address}", flush=True)
        with _sending(daemon), sync_playwright() as playwright:
            time.sleep(options.seconds)
            browser = playwright.chromium.launch(executable_path=chromium)
            for shot in ALL if options.all else KEPT:
                _take(browser, address, shot, options.folder)
            browser.close()
    return 0


@contextmanager
def _running(servers: str) -> Iterator[Daemon]:
    daemon = Daemon(servers)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.close()


@contextmanager
def _sending(daemon: Daemon) -> Iterator[None]:
    producer = LoginProducer(
        daemon.settings, LoginEvents(SEED, Shares()), lambda _: None, keyed=True
    )
    stop = threading.Event()

    def send() -> None:
        turn = 0
        while not stop.is_set():
            wave = math.sin(turn / 6) + 0.4 * math.sin(turn / 1.7)
            producer.run(Plan(RATE * (1 + SWING * wave), seconds=TURN), stop)
            turn += 1

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _take(browser: Browser, address: str, shot: Shot, folder: Path) -> None:
    context = browser.new_context(
        color_scheme=shot.colours,
        viewport={"width": shot.width, "height": shot.height},
        device_scale_factor=2 if shot.width < 500 and not shot.is_whole else 1,
    )
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("body[data-shown]")
    page.wait_for_selector("#map svg")
    page.wait_for_timeout(1500)
    file = folder / f"dashboard-{shot.name}.png"
    picture = page.screenshot(full_page=shot.is_whole, animations="disabled")
    with Image.open(io.BytesIO(picture)) as image:
        # A third of the size, and nothing of it is seen.
        few = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        few.save(file, optimize=True)
    context.close()
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    sys.exit(main())
