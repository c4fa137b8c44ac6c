"""Who may look at the dashboard: every route, a token, names of this machine; and its headers."""

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import pytest

from kafka_processor.dashboard.arguments import Options, parse, token_of
from kafka_processor.dashboard.guard import HEADERS
from kafka_processor.dashboard.listening import address_of
from kafka_processor.dashboard.server import STATIC, application
from kafka_processor.endpoints.listening import is_loopback, is_of_this_machine, listen
from kafka_processor.errors import CannotListenError, SettingsError

TOKEN = "a-token-of-the-test-äöü"
ROUTES = ["/", "/events", "/static/app.js", "/static/vendor/uplot/uPlot.min.css", "/nothing"]
WORDS = ("--port", "give --port or --host")
COOKIE = "kafka_processor_dashboard_8080"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def get(
    path: str, *, token: str | None = None, loopback: bool = True, query: str = "",
    host: str = "127.0.0.1:8080", cookie: str = "",
) -> Answer:  # fmt: skip
    """One request to the application; an event stream ends after its first snapshot."""
    made = 0

    def snapshot() -> bytes:
        nonlocal made
        made += 1
        return b'{"now":1}'

    app = application(snapshot, lambda: made > 0, token=token, is_loopback=loopback, port=8080)
    return asyncio.run(_get(app, path, query, host, cookie))


async def _get(app: Any, path: str, query: str, host: str, cookie: str) -> Answer:
    from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    lifespan = asyncio.create_task(app({"type": "lifespan"}, to_app.get, from_app.put))
    await to_app.put({"type": "lifespan.startup"})
    assert (await from_app.get())["type"] == "lifespan.startup.complete"
    headers = [(b"host", host.encode()), (b"cookie", cookie.encode())]
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "root_path": "",
        "query_string": query.encode(), "headers": headers, "scheme": "http",
        "http_version": "1.1", "asgi": {"version": "3.0", "spec_version": "2.4"},
        "server": ("127.0.0.1", 8080), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await asyncio.wait_for(app(scope, receive, send), 10)
    await to_app.put({"type": "lifespan.shutdown"})
    await lifespan
    start = messages[0]
    body = b"".join(message.get("body", b"") for message in messages[1:])
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], found, body)


@pytest.mark.parametrize("path", ROUTES)
def test_on_loopback_nothing_is_asked_for(path: str) -> None:
    assert get(path).status == (404 if path == "/nothing" else 200)


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("query", ["", "token=", "token=wrong", "token=a-token-of-the-test", "%"])
def test_elsewhere_every_route_asks_for_the_token(path: str, query: str) -> None:
    answer = get(path, token=TOKEN, loopback=False, query=query, cookie=f"{COOKIE}=wrong")
    assert answer.status == 401
    assert b"requires its token" in answer.body
    assert "set-cookie" not in answer.headers
    assert TOKEN.encode() not in answer.body


def test_the_token_is_kept_in_a_cookie_that_does_not_hold_it() -> None:
    query = "token=a-token-of-the-test-%C3%A4%C3%B6%C3%BC"
    answer = get("/", token=TOKEN, loopback=False, query=query)
    assert answer.status == 200
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert attributes == ["Path=/", "HttpOnly", "SameSite=Strict"]
    assert TOKEN not in cookie
    for path in ROUTES[:-1]:
        assert get(path, token=TOKEN, loopback=False, cookie=cookie).status == 200
        beside = f'other={{"a":1}}; {cookie}'
        assert get(path, token=TOKEN, loopback=False, cookie=beside).status == 200
        assert get(path, token="another-token-of-ours", cookie=cookie).status == 401


@pytest.mark.parametrize("path", ROUTES)
def test_on_loopback_another_name_is_refused(path: str) -> None:
    assert get(path, host="evil.example:8080").status == 403
    assert get(path, host="127.0.0.1.evil.example").status == 403
    assert get(path, host="").status == 403


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8080", "localhost:1", "LOCALHOST", "[::1]", "[::1]:80"]
)
def test_names_of_this_machine(host: str) -> None:
    assert is_of_this_machine(host)


@pytest.mark.parametrize(
    "host", ["", ":", "10.0.0.1", "localhost.evil", "[::2]:1", "::1::", "[", "a:b"]
)
def test_names_of_other_machines(host: str) -> None:
    assert not is_of_this_machine(host)


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("token", [None, TOKEN])
def test_every_answer_has_the_headers(path: str, token: str | None) -> None:
    headers = get(path, token=token).headers
    assert {name.lower(): value for name, value in HEADERS.items()}.items() <= headers.items()
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_events_are_snapshots() -> None:
    answer = get("/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert b'data: {"now":1}\n\n' in answer.body


def test_no_path_leads_out_of_the_folder() -> None:
    for path in ("/static/../command.py", "/static/..%2fcommand.py", "/static//etc/passwd"):
        assert get(path).status == 404


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere() -> None:
    page = (STATIC / "index.html").read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]* src=)|javascript:", page)
    own = [file for file in STATIC.glob("*") if file.suffix in (".html", ".js", ".css")]
    assert len(own) > 5
    for file in own:
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://", text), file
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval", text), (
            file
        )


def test_assets_are_small_and_have_their_licences() -> None:
    assert sum(file.stat().st_size for file in STATIC.rglob("*") if file.is_file()) < 1_500_000
    told = (STATIC / "vendor" / "README.md").read_text("utf-8")
    for folder in (STATIC / "vendor").iterdir():
        if folder.is_dir():
            assert f"`{folder.name}/" in told
            assert list(folder.glob("LICENSE*"))


def test_options() -> None:
    assert parse([]) == Options("127.0.0.1", 8080, 900)
    assert parse(["--host", "::", "--port", "0", "--minutes", "60"]) == Options("::", 0, 3600)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--port", "65536"], "--port: '65536' is not allowed; use an integer from 0 to 65535"),
        (["--minutes", "0"], "--minutes: '0' is not allowed; use an integer from 1 to 60"),
        (["--host", " "], "--host: is empty; use an address or a name of this machine"),
        (["--what=1"], "--what: no such option; see --help"),
        (["--port"], "--port: expected one argument"),
    ],
)
def test_wrong_options(arguments: list[str], problem: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        parse(arguments)
    assert wrong.value.lines == [problem]


def test_where_a_token_comes_from() -> None:
    assert token_of({}, True) is None
    assert token_of({"DASHBOARD_TOKEN": "x" * 16}, True) == "x" * 16
    assert token_of({"DASHBOARD_TOKEN": "x" * 16}, False) == "x" * 16
    made = token_of({}, False)
    assert made and len(made) == 43 and made != token_of({}, False)
    with pytest.raises(SettingsError) as wrong:
        token_of({"DASHBOARD_TOKEN": "too-short"}, False)
    assert "too-short" not in str(wrong.value)


def test_addresses() -> None:
    with listen("127.0.0.1", 0, *WORDS) as here, listen("0.0.0.0", 0, *WORDS) as anywhere:
        port = here.getsockname()[1]
        assert is_loopback(here) and not is_loopback(anywhere)
        assert address_of(here, "localhost", None) == f"http://localhost:{port}/"
        assert address_of(here, "::1", "a b&c") == f"http://[::1]:{port}/?token=a%20b%26c"
        assert "0.0.0.0" not in address_of(anywhere, "0.0.0.0", None)
        assert "a b" not in address_of(here, "localhost", "a b", is_secret=True)
        with pytest.raises(
            CannotListenError, match=r"^--port: cannot listen on 127.0.0.1, port \d+: "
        ):
            listen("127.0.0.1", port, *WORDS)
    with pytest.raises(CannotListenError, match=r"--host"):
        listen("no.such.host.invalid", 0, *WORDS)
