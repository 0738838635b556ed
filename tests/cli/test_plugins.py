"""`gateway plugins` and `gateway schema`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import CONFIG, Cli, run

PAGER = '''
from datetime import timedelta
from pydantic import BaseModel, Field
from gateway import Options, Secret, Sink

class Person(BaseModel):
    """Who."""
    name: str = Field(description="What to say.")
    level: int = 3

class Pager(Sink):
    """Pages somebody."""
    type = "live"
    class Options(Options):
        token: Secret = Field(description="The account's.")
        person: Person | None = None
        every: timedelta = timedelta(minutes=5)
        kind: str = ""

    async def deliver(self, delivery): ...
'''


def test_a_long_default_leaves_room_for_what_an_option_is_about(cli: Cli) -> None:
    lines = cli("plugins", "show", "apprise").stdout.splitlines()
    assert max(line.find("Which of apprise") for line in lines) < 90
    shown = json.loads(cli("plugins", "show", "apprise", "--json").stdout)
    assert "zulip" in shown["options"]["properties"]["allow_schemas"]["default"]


def test_what_is_installed_is_listed_without_a_configuration(cli: Cli) -> None:
    lines = cli("plugins", "list").stdout.splitlines()
    assert lines[0].split() == ["KIND", "TYPE", "FROM", "TARGET"]
    assert {("sink", "forward"), ("sink", "file"), ("sink", "console"), ("source", "huawei-live")} <= {
        tuple(line.split()[:2]) for line in lines
    }


def test_programs_get_the_same(cli: Cli) -> None:
    whole = json.loads(cli("plugins", "list", "--json").stdout)
    assert all(sorted(one) == ["from", "kind", "target", "type"] for one in whole)
    lines = cli("plugins", "list", "--all").stdout.splitlines()
    assert [json.loads(line) for line in lines] == whole
    assert json.loads(cli("plugins", "list", "--json", "--limit", "1").stdout) == whole[:1]


@pytest.fixture
def paged(configured: Path) -> Path:
    (configured / "pager.py").write_text(PAGER)
    (configured / "pager.py").chmod(0o600)
    (configured / "gateway.yaml").write_text("plugins: [./pager.py]\n" + CONFIG)
    return configured


def test_a_file_beside_the_configuration_is_listed_and_shown(paged: Path, cli: Cli) -> None:
    assert "pager.py" in cli("plugins", "list").stdout
    said = cli("plugins", "show", "live").stdout
    assert "Pages somebody." in said
    rows = {line.split()[0]: line for line in said.splitlines() if line}
    assert rows["token"].split()[1:] == ["text", "(required)", "The", "account's."]
    assert "mapping" in rows["person"]
    assert rows["person.name"].endswith("(required)  What to say.")
    assert rows["person.level"].split()[1:] == ["integer", "3"]
    assert rows["every"].split()[-1] == "5m"
    assert rows["kind"].split()[1:] == ["text", '""']


def test_a_type_is_shown_with_every_option(cli: Cli) -> None:
    said = cli("plugins", "show", "forward").stdout
    assert said.startswith("sink type forward, from recording-gateway ")
    assert "sign.secrets" in said
    assert "(required)" in said
    shown = json.loads(cli("plugins", "show", "forward", "--json").stdout)
    assert (shown["kind"], shown["type"]) == ("sink", "forward")
    assert "url" in shown["options"]["properties"]
    assert "owner_columns" not in json.loads(cli("plugins", "show", "console", "--json").stdout)


def test_a_type_without_options_says_so(paged: Path, cli: Cli) -> None:
    bare = (
        "from gateway import Sink\n\nclass Bare(Sink):\n    type = 'bare'\n    async def deliver(self, delivery): ...\n"
    )
    (paged / "pager.py").write_text(bare)
    assert "It has no options." in cli("plugins", "show", "bare").stdout


def test_an_installed_plugin_of_hooks_is_shown_without_being_imported(
    paged: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = paged / "site" / "acme_audit-1.2.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-audit\nVersion: 1.2\n")
    (folder / "entry_points.txt").write_text("[recording_gateway]\nplugin.audit = acme_audit_that_is_not_there:Hooks\n")
    monkeypatch.syspath_prepend(str(paged / "site"))
    assert cli("plugins", "show", "audit").stdout.splitlines() == [
        "plugin audit, from acme-audit 1.2 (acme_audit_that_is_not_there:Hooks)",
        "It brings hooks, and is active where the configuration says `plugins: [audit]`.",
    ]
    shown = json.loads(cli("plugins", "show", "audit", "--json").stdout)
    assert (shown["kind"], shown["type"], shown["from"]) == ("plugin", "audit", "acme-audit 1.2")
    assert "no type" in cli("plugins", "show", "audit", "--kind", "sink", code=2).stderr


def test_a_type_that_is_not_there_is_wrong_use_with_a_near_miss(cli: Cli) -> None:
    assert "did you mean 'forward'" in cli("plugins", "show", "foward", code=2).stderr
    assert "no type" in cli("plugins", "show", "forward", "--kind", "source", code=2).stderr


def test_a_name_of_both_kinds_asks_which(paged: Path, cli: Cli) -> None:
    (paged / "pager.py").write_text(PAGER.replace('"live"', '"huawei-live"'))
    assert "--kind" in cli("plugins", "show", "huawei-live", code=2).stderr
    assert "Pages" in cli("plugins", "show", "huawei-live", "--kind", "sink").stdout


def test_the_schema_is_json_schema(folder: Path) -> None:
    done = run(["schema"], cwd=folder)
    schema = json.loads(done.stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert {"sources", "sinks", "routes", "store"} <= set(schema["properties"])
    assert json.loads(Cli()("schema").stdout) == schema


@pytest.mark.parametrize("command", [["check", "--json"], ["plugins", "list", "--json"]])
def test_what_a_plugin_prints_is_no_part_of_an_answer(paged: Path, cli: Cli, command: list[str]) -> None:
    with (paged / "pager.py").open("a") as file:
        file.write("print('loaded')\n")
    result = cli(*command)
    assert isinstance(json.loads(result.stdout), list)
    assert "loaded" in result.stderr


def test_an_option_with_the_name_of_a_key_of_the_gateway_is_refused(paged: Path, cli: Cli) -> None:
    """Because `directory: out` would be read by the gateway, and the option would never be set."""
    pager = paged / "pager.py"
    pager.write_text(pager.read_text().replace("kind: str", "directory: str"))
    config = paged / "gateway.yaml"
    config.write_text(
        config.read_text().replace("type: console", "type: live, token: 0123456789abcdef, directory: out")
    )
    said = cli("check", code=1).stderr
    assert "has an option called directory, expected another name: the gateway itself reads that key" in said
