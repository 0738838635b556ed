"""The proxy that deploy/ offers, as nginx runs it: callbacks go through it to whichever gateway is there, and nothing else does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S, until
from tests.ports import free_port
from tests.running import KEY, SECRET, Player, Running, receiving

OFFERED = Path(__file__).resolve().parents[2] / "deploy/compose/nginx.conf"
MAX_BODY = 256 * 1024
CONFIG = f"""
sources:
  live: {{type: huawei-live, keys: ['{KEY}'], domains: [push.example.com], apps: [live]}}
sinks:
  app: {{type: forward, url: TARGET, sign: {{scheme: standard-webhooks, secrets: ['{SECRET}']}}}}
routes: [{{to: [app]}}]
"""
AROUND = """
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/offered.conf;
}}
"""


def written(folder: Path, port: int, gateways: Sequence[int]) -> list[str]:
    """What is offered, with ports of this machine in place of Compose's names; the words that start it."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if nginx is None:
        pytest.skip("nginx is not installed (Debian: apt-get install nginx-light)")
    text = OFFERED.read_text()
    for name, there in zip(("gateway-a", "gateway-b"), gateways, strict=True):
        assert text.count(f"server {name}:8080 ") == 1
        text = text.replace(f"server {name}:8080 ", f"server 127.0.0.1:{there} ")
    assert text.count("listen 80;") == 1
    (folder / "offered.conf").write_text(text.replace("listen 80;", f"listen 127.0.0.1:{port};"))
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder))
    return [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]


@contextmanager
def proxying(folder: Path, port: int, gateways: Sequence[int]) -> Iterator[None]:
    words = written(folder, port, gateways)
    process = subprocess.Popen([*words, "-g", "daemon off; master_process off;"])
    try:
        until(lambda: _answers(port, "/") == 404)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _ended(gateway: Running) -> None:
    if gateway.process is not None and gateway.process.poll() is None:
        gateway.kill()


def _answers(port: int, path: str, body: bytes | None = None) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except (urllib.error.URLError, OSError):
        return 0


def test_nginx_finds_nothing_wrong_with_its_configuration(tmp_path: Path) -> None:
    words = written(tmp_path, free_port(), (free_port(), free_port()))
    done = subprocess.run([*words, "-t"], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


def test_a_gateway_that_is_back_is_asked_again_before_the_next_one_is_restarted() -> None:
    """nginx leaves one out for ten seconds by itself: restarted in turn, both were left out, and each callback got 502."""
    left_out = re.findall(r"server gateway-[ab]:8080 max_fails=1 fail_timeout=(\d+)s;", OFFERED.read_text())
    assert left_out == ["1", "1"]


def test_signed_callbacks_go_through_it_and_nothing_else_does(tmp_path: Path) -> None:
    player = Player()
    with receiving() as receiver, ExitStack() as stack:
        gateways = [
            Running(tmp_path / name, CONFIG.replace("TARGET", f"{receiver.url}/")).start() for name in ("a", "b")
        ]
        for one in gateways:
            stack.callback(_ended, one)
        port = free_port()
        stack.enter_context(proxying(tmp_path, port, [one.port for one in gateways]))
        bodies = [player.body(number=number) for number in range(1, 7)]
        assert [_answers(port, "/hooks/live", body) for body in bodies[:4]] == [200] * 4
        assert receiver.wait_for(lambda one: len(one.requests) >= 4)
        gateways[0].kill()
        assert [_answers(port, "/hooks/live", body) for body in bodies[4:]] == [200] * 2, "the other one is asked"
        assert receiver.wait_for(lambda one: len(one.requests) >= 6)
        gateways[0].start()
        gateways[1].kill()
        assert until(lambda: _answers(port, "/hooks/live", bodies[4]) == 200), "and the first again, once it is back"
        forged = json.dumps(json.loads(bodies[0]) | {"auth_sign": "0" * 64}).encode()
        assert _answers(port, "/hooks/live", forged) == 401
        assert [_answers(port, path) for path in ("/", "/healthz", "/metrics", "/api/v1/sinks")] == [404] * 4
        assert _answers(port, "/hooks/live", b"x" * (MAX_BODY + 1)) == 413
