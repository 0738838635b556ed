"""Libraries come without the command lines and renderers that nobody asked for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("rich", "pygments", "typer", "prompt_toolkit", "click")


@pytest.mark.parametrize("name", ["httpx", "structlog", "cel"])
def test_a_library_is_imported_without_what_it_does_not_need_and_leaves_no_trace(name: str) -> None:
    code = f"""
import sys
from gateway.runtime import lean_imports as lean
module = lean.import_{name}()
assert module is sys.modules[{name!r}] and module is lean.import_{name}()
heavy = {{part.split(".")[0] for part in sys.modules}} & set({HEAVY!r})
assert not heavy, heavy
assert None not in sys.modules.values()
assert "cel.cli" not in sys.modules
import rich, click  # who wants them later gets them
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=".")


def test_nothing_of_ours_imports_structlog_with_what_it_does_not_need() -> None:
    """Because whoever is first brings rich in: 0.2 s of each command that opens a store, where it is installed."""
    plain = re.compile(r"^(?:import structlog|from structlog import)\b", re.MULTILINE)
    files = [path for room in ("gateway", "plugins") for path in Path(room).rglob("*.py")]
    assert len(files) > 300
    assert not [str(path) for path in files if plain.search(path.read_text())]


def test_a_command_that_opens_a_store_brings_no_rich_and_no_server() -> None:
    code = """
import sys
import gateway.admin.store_opener, gateway.admin.service, gateway.cli.commands.events, gateway.cli.commands.deliveries
assert not {"rich", "pygments", "uvicorn", "starlette", "aiohttp", "httpx", "psycopg"} & set(sys.modules), "heavy"
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=".")


def test_the_client_loads_no_http_library_before_the_first_request() -> None:
    code = """
import sys
import gateway.egress.client, gateway.egress.guard, gateway.egress.answers
import plugins.sinks.forward, plugins.sinks.console, plugins.sinks.file
assert not {"httpx", "aiohttp", "httpcore", "certifi"} & set(sys.modules), "heavy"
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=".")


def test_in_one_process_a_loaded_library_stays_and_a_stand_in_is_taken_out_again() -> None:
    from gateway.runtime import lean_imports

    assert lean_imports.import_httpx() is lean_imports.import_httpx()
    assert lean_imports.import_structlog() is lean_imports.import_structlog()
    assert lean_imports.import_cel().__name__ == "cel"
    with lean_imports.without({"sys": None, "no_such_module_here": None}):
        assert sys.modules["no_such_module_here"] is None
        assert sys.modules["sys"] is sys
    assert "no_such_module_here" not in sys.modules
