"""The list of what a release is made of: valid CycloneDX, of all that is installed, the extras of the image among it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]


def released() -> list[str]:
    """The commands of `make release`, which are not run."""
    done = subprocess.run(
        ["make", "-n", "release"], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    return done.stdout.splitlines()


def name_of(text: str) -> str:
    """As indexes compare names."""
    return re.sub(r"[-_.]+", "-", text).lower()


def test_a_release_lists_what_the_image_is_installed_with() -> None:
    (extras,) = re.findall(r"^ARG EXTRAS=(\S+)$", (ROOT / "Dockerfile").read_text(), re.M)
    (install,) = (line for line in released() if "-m pip install" in line and "dist/*.whl" in line)
    assert f".whl)[{extras}]" in install
    assert "--constraint constraints.txt" in install


def test_the_list_is_valid_and_names_all_that_is_installed_with_its_version(tmp_path: Path) -> None:
    """By the release's own command, of this installation, which has every extra."""
    schemas = pytest.importorskip(
        "cyclonedx.schema._res", reason="cyclonedx-bom is not installed, which has the schemas"
    )
    (command,) = (line for line in released() if "cyclonedx-py" in line)
    program, *words = shlex.split(command)
    listed_at = tmp_path / "sbom.json"
    words[words.index("--output-file") + 1] = str(listed_at)
    # The command validates too, and takes a minute for the addresses of some hundred components: here it is done in Rust.
    words[-1:] = ["--no-validate", sys.executable]
    subprocess.run(
        [str(Path(sys.executable).parent / Path(program).name), *words],
        cwd=ROOT, capture_output=True, timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    sbom: dict[str, Any] = json.loads(listed_at.read_text())
    (place,) = (
        one for version, one in schemas.BOM_JSON_STRICT.items() if one and version.to_version() == sbom["specVersion"]
    )
    read = {Path(one).name: json.loads(Path(one).read_text()) for one in (place, schemas.SPDX_JSON, schemas.JSF)}
    registry = jsonschema_rs.Registry([(f"http://cyclonedx.org/schema/{name}", one) for name, one in read.items()])
    validator = jsonschema_rs.validator_for(read[Path(place).name], registry=registry)
    assert [one.message for one in validator.iter_errors(sbom)] == []
    assert list(validator.iter_errors(sbom | {"components": [{"name": "no type"}]})), "it would take anything"
    whole = sbom["metadata"]["component"]
    assert name_of(whole["name"]) == "recording-gateway"
    listed = {name_of(one["name"]): one["version"] for one in sbom["components"]}
    installed = {name_of(one.metadata["Name"]): one.version for one in distributions()}
    installed.pop(name_of(whole["name"]))
    assert {name: listed.get(name) for name in installed} == installed
    assert {"starlette", "psycopg", "sqlalchemy"} <= set(listed), "of the base, and of the image's extras"
    (needs,) = (one["dependsOn"] for one in sbom["dependencies"] if one["ref"] == whole["bom-ref"])
    assert any("starlette" in need for need in needs)
