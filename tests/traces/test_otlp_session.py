"""A collector's answer is read as far as its head: whatever body it sends costs no memory, and a redirect is said to be one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
import requests

from gateway.runtime.otlp_session import exporting_session
from tests.patience import PATIENCE_S

SENT_MAX = 64 * 1024 * 1024  # far beyond what a socket holds


class Talker(BaseHTTPRequestHandler):
    """Answers what the path says, and counts what it could send."""

    protocol_version = "HTTP/1.1"
    sent = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(302 if self.path == "/moved" else 200)
        if self.path == "/short":
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")
            return
        self.send_header("location", "/short")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        type(self).sent = 0
        try:
            while type(self).sent < SENT_MAX:
                self.wfile.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                type(self).sent += 65536
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def talking() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Talker)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(PATIENCE_S)


def test_a_body_is_not_read_and_a_redirect_is_an_error() -> None:
    with talking() as url, exporting_session() as one:
        short = one.post(f"{url}/short", data=b"spans", timeout=PATIENCE_S)
        assert (short.status_code, short.content) == (200, b"{}")
        endless = one.post(f"{url}/endless", data=b"spans", timeout=PATIENCE_S)
        assert (endless.status_code, endless.content) == (200, b"")
        with pytest.raises(requests.RequestException, match="HTTP 302: redirects are not followed"):
            one.post(f"{url}/moved", data=b"spans", timeout=PATIENCE_S)
    assert Talker.sent < SENT_MAX
