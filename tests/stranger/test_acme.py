"""A stranger's package, built and installed beside our wheel, in processes of its own."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import gateway
import gateway.testing
from tests.installed import Environment
from tests.plugin.test_public_api import PROVISIONAL
from tests.running import Running, receiving

from .conftest import HERE

ACME = HERE / "acme-recordings"
SECRET = "demo-whsec_YWNtZS1hY21lLWFjbWUtYWNtZS1hY21lLWFjbWUtMQ=="
CONFIG = """
plugins: [acme-audit]
sources:
  live: {{type: acme, secrets: ["{secret}"]}}
sinks:
  mail:
    type: acme-mailbox
    url: http://127.0.0.1:{port}/post
    token: demo-stamp-of-acme
    people: [{{name: ann}}, {{name: bob}}]
    delivery: {{batch: {{max: 5, window: 200ms}}}}
  shelf: {{type: acme-shelf, folder: shelf}}
  again: {{type: acme-second-shelf, folder: missing}}
routes:
  - {{to: [mail, shelf, again]}}
"""


def names(folder: Path) -> set[str]:
    """Every name that the Python files of a folder import from `gateway` or `gateway.testing`."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gateway"):
                assert node.module in {"gateway", "gateway.testing"}, f"{path.name} imports {node.module}"
                found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def test_it_uses_every_stable_name_and_no_other() -> None:
    public = {f"{room.__name__}.{name}" for room in (gateway, gateway.testing) for name in room.__all__}
    public -= {f"gateway.{name}" for name in PROVISIONAL}
    assert names(ACME) == public


def test_its_own_tests_pass_beside_the_wheel(acme: Environment, tmp_path: Path) -> None:
    done = acme.run("python", "-m", "pytest", "-q", "-c", ACME / "pyproject.toml", "--rootdir", tmp_path,
                    "-p", "no:cacheprovider", ACME / "checks", cwd=tmp_path)  # fmt: skip
    assert " passed" in done.stdout
    where = acme.run(
        "python", "-c", "import gateway, acme_recordings as a; print(gateway.__file__, a.__file__)", cwd=tmp_path
    )
    assert all(file.startswith(str(acme.packages)) for file in where.stdout.split())


def test_it_is_listed_without_being_imported_and_shown_with_its_options(acme: Environment, tmp_path: Path) -> None:
    mark = {"ACME_IMPORTED": str(tmp_path / "mark")}
    listed = json.loads(acme.run("gateway", "plugins", "list", "--json", cwd=tmp_path, environ=mark).stdout)
    assert [(one["kind"], one["type"]) for one in listed if one["from"] == "acme-recordings 2.1.0"] == [
        ("plugin", "acme-audit"),
        ("sink", "acme-mailbox"),
        ("sink", "acme-shelf"),
        ("source", "acme"),
    ]
    hooks = acme.run("gateway", "plugins", "show", "acme-audit", cwd=tmp_path, environ=mark).stdout
    assert hooks.startswith("plugin acme-audit, from acme-recordings 2.1.0 (acme_recordings.audit)\n")
    told = acme.run("gateway", "plugins", "show", "acme-audit", "--json", cwd=tmp_path, environ=mark).stdout
    assert json.loads(told)["kind"] == "plugin"
    assert not (tmp_path / "mark").exists()
    shown = acme.run("gateway", "plugins", "show", "acme-mailbox", cwd=tmp_path, environ=mark).stdout
    assert "from acme-recordings 2.1.0" in shown
    assert "Who gets it." in shown
    assert "people" in shown
    assert (tmp_path / "mark").exists()


def test_it_runs(acme: Environment, tmp_path: Path) -> None:
    """Played with `gateway send`, delivered in batches, told to the audit; the sink that cannot open loses nothing."""
    audit = tmp_path / "audit"
    folder = tmp_path / "served"
    (folder / "shelf").mkdir(parents=True)
    with receiving() as post_office:
        config = CONFIG.format(secret=SECRET, port=post_office.port)
        environ = {"ACME_AUDIT": str(audit)}
        with Running(folder, config, environ=environ, command=str(acme.bin / "gateway")) as served:
            served.cli(
                "send", "--source", "live", "--count", "3", "--url", f"http://127.0.0.1:{served.port}/hooks/live"
            )
            assert post_office.wait_for(lambda one: len(one.requests) >= 6)
            letters = {headers["x-letter"] for headers, _ in post_office.requests}
            assert len(letters) == len(post_office.requests)
            rows = served.listing("deliveries", "list")
            routed = len({row["event_id"] for row in rows})
            waiting = [row for row in rows if row["sink"] == "again"]
            assert {(row["state"], row["held"]) for row in waiting} == {("waiting", "circuit")}
            (folder / "missing").mkdir()
            assert served.stop() == 0
        log = served.log
    assert len(list((folder / "shelf").glob("*.json"))) == routed
    said = audit.read_text().splitlines()
    assert sum(line.startswith("stored") for line in said) >= routed  # and what the gateway had to tell of its sinks
    assert sum(line.startswith("begin") for line in said) == sum(line.startswith("end") for line in said)
    assert "demo-stamp-of-acme" not in log
    assert '"plugin":"acme-recordings 2.1.0' in log.replace(" ", "") or "acme-recordings 2.1.0" in log
