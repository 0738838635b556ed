"""The example, the file that `init` writes, and docs/configuration.md say what the program does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.commands.secret import make
from gateway.config.grammar.directory import DirectorySettings
from gateway.config.grammar.settings import RouteSettings, Settings, SinkSettings, SourceSettings, TestSettings
from gateway.config.grammar.watch import WatchSettings
from gateway.config.load import load, refuse_demo_keys
from gateway.config.overrides import OVERRIDES
from gateway.config.route_tests import run_tests
from gateway.config.starter import render
from gateway.errors import PluginError
from gateway.plugin import Source
from gateway.plugin.registry import Registry
from tests.config.configs import Configs
from tests.config.reference import rows, table

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "config.example.yaml"
DOCUMENT = (ROOT / "docs" / "configuration.md").read_text()
ENVIRON = {
    "HUAWEI_LIVE_KEY": "k" * 32,
    "APP_SECRET": "whsec_" + "c2VjcmV0" * 6,
    "GRAFANA_TOKEN": "g" * 40,
    "ONCALL_TOKEN": "o" * 40,
}


def tables() -> Iterator[str]:
    """Every table that the document must hold, word for word."""
    yield table(row for row in rows(Settings) if not re.search(r"[.\]]", row.key))
    for key in ("server", "admin", "store", "log", "locale", "delivery", "alarms"):
        section = Settings.model_fields[key].annotation
        assert isinstance(section, type)
        yield table(rows(section, f"{key}."))
    yield table(rows(SourceSettings, "sources.NAME.", skip=("options",)))
    yield table(row for row in rows(SinkSettings, "sinks.NAME.", skip=("options",)) if row.key.count(".") < 3)
    yield table(rows(DirectorySettings, "sinks.NAME.directory."))
    yield table(rows(RouteSettings, "routes[]."))
    yield table(rows(WatchSettings, "watch[]."))
    yield table(rows(TestSettings, "tests[]."))
    registry = Registry()
    for name in registry.source_types():
        yield table(rows(registry.source(name).Options, "sources.NAME."))
    for name in registry.sink_types():
        yield table(rows(registry.sink(name).Options, "sinks.NAME."))


def test_every_key_its_default_and_its_meaning_are_documented() -> None:
    missing = [one for one in tables() if one not in DOCUMENT]
    assert not missing, "docs/configuration.md lacks:\n\n" + "\n\n".join(missing)


def test_no_key_is_documented_that_is_not_there() -> None:
    expected = {line for one in tables() for line in one.splitlines()}
    forms = re.compile(r"^\| (`\$|form|type \|||duration|size|rate|text or list|name|glob|secret|---\|---\|\n)")
    for line in DOCUMENT.splitlines():
        if re.match(r"\| `[a-z]", line):
            assert line in expected, f"stale: {line}"
    assert forms


def test_the_variables_that_override_are_documented() -> None:
    for name in OVERRIDES:
        assert f"`{name}`" in DOCUMENT


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.S), ids=lambda text: text.split("\n")[0])
def test_every_example_of_the_document_loads_and_passes_its_tests(configs: Configs, text: str) -> None:
    loaded = load(configs.write(text), environ=ENVIRON, placeholders="${file:" in text)
    assert not run_tests(loaded)


def test_the_error_in_the_document_is_the_one_that_is_printed(configs: Configs) -> None:
    shown = re.search(r"```text\n(gateway.yaml.*?)```", DOCUMENT, re.S)
    assert shown is not None
    problem = configs.problem("sinks:\n  ops:\n    type: fake\n\nroutes:\n  - name: failures\n    to:      [op]\n")
    assert str(problem).replace(str(configs.folder) + "/", "") == shown[1].rstrip()


# -- the example


def test_the_example_is_valid_as_it_is_and_passes_its_tests() -> None:
    loaded = load(EXAMPLE, environ={})
    assert not run_tests(loaded)
    assert not loaded.warnings
    assert loaded.demo_keys
    assert not refuse_demo_keys(loaded)
    assert loaded.settings.on_loopback
    assert refuse_demo_keys(load(EXAMPLE, environ={"GATEWAY_SERVER_HOST": "0.0.0.0"}))


def test_the_examples_keys_all_begin_with_demo() -> None:
    loaded = load(EXAMPLE, environ={})
    assert loaded.demo_keys == ["admin.token", "sources.live.keys.0"]


def test_what_the_example_holds_in_marks_can_be_used(configs: Configs) -> None:
    text = EXAMPLE.read_text()
    block = re.search(r"((?:^#   .*\n)*^#   app:\n(?:^#     .*\n)+)", text, re.M)
    assert block is not None
    plain = "".join(line.removeprefix("# ").replace("# headers", "headers") + "\n" for line in block[1].splitlines())
    text = text.replace(block[1], plain).replace("to: [archive]", "to: [archive, app]", 1)
    loaded = load(configs.write(text), environ={"APP_TOKEN": "t" * 32})
    app = loaded.settings.sinks["app"]
    assert app.type == "forward"
    options: Any = app.options
    assert options.headers["Authorization"].reveal().startswith("Bearer t")
    assert "sinks.app.sign.secrets.0" in loaded.demo_keys


# -- the file that init writes


def test_init_writes_a_valid_file_with_secrets_of_its_own(configs: Configs) -> None:
    first, second = render(make), render(make)
    assert first != second
    assert "@" not in re.sub(r"postgresql://user@host", "", first)
    loaded = load(configs.write(first), environ={})
    assert not run_tests(loaded)
    assert not loaded.demo_keys
    assert loaded.settings.admin.token is not None
    assert loaded.settings.sources["live"].path.startswith("live-")
    assert not [one for one in loaded.warnings if "shorter" in one.found]


def test_what_init_writes_in_marks_can_be_used(configs: Configs) -> None:
    text = re.sub(r"^(\s+)# (  |- |app:|domains:|apps:)", r"\1\2", render(make), flags=re.M)
    loaded = load(configs.write(text), environ={})
    assert loaded.settings.sinks["app"].type == "forward"
    options: Any = loaded.settings.sources["live"].options
    assert options.domains == ("push.example.com",)
    assert [route.name for route in loaded.settings.routes] == ["everything", "finished"]
    assert all(one.found.startswith("sign_type") for one in loaded.warnings)


def test_init_begins_without_a_source_where_no_type_says_how(configs: Configs) -> None:
    class Bare(Registry):
        def source(self, name: str) -> type[Source]:
            if name == "huawei-live":
                raise PluginError("broken")
            return Source

        def source_types(self) -> list[str]:
            return ["huawei-live", "plain"]

    loaded = load(configs.write(render(make, Bare())), environ={})
    assert not loaded.settings.sources
    assert not run_tests(loaded)
