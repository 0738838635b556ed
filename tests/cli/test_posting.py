"""The client of `gateway send` against real sockets."""

from __future__ import annotations

import http.server
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest

from gateway.cli.http_poster import Poster, complete, listener
from tests import threads


class Vendor(http.server.BaseHTTPRequestHandler):
    """Answers as its server says; closes after each answer while `closing`."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append((self.path, dict(self.headers), body))
        status, content = self.server.answer
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        if self.server.says_so:
            self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = self.server.closing or self.server.says_so

    def log_message(self, format: str, *args: Any) -> None: ...


class Server(http.server.ThreadingHTTPServer):
    answer: tuple[int, bytes] = (200, b'{"status": "accepted", "events": ["e1", "e2"]}')
    closing = False
    says_so = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Vendor)
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0
        self.base = f"http://127.0.0.1:{self.server_port}"
        self.url = f"{self.base}/hooks/live"

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threads.start(server.serve_forever, poll_interval=0.01)
        try:
            yield server
        finally:
            server.shutdown()
            threads.end(thread)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def test_the_answer_is_read(server: Server) -> None:
    with Poster(server.url) as poster:
        reply = poster.post(b"{}", {"Content-Type": "application/json"})
    assert (reply.status, reply.word, reply.events) == (200, "accepted", ("e1", "e2"))
    [(path, headers, body)] = server.seen
    assert (path, headers["Content-Type"], body) == ("/hooks/live", "application/json", b"{}")


def test_a_problem_is_read(server: Server) -> None:
    server.answer = (401, json.dumps({"code": "signature_mismatch", "detail": "no key fits", "events": 5}).encode())
    with Poster(server.url + "?a=1") as poster:
        reply = poster.post(b"{}", {})
    assert (reply.status, reply.word, reply.detail, reply.events) == (401, "signature_mismatch", "no key fits", ())
    assert server.seen[0][0] == "/hooks/live?a=1"


@pytest.mark.parametrize("content", [b"ok", b"[1]", b"", b"\xff\xfe"])
def test_a_vendors_own_words_are_an_answer_too(server: Server, content: bytes) -> None:
    server.answer = (200, content)
    with Poster(server.url) as poster:
        reply = poster.post(b"{}", {})
    assert (reply.status, reply.word, reply.events) == (200, "", ())


def test_a_connection_is_kept_and_made_again_when_it_was_closed(server: Server) -> None:
    with Poster(server.url) as poster:
        assert poster.post(b"1", {}).status == 200
        assert poster.post(b"2", {}).status == 200
        server.closing = True
        assert poster.post(b"3", {}).status == 200
        assert poster.post(b"4", {}).status == 200
    assert [body for _, _, body in server.seen] == [b"1", b"2", b"3", b"4"]


def test_where_nothing_listens_the_reason_is_said() -> None:
    with Poster("http://127.0.0.1:1/hooks/live") as poster, pytest.raises(click.ClickException, match="gateway serve"):
        poster.post(b"{}", {})
    with Poster("unix:/nowhere.sock:/hooks/live") as poster, pytest.raises(click.ClickException, match="No such file"):
        poster.post(b"{}", {})
    with (
        Poster("https://127.0.0.1:1/hooks/live") as poster,
        pytest.raises(click.ClickException, match="nothing listens"),
    ):
        poster.post(b"{}", {})


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("http://10.0.0.1:8080", "http://10.0.0.1:8080/hooks/live"),
        ("https://callbacks.example.com/", "https://callbacks.example.com/hooks/live"),
        ("http://[::1]:8080/other/path?x=1", "http://[::1]:8080/other/path?x=1"),
        ("unix:/run/in.sock", "unix:/run/in.sock:/hooks/live"),
        ("unix:/run/in.sock:/x", "unix:/run/in.sock:/x"),
    ],
)
def test_a_url_without_a_path_gets_that_of_the_source(url: str, whole: str) -> None:
    assert complete(url, "live") == whole


@pytest.mark.parametrize("url", ["ftp://x", "localhost:8080", "http://", "http://x:port", "http://x:99999"])
def test_a_url_that_is_none_is_wrong_use(url: str) -> None:
    with pytest.raises(click.UsageError, match="--url"):
        complete(url, "live")


class ListenRun:
    def __init__(self, host: str, port: int = 8080, uds: Path | None = None) -> None:
        self.host, self.port, self.uds = host, port, uds


@pytest.mark.parametrize(
    ("server_settings", "url"),
    [
        (ListenRun("127.0.0.1"), "http://127.0.0.1:8080/hooks/live"),
        (ListenRun("0.0.0.0", 80), "http://127.0.0.1:80/hooks/live"),
        (ListenRun("::"), "http://[::1]:8080/hooks/live"),
        (ListenRun("fe80::1"), "http://[fe80::1]:8080/hooks/live"),
        (ListenRun("", uds=Path("/run/in.sock")), "unix:/run/in.sock:/hooks/live"),
    ],
)
def test_what_is_listened_on_can_be_reached(server_settings: Any, url: str) -> None:
    assert listener(server_settings, "live") == url


def test_a_vendor_that_says_it_closes_is_called_on_another_connection(server: Server) -> None:
    server.says_so = True
    with Poster(server.url) as poster:
        assert [poster.post(body, {}).status for body in (b"1", b"2")] == [200, 200]
    assert server.connections == 2
