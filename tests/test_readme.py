"""The two READMEs say the same, and what they say works."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.config.route_tests import run_tests

ROOT = Path(__file__).resolve().parent.parent
ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"


def _blocks(path: Path, language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", path.read_text(), re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def _without_comments(text: str) -> str:
    return re.sub(r"\s*#.*", "", text)


@pytest.mark.parametrize("language", ["sh", "yaml", "python"])
def test_both_readmes_have_the_same_examples(language: str) -> None:
    english, chinese = _blocks(ENGLISH, language), _blocks(CHINESE, language)
    assert english
    assert [_without_comments(text) for text in english] == [_without_comments(text) for text in chinese]


@pytest.mark.parametrize("path", [ENGLISH, CHINESE], ids=lambda path: path.name)
def test_the_whole_configuration_of_a_readme_loads_and_its_route_tests_pass(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(_blocks(path, "yaml")[0])
    file.chmod(0o600)
    environ = {"HUAWEI_LIVE_KEY": "k" * 32, "APP_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    loaded = load(file, environ=environ)
    assert run_tests(loaded) == []


def test_the_sink_of_the_readme_can_be_configured(tmp_path: Path) -> None:
    (tmp_path / "pager.py").write_text(_blocks(ENGLISH, "python")[0])
    (tmp_path / "pager.py").chmod(0o600)
    file = tmp_path / "gateway.yaml"
    file.write_text("version: 1\n" + _blocks(ENGLISH, "yaml")[1])
    file.chmod(0o600)
    assert load(file, environ={}).settings.sinks["oncall"].type == "pager"


@pytest.mark.parametrize("path", [ENGLISH, CHINESE], ids=lambda path: path.name)
def test_every_link_of_a_readme_leads_to_a_file(path: Path) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", path.read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_command_of_the_readme_exists() -> None:
    import click

    from gateway.cli.root import gateway

    lines = [line for block in _blocks(ENGLISH, "sh") for line in block.splitlines()]
    targets = (ROOT / "Makefile").read_text()
    for line in lines:
        words = line.removeprefix(".venv/bin/").split()
        if words[0] == "make":
            assert f"\n{words[1]}:" in targets
            continue
        assert words[0] == "gateway", line
        words = [word for word in words[1:] if word not in ("-c", "config.example.yaml")]
        command: click.Command | None = gateway
        context = click.Context(gateway)
        while words and isinstance(command, click.Group):
            command = command.get_command(context, words.pop(0))
            assert command is not None, line
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts}
        assert [word for word in words if word.startswith("--") and word not in known] == [], line


def test_the_readme_says_that_the_vendor_subscribes_only_to_finished_files() -> None:
    assert "only to finished files" in re.sub(r"\W+", " ", ENGLISH.read_text())
    assert "默认只订阅" in CHINESE.read_text()


def test_the_python_that_the_readme_asks_for_is_the_one_the_project_asks_for() -> None:
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text()
    assert "Python 3.11" in ENGLISH.read_text()
    assert sys.version_info >= (3, 11)
    assert os.access(ROOT / ".ci/run", os.X_OK)
