"""`gateway plugins new` writes a package into a folder of its own, or says why it does not; `gateway schema` prints each form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli


@pytest.mark.parametrize("kind", ["sink", "source"])
def test_a_package_is_written_once(cli: Cli, folder: Path, kind: str) -> None:
    said = cli("plugins", "new", "acme-pager", f"--{kind}").stderr
    written = folder / "recording-gateway-acme-pager"
    assert f'"{kind}.acme-pager"' in (written / "pyproject.toml").read_text()
    assert "Next: cd recording-gateway-acme-pager" in said
    again = cli("plugins", "new", "acme-pager", f"--{kind}", code=1).stderr
    assert "is not empty; name another folder with --folder" in again


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (["acme", "--sink", "--source"], "one package brings one of them", 2),
        (["Acme Pager"], "cannot be a type's name", 2),
        (["a" * 41], "cannot be a type's name", 2),
        (["forward"], "there is a sink type 'forward' already", 2),
        (["huawei-live", "--source"], "there is a source type 'huawei-live' already", 2),
        (["acme", "--folder", "a file/acme"], "the folder", 1),
    ],
)
def test_what_cannot_be_written_is_told(cli: Cli, folder: Path, arguments: list[str], says: str, code: int) -> None:
    (folder / "a file").touch()
    assert says in cli("plugins", "new", *arguments, code=code).stderr
    assert [one.name for one in folder.iterdir()] == ["a file"]


def test_each_schema_is_one_json_document(cli: Cli) -> None:
    assert json.loads(cli("schema", "--openapi").stdout)["openapi"].startswith("3.")
    assert "specversion" in json.loads(cli("schema", "event").stdout)["properties"]
    assert "not the event" in cli("schema", "event", "--openapi", code=2).stderr
