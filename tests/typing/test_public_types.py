"""A strict type checker sees the public types as they are documented, in a file that is not ours."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.scaffold import ScaffoldNames, render, write

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WRONG = """
from gateway import Callback, Delivery, Event, Sink, Source, Verified, no_such_name


class Sync(Sink):
    type = "sync"

    def deliver(self, delivery: Delivery) -> str:
        return "x"


class Asked(Sink):
    type = "asked"

    async def deliver(self, event: int) -> str:
        return event.size


class Awaited(Source):
    type = "awaited"

    async def verify(self, callback: Callback) -> Verified:
        return Verified(trust="fields", scheme=1)
"""


def mypy(folder: Path, *files: str) -> str:
    """What strict mypy says of these files, with a configuration that is not ours."""
    (folder / "mypy.ini").write_text(
        f"[mypy]\nstrict = true\nmypy_path = {ROOT}\ncache_dir = {ROOT}/.mypy_cache/authors\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--no-error-summary", *files],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert not done.stderr, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """One run over everything, because the first one reads all of the libraries."""
    folder = tmp_path_factory.mktemp("authors")
    (folder / "authors.py").write_text((HERE / "authors.py").read_text())
    (folder / "wrong.py").write_text(WRONG)
    sources = []
    for kind in ("sink", "source"):
        write(folder / kind, render(ScaffoldNames(f"acme-{kind}", kind)))
        (folder / f"recording_gateway_acme_{kind}").symlink_to(folder / kind / f"src/recording_gateway_acme_{kind}")
        sources += [f"recording_gateway_acme_{kind}", f"{kind}/tests/test_acme_{kind}.py"]
    return mypy(folder, "authors.py", "wrong.py", *sources).splitlines()


def test_public_types_are_what_their_names_say(said: list[str]) -> None:
    lines = (HERE / "authors.py").read_text().splitlines()
    expected = {
        number: line.partition("  # ")[2]
        for number, line in enumerate(lines, 1)
        if line.strip().startswith("reveal_type(")
    }
    revealed = {}
    for line in said:
        if found := re.match(r'authors\.py:(\d+): note: Revealed type is "(.*)"', line):
            revealed[int(found[1])] = re.sub(r"\bbuiltins\.|\btyping\.", "", found[2])
    assert revealed == expected
    assert not [line for line in said if line.startswith("authors.py") and ": error:" in line]


def test_mistakes_are_seen_before_anything_runs(said: list[str]) -> None:
    found = [line for line in said if line.startswith("wrong.py") and ": error:" in line]
    for part in ('no attribute "no_such_name"', 'supertype "Sink', 'supertype "Source', '"trust"', '"scheme"'):
        assert any(part in line.replace("gateway.plugin.base.", "") for line in found), (part, found)


def test_what_plugins_new_writes_is_strictly_typed(said: list[str]) -> None:
    assert not [line for line in said if "acme" in line]
