"""What a running gateway has not imported: memory and start-up time are promises, and a module is what they are made of.

Each of these came with a library that needs it for something that a gateway does not do. `runtime/lean_imports` keeps it out,
and whoever asks for it still gets it whole.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[1]

KEPT_OUT = {
    "calendar": "email.utils: a date of a mail, which Starlette and uvicorn want as one of HTTP",
    "configparser": "uvicorn: log settings as a file",
    "difflib": "near misses, where something is wrong",
    "email.message": "importlib.metadata and http.client: heads as mails",
    "email.utils": "Starlette, uvicorn: the dates of mails",
    "gateway.config.pydantic_errors": "what is wrong with a configuration",
    "gateway.config.refused_file": "what a configuration that is refused still says",
    "gateway.dispatch.pulled_lane": "sinks that consumers fetch from",
    "gateway.intake.reverify": "people's acts",
    "greenlet": "structlog: threads of another kind",
    "gzip": "prometheus_client: answers of its own server",
    "html": "Starlette: its page for an error, and prometheus_client's server",
    "http.client": "Starlette: the names of statuses, which are known without",
    "http.cookies": "Starlette: who is signed in, which only pages ask",
    "http.server": "prometheus_client: a server of its own",
    "importlib.metadata": "pydantic and we: entry points, which are lines in files",
    "logging.config": "uvicorn: log settings",
    "logging.handlers": "uvicorn: log settings",
    "multiprocessing": "uvicorn: worker processes",
    "pickle": "structlog: the name of an error",
    "prometheus_client.exposition": "prometheus_client: its servers and clients; the gateway has a lean one of its own",
    "python_multipart.multipart": "Starlette: forms, which only pages have",
    "shutil": "Starlette and prometheus_client: temporary files, which are of forms",
    "stringprep": "the standard library: tables of letters, to write a host's ASCII name in ASCII",
    "socketserver": "prometheus_client: a server of its own",
    "urllib.request": "prometheus_client: a client of its own",
    "urllib.response": "prometheus_client: errors of its own client",
    "uvicorn.supervisors.multiprocess": "uvicorn: worker processes",
    "wsgiref": "prometheus_client: a server of its own",
    "zipfile": "importlib.metadata: distributions in archives",
}
SERVES = """
import os, signal, sys
from gateway.runtime import lean_imports
whole = lean_imports.import_starlette

def import_starlette():
    module = whole()
    from gateway.web import listeners
    def opened():
        print(*sorted(sys.modules))
        os.kill(os.getpid(), signal.SIGTERM)
    listeners._spare_the_collector = opened
    return module

lean_imports.import_starlette = import_starlette
sys.argv = ["gateway", "--config", sys.argv[1], "serve", "--no-watch"]
from gateway.cli import main
main()
"""


@pytest.mark.process
def test_a_gateway_that_serves_the_example_has_not_imported_what_it_does_not_do(tmp_path: Path) -> None:
    example = (
        (ROOT / "config.example.yaml").read_text().replace("port: 8080", "port: 0").replace("port: 9090", "port: 0")
    )
    (tmp_path / "gateway.yaml").write_text(example)
    (tmp_path / "gateway.yaml").chmod(0o600)
    done = subprocess.run(
        [sys.executable, "-c", SERVES, str(tmp_path / "gateway.yaml")],
        env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True, timeout=PATIENCE_S,
    )  # fmt: skip
    imported = set(done.stdout.split())
    assert {
        "gateway.web.listeners",
        "uvicorn.server",
        "prometheus_client.metrics",
        "starlette.applications",
    } <= imported
    assert KEPT_OUT.keys() & imported == set()


HELP_IMPORTS = {
    "gateway", "gateway.cli", "gateway.cli.command_options", "gateway.cli.invocation", "gateway.cli.root", "gateway.errors", "gateway.states",
    "gateway.text", "gateway.text.suggest", "gateway.version",
}  # fmt: skip
HELP_DOES_WITHOUT = {
    "asyncio", "dataclasses", "decimal", "ipaddress", "json", "logging", "msgspec", "pathlib", "pluggy", "pydantic", "socket", "ssl",
    "unicodedata", "urllib.parse", "yaml",
}  # fmt: skip
HELPS = """
import click, sys
before = set(sys.modules)
from gateway.cli import main
sys.argv = ["gateway", *sys.argv[1:]]
try:
    main()
finally:
    print("imported:", *set(sys.modules) - before)
"""


@pytest.mark.process
@pytest.mark.parametrize("arguments", ["--help", "--version", "-h"])
def test_help_imports_click_and_the_names_of_the_commands(arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELPS, arguments],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True, timeout=PATIENCE_S,
    )  # fmt: skip
    said, _, imported = done.stdout.rpartition("imported:")
    assert "Recording Gateway" in said
    assert {name for name in imported.split() if name.partition(".")[0] == "gateway"} == HELP_IMPORTS
    assert HELP_DOES_WITHOUT & set(imported.split()) == set()


def _run(code: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT, timeout=PATIENCE_S)


def test_who_asks_for_what_was_kept_out_gets_it_whole() -> None:
    _run("""
from gateway.runtime import lean_imports as lean
lean.import_uvicorn(), lean.import_starlette()
from gateway.runtime import prometheus
import logging, sys
import uvicorn.config, uvicorn.main
assert callable(logging.config.dictConfig)  # as uvicorn.config calls it
import logging.config, configparser, http.client, uvicorn.supervisors
assert isinstance(configparser.RawConfigParser, type)
assert http.client.HTTPConnection and logging.config is sys.modules["logging.config"]
from uvicorn.supervisors import Multiprocess
assert isinstance(Multiprocess, type)
import prometheus_client
from prometheus_client import start_http_server, REGISTRY, exposition
from http.server import BaseHTTPRequestHandler
assert issubclass(prometheus_client.MetricsHandler, BaseHTTPRequestHandler)
assert prometheus_client.Counter is prometheus.Counter and prometheus_client.metrics.Counter is prometheus.Counter
assert REGISTRY is sys.modules["prometheus_client.registry"].REGISTRY
assert exposition.generate_latest is not prometheus.generate_latest
counter = prometheus.Counter("seen", "Seen.", registry=(registry := prometheus.CollectorRegistry()))
counter.inc()
assert exposition.generate_latest(registry) == prometheus.generate_latest(registry)
""")


def test_names_of_statuses_and_forms_are_starlettes() -> None:
    _run("""
import asyncio, sys
from gateway.runtime import lean_imports as lean
lean.import_starlette()
from starlette.exceptions import HTTPException
assert HTTPException(404).detail == "Not Found" and "http.client" not in sys.modules
from starlette.requests import Request
async def form(kind, body):
    async def receive():
        return {"type": "http.request", "body": body}
    request = Request({"type": "http", "method": "POST", "headers": [(b"content-type", kind)]}, receive)
    return dict(await request.form())
assert asyncio.run(form(b"application/x-www-form-urlencoded", b"a=1&b=2")) == {"a": "1", "b": "2"}
part = b'--x\\r\\ncontent-disposition: form-data; name="a"\\r\\n\\r\\n1\\r\\n--x--\\r\\n'
assert asyncio.run(form(b"multipart/form-data; boundary=x", part)) == {"a": "1"}
import http.client, python_multipart
assert http.client.responses == {**http.client.responses, 200: "OK"} and python_multipart.parse_form
""")


def test_dates_and_cookies_are_those_of_the_standard_library() -> None:
    _run("""
import sys
from gateway.runtime import lean_imports as lean
lean.import_uvicorn(), lean.import_starlette()
import starlette.responses, uvicorn.server
lean_date, lean_day = uvicorn.server.formatdate, starlette.responses.format_datetime
assert starlette.responses.formatdate is lean_date and "email.utils" not in sys.modules
at = [0, 784111777, 951782400.9, 1709164800, 4107542399, 253402300799]
dates = [lean_date(one, usegmt=True) for one in at]
assert "email.utils" not in sys.modules
answer = starlette.responses.Response()
answer.set_cookie("a", "b", expires=60)
assert "expires=" in answer.headers["set-cookie"] and "http.cookies" in sys.modules
import email.utils
from datetime import datetime, UTC
assert dates == [email.utils.formatdate(one, usegmt=True) for one in at]
assert lean_date(0) == email.utils.formatdate(0) and lean_date(0, True) == email.utils.formatdate(0, True)
assert lean_day(datetime.now(UTC), usegmt=True) == email.utils.format_datetime(datetime.now(UTC), usegmt=True)
assert lean_date(usegmt=True)[:22] == email.utils.formatdate(usegmt=True)[:22]
""")


def test_what_pydantics_own_dictionaries_hold_can_still_be_asked() -> None:
    _run("""
import typing
import pydantic_core.core_schema as whole
asked = lambda: {name: typing.get_type_hints(one, include_extras=True) for name, one in vars(whole).items() if isinstance(one, type) and issubclass(one, dict)}
before = asked()
from gateway.runtime.lean_imports import import_pydantic
import_pydantic()
assert len(before) > 50 and asked() == before
assert not any(isinstance(one, typing.ForwardRef) for one in whole.ModelSchema.__annotations__.values())
from pydantic import TypeAdapter
assert TypeAdapter(whole.IncExSeqSerSchema).validate_python({"type": "include-exclude-sequence"})
""")


def test_a_plugin_of_pydantics_is_still_found(tmp_path: Path) -> None:
    info = tmp_path / "noted-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: noted\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pydantic]\nnoted = noted:plugin\n")
    (tmp_path / "noted.py").write_text(
        "seen = []\nclass Plugin:\n    def new_schema_validator(self, *a, **k):\n        seen.append(a)\n        return None, None, None\nplugin = Plugin()\n"
    )
    _run(f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import gateway.config.grammar.settings
import noted
assert noted.seen
from gateway.runtime.lean_imports import _with_pydantic_plugins
assert "noted" in [one.name for one in _with_pydantic_plugins()]
""")


def test_what_other_versions_of_pydantic_ask_of_the_distributions_is_answered() -> None:
    """Before 2.14.1 it looked through them by itself; without an answer nothing of ours started beside such a one."""
    _run("""
import importlib
from gateway.runtime import lean_imports
asked = {}
there = lean_imports._import
def noting(name, stand_ins):
    asked.update(stand_ins)
    return there(name, stand_ins)
lean_imports._import = noting
lean_imports.import_pydantic()
metadata = asked["importlib.metadata"]
assert not list(metadata.distributions())
assert not list(metadata.entry_points(group="pydantic"))
assert metadata.version("pluggy") == importlib.import_module("importlib.metadata").version("pluggy")
""")
