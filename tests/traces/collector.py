"""A collector inside a test: an OTLP/HTTP receiver on loopback that keeps the spans it is sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.patience import PATIENCE_S


class Collector:
    """`spans` are what came so far, each as a mapping; `resources` the attributes of whoever sent them."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.spans: list[dict[str, Any]] = []
        self.resources: list[dict[str, Any]] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self._news = threading.Condition()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector._keep(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                self.send_response(collector.status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE_S)

    def named(self, prefix: str) -> list[dict[str, Any]]:
        """The spans whose name begins so, in the order they began."""
        return sorted((one for one in self.spans if one["name"].startswith(prefix)), key=lambda one: one["start"])

    def wait(self, prefix: str, count: int) -> list[dict[str, Any]]:
        """The same, once there are so many."""
        until = time.monotonic() + PATIENCE_S
        with self._news:
            while len(spans := self.named(prefix)) < count:
                left = until - time.monotonic()
                assert left > 0, (
                    f"{len(spans)} of {count} spans {prefix!r}; there are {[s['name'] for s in self.spans]}"
                )
                self._news.wait(left)
        return spans

    def _keep(self, path: str, headers: dict[str, str], body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self._news:
            self.requests.append((path, headers))
            for of_resource in request.resource_spans:
                self.resources.append(_attributes(of_resource.resource.attributes))
                for of_scope in of_resource.scope_spans:
                    self.spans += [_span(span) for span in of_scope.spans]
            self._news.notify_all()


def _span(span: Any) -> dict[str, Any]:
    return {
        "name": span.name,
        "trace": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "kind": span.kind,
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "error": span.status.code == 2,
        "message": span.status.message,
        "state": span.trace_state,
        "attributes": _attributes(span.attributes),
        "notes": [(event.name, _attributes(event.attributes)) for event in span.events],
        "links": [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
    }


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@contextmanager
def collector(status: int = 200) -> Iterator[Collector]:
    """One that listens."""
    receiver = Collector(status)
    try:
        yield receiver
    finally:
        receiver.close()
