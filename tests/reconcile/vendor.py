"""The vendor's API on loopback: lists recordings, keeps callback configurations, and takes only what its own SDK would sign."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer

from gateway.testing.inprocess import RunningGateway
from tests import threads
from tests.patience import PATIENCE_S

PROJECT = "70b76xxxxxx34253880af501cdxxxxxx"
AK, SK = "AKEXAMPLE0123456789A", "secret-of-the-tests-0123456789abcdef0123"
START = datetime(2026, 1, 1, tzinfo=UTC)  # where a FrozenClock stands


def entry(number: int, ended: datetime = START - timedelta(hours=1), **changes: Any) -> dict[str, Any]:
    """A recording as the vendor lists it."""
    key = f"live/record-push.example.com-live-s{number}-1/record-{number}.m3u8"
    said = {
        "publish_domain": "push.example.com",
        "file_name": f"record-{number}.m3u8",
        "app": "live",
        "stream": f"s{number}",
        "record_format": "hls",
        "record_type": "CONTINUOUS_RECORD",
        "obs_addr": {"bucket": "recordings", "location": "cn-north-4", "object": key},
        "download_url": f"https://recordings.obs.example.com/{key}",
        "start_time": f"{ended - timedelta(minutes=2):%Y-%m-%dT%H:%M:%SZ}",
        "end_time": f"{ended:%Y-%m-%dT%H:%M:%SZ}",
        "duration": 120,
    }
    return said | changes


def callback_fields(listed: Mapping[str, Any]) -> dict[str, Any]:
    """What the callback of a listed recording says."""
    stored = listed["obs_addr"]
    return {
        "publish_domain": listed["publish_domain"],
        "app": listed["app"],
        "stream": listed["stream"],
        "record_format": listed["record_format"].upper(),
        "download_url": listed["download_url"],
        "play_url": "",
        "obs_bucket": stored["bucket"],
        "obs_object": stored["object"],
        "obs_location": "https://obs.example.com",
    }


class Vendor:
    """`answers` are given first, each once: (status, headers, body). `rows` are what is listed, `callbacks` its configurations."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.callbacks: list[dict[str, Any]] = []
        self.answers: list[tuple[int, Mapping[str, str], bytes]] = []
        self.asked: list[tuple[str, str, dict[str, str], dict[str, Any]]] = []  # method, path, query, body
        self.secret = SK
        self.without_start = False  # whether it takes RECORD_START, as its API's description does not
        self.came = threading.Condition()
        self.go_on = threading.Event()
        self.go_on.set()

    @property
    def listed(self) -> list[dict[str, str]]:
        """The queries of the list."""
        return [query for method, path, query, _ in self.asked if path.endswith("/record/contents")]

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        said = json.loads(body) if body else {}
        self.asked.append((method, parts.path, query, said))
        if not self._is_signed(method, parts.path, list(query.items()), headers, body):
            return 401, {"error_code": "APIGW.0301", "error_msg": "Incorrect IAM authentication information"}
        below = parts.path.removeprefix(f"/v1/{PROJECT}")
        if below == "/record/contents":
            rows = [row for row in self.rows if row["record_type"] == query.get("record_type", "CONTINUOUS_RECORD")]
            rows = [row for row in rows if query.get("publish_domain") in (None, row["publish_domain"])]
            return 200, {"total": len(rows), "record_contents": _page(rows, query)}
        if below == "/record/callbacks" and method == "GET":
            return 200, {"total": len(self.callbacks), "callback_config": _page(self.callbacks, query)}
        if below.startswith("/record/callbacks"):
            return self._change(method, below.removeprefix("/record/callbacks").strip("/"), said)
        return 404, {"error_code": "APIGW.0101", "error_msg": "The API does not exist"}

    def _change(self, method: str, id: str, said: dict[str, Any]) -> tuple[int, Any]:
        if self.without_start and "RECORD_START" in said.get("notify_event_subscription", ()):
            return 400, {"error_code": "LIVE.100011001", "error_msg": "Invalid notify_event_subscription"}
        shown = {name: value for name, value in said.items() if name != "key"}
        if method == "POST":
            self.callbacks.append({"id": f"c{len(self.callbacks) + 1}", **shown})
            return 201, self.callbacks[-1]
        for known in self.callbacks:
            if known["id"] == id:
                known.update(shown)
                return 200, known
        return 404, {"error_code": "LIVE.1", "error_msg": "no such configuration"}

    def _is_signed(
        self, method: str, path: str, query: list[tuple[str, str]], headers: Mapping[str, str], body: bytes
    ) -> bool:
        presented = headers.get("authorization", "")
        names = presented.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        request = SdkRequest(
            method=method, schema="http", host=headers["host"], resource_path=path, uri=None, query_params=query,
            header_params={name: headers[name] for name in names if name in headers}, body=body,
        )  # fmt: skip
        Signer(SimpleNamespace(ak=AK, sk=self.secret)).sign(request)
        return request.header_params["Authorization"] == presented


def _page(rows: list[dict[str, Any]], query: Mapping[str, str]) -> list[dict[str, Any]]:
    at, limit = int(query.get("offset", 0)), int(query.get("limit", 10))
    return rows[at * limit : (at + 1) * limit]


@contextmanager
def served() -> Iterator[tuple[Vendor, str]]:
    """The vendor, and where its API is."""
    vendor = Vendor()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            vendor.go_on.wait(PATIENCE_S)
            status, answer = vendor.answer(self.command, self.path, headers, body)
            more: Mapping[str, str] = {}
            content = json.dumps(answer).encode()
            if vendor.answers:
                status, more, content = vendor.answers.pop(0)
            self.send_response_only(status)  # without a Date of its own
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            with vendor.came:
                vendor.came.notify_all()

        do_GET = do_POST = do_PUT = _answer

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threads.start(server.serve_forever, 0.02)
    try:
        yield vendor, f"http://127.0.0.1:{server.server_port}"
    finally:
        vendor.go_on.set()
        server.shutdown()
        server.server_close()
        threads.end(thread)


async def asked(gateway: RunningGateway) -> None:
    """Let the gateway ask its vendor once, now, and see it through."""
    reconciler = gateway.gateway.admin._reconciler
    await gateway.gateway.store.write(lambda session: session.change("UPDATE reconciliations SET due_at = 0"))
    await reconciler.look_once()
    done = asyncio.ensure_future(reconciler.until_idle())
    while not done.done():
        gateway.clock.advance(0.002)  # its rate
        await asyncio.sleep(0.001)
    await gateway.settle()
