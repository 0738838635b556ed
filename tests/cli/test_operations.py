"""docs/operations.md is true: its metrics are the program's, its examples can be used."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.load import load
from gateway.runtime.metrics import Metrics

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/operations.md"
TEXT = PAGE.read_text()
YAML = re.findall(r"^ *```yaml\n(.*?)```", TEXT, flags=re.M | re.S)
CONFIGURATIONS = [text for text in YAML if text.startswith("version: 1\n")]


def _documented() -> dict[str, tuple[str, set[str]]]:
    table = TEXT.split("| metric | type |")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return {row[0].strip("`"): (row[1], set(re.findall(r"`(\w+)`", row[2]))) for row in rows}


def _of_the_program() -> dict[str, tuple[str, set[str]]]:
    metrics = Metrics()
    found = {}
    for one in vars(metrics).values():
        if not hasattr(one, "_labelnames"):
            continue
        [family] = one.describe()
        name = family.name.removeprefix("recording_gateway_") + ("_total" if family.type == "counter" else "")
        found[name] = (family.type, set(one._labelnames))
    return found | {"build_info": ("info", {"version"})}


def test_the_table_of_metrics_is_that_of_the_program() -> None:
    assert _documented() == _of_the_program()


@pytest.mark.parametrize("text", YAML)
def test_every_yaml_example_can_be_read(text: str) -> None:
    assert [document for document in yaml.safe_load_all(text) if document]


def _kubernetes() -> list[dict[str, Any]]:
    """The deployment that the document says to copy."""
    return list(yaml.safe_load_all((PAGE.parent.parent / "deploy/kubernetes/sidecar.yaml").read_text()))


@pytest.mark.parametrize("text", [*CONFIGURATIONS, _kubernetes()[-1]["data"]["gateway.yaml"]])
def test_every_configuration_can_be_loaded(text: str, tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(text)
    path.chmod(0o600)
    assert load(path, environ={}, placeholders=True).settings.version == 1


def test_the_sidecar_keeps_its_store_in_a_claim() -> None:
    stateful = _kubernetes()[0]["spec"]
    [claim] = stateful["volumeClaimTemplates"]
    [gateway] = [one for one in stateful["template"]["spec"]["containers"] if one["name"] == "gateway"]
    assert {"name": claim["metadata"]["name"], "mountPath": "/data"} in gateway["volumeMounts"]
    assert stateful["replicas"] == 1


def test_the_unit_can_be_read() -> None:
    text = (PAGE.parent.parent / "deploy/systemd/recording-gateway.service").read_text()
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.read_string(text)
    assert unit["Service"]["ExecStart"].endswith("gateway serve")


def test_every_log_line_it_speaks_of_is_written_somewhere() -> None:
    table = TEXT.split("| `event` | says |")[1].split("\n\n")[0]
    code = "\n".join(path.read_text() for path in (PAGE.parent.parent / "gateway").rglob("*.py"))
    events = [name for line in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])]
    assert len(events) > 10
    assert [name for name in events if f'"{name}"' not in code] == []
