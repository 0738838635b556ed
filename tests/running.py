"""A gateway as its user runs it: the real command in a process of its own, real callbacks, a real receiver."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gateway.fields import Secret
from gateway.plugin import Scene
from gateway.plugin.registry import Registry
from tests import covered, threads, warm
from tests.commands import invoke
from tests.delivered_events import hold_request
from tests.patience import PATIENCE_S
from tests.ports import free_port

KEY = "demo-0123456789abcdef0123456789abcdef"
SECRET = "demo-whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LOOK_S = 2.0  # of a look whether it is ready, before the next
COMMAND = str(Path(sys.executable).parent / "gateway")


class Player:
    """The vendor: makes signed callbacks, each different."""

    def __init__(self, **options: Any) -> None:
        cls = Registry().source("huawei-live")
        self._source = cls("live", cls.Options(**{"keys": [Secret(KEY)], **options}))
        self._number = 0

    def body(self, type: str = "RECORD_FILE_COMPLETE", **scene: Any) -> bytes:
        self._number += 1
        return self._source.play(
            Scene(
                type=type,
                number=scene.pop("number", self._number),
                now=scene.pop("now", None) or datetime.now(UTC),
                **scene,
            )
        ).body


class Receiver:
    """An HTTP receiver that notes what came and answers what it is told to."""

    def __init__(self, answer: int = 200) -> None:
        self.answer = answer
        self.delay = 0.0
        self.connections = 0
        self.requests: list[tuple[Mapping[str, str], bytes]] = []
        self._came = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if receiver.delay:
                    receiver.stopped.wait(receiver.delay)
                hold_request(self.headers.get("content-type", ""), body)
                with receiver._came:
                    receiver.requests.append(({key.lower(): value for key, value in self.headers.items()}, body))
                    receiver._came.notify_all()
                self.send_response(receiver.answer)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None: ...

        class Server(ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

            def get_request(self) -> Any:
                receiver.connections += 1
                return super().get_request()

            def handle_error(
                self, request: Any, client_address: Any
            ) -> None: ...  # a killed gateway leaves broken pipes

        self.stopped = threading.Event()
        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threads.start(self._server.serve_forever, poll_interval=0.01)  # how long closing takes

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in list(self.requests)]

    def wait_for(self, condition: Any, within: float = PATIENCE_S) -> bool:
        """Wait until `condition(self)` holds; looked at whenever something came."""
        with self._came:
            return self._came.wait_for(lambda: condition(self), within)

    def close(self) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        threads.end(self._thread)


@contextlib.contextmanager
def receiving(answer: int = 200) -> Iterator[Receiver]:
    receiver = Receiver(answer)
    try:
        yield receiver
    finally:
        receiver.close()


class Running:
    """`gateway serve` in a folder of its own: the installed `command`, or what is usually the same, a fork (tests/warm.py)."""

    def __init__(
        self,
        folder: Path,
        config: str,
        *,
        store: str = "sqlite:///gateway.db",
        store_more: str = "",
        environ: Mapping[str, str] | None = None,
        command: str = COMMAND,
    ) -> None:
        self.command = command
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.port, self.admin = free_port(), free_port()
        self.path = folder / "gateway.yaml"
        head = f"version: 1\nserver: {{port: {self.port}}}\nadmin: {{port: {self.admin}}}\nstore: {{url: '{store}'{store_more}}}\nlog: {{format: json}}\n"
        self.path.write_text(head + config)
        self.path.chmod(0o600)
        self._added: dict[str, str | None] = {**(environ or {}), "GATEWAY_CONFIG": None}
        self.environ = {name: text for name, text in {**os.environ, **self._added}.items() if text is not None}
        self.process: subprocess.Popen[bytes] | warm.Process | None = None
        self.arguments: tuple[str, ...] = ()  # of `gateway serve`
        self.output: int | None = None  # a descriptor for standard output and error, in place of the file gateway.log
        self.redirection = ""  # of a shell, such as `2>&-`

    @property
    def log(self) -> str:
        path = self.folder / "gateway.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self, *, ready: bool = True) -> Running:
        with (self.folder / "gateway.log").open("ab") as log:
            output = log if self.output is None else self.output
            self.process = self._started(output if isinstance(output, int) else output.fileno())
        if ready:
            self.wait_ready()
        return self

    def _started(self, output: int) -> subprocess.Popen[bytes] | warm.Process:
        words = ["serve", *self.arguments]
        if self.command == COMMAND and not self.redirection and warm.fits(self.environ):
            return warm.start(words, cwd=self.folder, environ=self.environ, stdin=0, stdout=output, stderr=output)
        words = [self.command, *words]
        if self.redirection:
            words = ["sh", "-c", f'exec "$0" "$@" {self.redirection}', *words]
        return subprocess.Popen(words, cwd=self.folder, env=self.environ, stdout=output, stderr=output)

    def wait_ready(self, within: float = PATIENCE_S) -> None:
        assert self.process is not None
        until = time.monotonic() + within
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                socket.create_connection(
                    ("127.0.0.1", self.admin), timeout=LOOK_S
                ).close()  # a tenth of a request's work
                urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/readyz", timeout=LOOK_S).close()
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"not ready:\n{self.log[-3000:]}")

    def post(
        self, body: bytes, path: str = "/hooks/live", headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON of one callback's answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("POST", path, body, {"content-type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        finally:
            connection.close()

    def cli(self, *arguments: str, check: bool = True) -> str:
        """The output of a command beside the running gateway."""
        code, stdout, stderr = self._command(arguments)
        assert not check or code == 0, f"{arguments}: {code}\n{stdout}\n{stderr}"
        return stdout + stderr

    def listing(self, *arguments: str) -> list[dict[str, Any]]:
        """A listing as JSON."""
        code, stdout, stderr = self._command((*arguments, "--json"))
        assert code == 0, f"{arguments}: {code}\n{stdout}\n{stderr}"
        rows = json.loads(stdout)
        assert isinstance(rows, list)
        return rows

    def _command(self, arguments: Sequence[str]) -> tuple[int, str, str]:
        if self.command == COMMAND and "PYTHONPATH" not in self._added:  # which is read only where a Python starts
            result = invoke(arguments, cwd=self.folder, environ=self._added)
            return result.exit_code, result.stdout, result.stderr
        words = [self.command, *arguments]
        done = subprocess.run(
            words, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )
        return done.returncode, done.stdout, done.stderr

    def metric(self, start: str) -> float:
        """The sum of the samples whose line begins with `start`."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=PATIENCE_S) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(start))

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE_S)
        self.process = None

    def stop(self, within: float = PATIENCE_S) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(within)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait(PATIENCE_S)
            self.process = None

    def __enter__(self) -> Running:
        return self.start() if self.process is None else self

    def __exit__(self, *exc: object) -> None:
        if self.process is not None:
            covered.kill(self.process)
            self.process.wait(PATIENCE_S)
