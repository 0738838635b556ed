"""`gateway plugins new`: what it writes is complete, can be installed, and passes its own tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.root import gateway
from gateway.cli.scaffold import ScaffoldNames, render
from tests.installed import Environment, build


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(gateway, list(arguments), prog_name="gateway")
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize("kind", ["sink", "source"])
def test_a_new_package_is_installed_beside_the_wheel_and_its_tests_pass(
    kind: str, environment: Environment, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    run("plugins", "new", f"new-{kind}", f"--{kind}", "--folder", str(project))
    environment.install(build(project, tmp_path))
    done = environment.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", cwd=project)
    assert " passed" in done.stdout
    assert "warning" not in done.stdout
    listed = environment.run("gateway", "plugins", "list", cwd=tmp_path).stdout
    assert f"recording-gateway-new-{kind} 0.1.0" in listed
    assert "well." in environment.run("gateway", "check", cwd=project).stdout
    environment.run("gateway", "new-plugin", "acme-other", f"--{kind}", cwd=tmp_path)  # the wheel has the templates
    assert (tmp_path / "recording-gateway-acme-other" / "pyproject.toml").is_file()


@contextmanager
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        yield


def test_it_goes_beside_where_one_stands_and_says_what_is_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with inside(tmp_path, monkeypatch):
        said = run("new-plugin", "acme-new").output
    assert "pip install" in said
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {f"recording-gateway-acme-new/{name}" for name in render(ScaffoldNames("acme-new", "sink"))}
    assert (tmp_path / "recording-gateway-acme-new/gateway.yaml").stat().st_mode & 0o077 == 0


def test_an_empty_folder_and_one_with_only_a_repository_are_written_into(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    run("plugins", "new", "acme-new", "--folder", str(tmp_path))
    assert (tmp_path / "pyproject.toml").is_file()


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert "is not empty" in run("plugins", "new", "acme-new", "--folder", str(tmp_path), code=1).output
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    blocked = tmp_path / "mine.txt" / "below"
    assert "cannot write" in run("plugins", "new", "acme-new", "--folder", str(blocked), code=1).output


@pytest.mark.parametrize("name", ["", "Acme", "acme_new", "-acme", "acme-", "a--b", "1st", "a" * 41, "../up", "a b"])
def test_a_name_that_is_none_is_wrong_use(name: str, tmp_path: Path) -> None:
    arguments = ("plugins", "new", "--folder", str(tmp_path / "x"), "--", name)
    assert "expected a name" in " ".join(run(*arguments, code=2).output.split())
    assert not (tmp_path / "x").exists()


def test_a_type_that_is_there_already_is_wrong_use(tmp_path: Path) -> None:
    arguments = ("plugins", "new", "forward", "--folder", str(tmp_path / "x"))
    assert "already, from recording-gateway" in run(*arguments, code=2).output
    run(*arguments, "--source")


def test_a_sink_and_a_source_together_are_wrong_use(tmp_path: Path) -> None:
    run("plugins", "new", "x", "--sink", "--source", "--folder", str(tmp_path), code=2)


@pytest.mark.parametrize("kind", ["sink", "source"])
def test_what_is_written_is_formatted_and_free_of_lint(kind: str, tmp_path: Path) -> None:
    run("plugins", "new", "acme-new", f"--{kind}", "--folder", str(tmp_path / "p"))
    options = ["--isolated", "--no-cache", "--line-length", "120", "."]
    for command in (["check", "--select", "E,F,I,B,UP,RUF,SIM", *options], ["format", "--check", *options]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command], cwd=tmp_path / "p", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_no_token_is_left_in_what_is_written() -> None:
    for kind in ("sink", "source"):
        for path, text in render(ScaffoldNames("acme-new", kind)).items():
            left = [
                token for token in ("@TYPE", "@CLASS", "@MODULE", "@KIND", "@ENV", "@VERSION", "@DIST") if token in text
            ]
            assert not left, path
            assert "MODULE" not in path


@pytest.mark.slow
def test_the_readme_of_a_new_package_works_word_for_word(our_wheel: Path, tmp_path: Path) -> None:
    """With everything from the package index, as its author does it; our wheel stands in for the one that is there."""
    run("plugins", "new", "acme-new", "--folder", str(tmp_path))
    block = (tmp_path / "README.md").read_text().split("```sh\n")[1].split("```")[0]
    command = block.replace("python -m venv", f"{sys.executable} -m venv")
    done = subprocess.run(
        ["sh", "-ec", command],
        cwd=tmp_path,
        env={**os.environ, "PIP_FIND_LINKS": str(our_wheel.parent), "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
