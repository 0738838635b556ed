"""Variables and files are put in once, after parsing, and what cannot be put in has a place."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.document.diagnostics import Diagnostic
from gateway.config.document.nodes import Scalar
from gateway.config.document.substitution import Missing, Substitution, read_small

E = {"A": "x", "EMPTY": "", "B": "${A}", "PORT": "81"}


def substituted(
    text: str, environ: dict[str, str] | None = None, base: Path = Path("/nowhere"), **options: Any
) -> Scalar:
    scalar = Scalar(file="f", line=3, column=7, path="p", text=text)
    run = Substitution(E if environ is None else environ, base, **options)
    run.substitute(scalar)
    assert not run.problems, run.problems
    return scalar


def refused(text: str, base: Path = Path("/nowhere")) -> Diagnostic:
    run = Substitution(E, base)
    run.substitute(Scalar(file="f", line=3, column=7, path="p", text=text))
    (problem,) = run.problems
    assert (problem.file, problem.line, problem.column, problem.path) == ("f", 3, 7, "p")
    return problem


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "x"), ("a${A}b${A}c", "axbxc"), ("${EMPTY}", ""), ("${NO:-d}", "d"), ("${EMPTY:-d}", "d"), ("${A:-d}", "x"),
        ("${NO:-}", ""), ("${A:?gone}", "x"), ("${NO:-a b: [c]}", "a b: [c]"), ("$${A}", "${A}"), ("$$${A}", "$${A}"),
        ("$${ ${A}", "${ x"), ("$A $ {A} $", "$A $ {A} $"), ("${NO:-$}", "$"), ("${NO:-:?}", ":?"),
        ("${B}", "${A}"), ("${file:-d}", "d"),
    ],
)  # fmt: skip
def test_each_form_has_its_value(text: str, value: str) -> None:
    assert substituted(text).text == value


def test_what_a_variable_holds_is_not_expanded_again() -> None:
    assert substituted("${B}${B}").text == "${A}${A}"
    assert substituted("${X}", {"X": "${file:/etc/passwd}"}).text == "${file:/etc/passwd}"


@given(st.text(alphabet="${}:-?AB_file/ "))
def test_the_value_of_a_variable_comes_through_untouched(value: str) -> None:
    assert substituted("<${X}>", {"X": value}).text == f"<{value}>"


@given(st.text(alphabet="${}:-?A file/x\n"))
def test_no_text_raises_anything(text: str) -> None:
    Substitution(E, Path("/nowhere")).substitute(Scalar(file="f", text=text))


@pytest.mark.parametrize(
    "text",
    ["${", "${A", "${}", "${1A}", "${A-d}", "${A:d}", "${A:+d}", "${A B}", "${A:-${B}}", "${ä}", "x ${A", "${file:/x"],
)
def test_a_form_that_cannot_be_read_is_an_error_that_lists_the_forms(text: str) -> None:
    problem = refused(text)
    assert "cannot be read" in problem.found
    assert "$${" in problem.expected


def test_an_unset_name_is_an_error_with_a_near_miss() -> None:
    run = Substitution({"HUAWEI_LIVE_KEY": "secret"}, Path("/"))
    run.substitute(Scalar(file="f", line=1, text="${HUAWEI_LIV_KEY}"))
    assert "not set" in run.problems[0].found
    assert "did you mean HUAWEI_LIVE_KEY?" in run.problems[0].hint
    assert "secret" not in str(run.problems[0])


def test_an_unset_name_is_not_taken_for_one_that_is_only_a_little_like_it() -> None:
    run = Substitution({"PIP_CERT": "/etc/ssl/cert.pem"}, Path("/"))
    run.substitute(Scalar(file="f", line=1, text="${APP_SECRET}"))
    assert "did you mean" not in run.problems[0].hint


def test_a_needed_value_says_why_it_is_needed() -> None:
    assert "set the key" in refused("${NO:?set the key}").found
    assert "set the key" in refused("${EMPTY:?set the key}").found
    assert "needed" in refused("${NO:?}").found


def test_a_variable_that_is_not_text_is_an_error() -> None:
    run = Substitution({"X": "a\udcff"}, Path("/"))
    run.substitute(Scalar(file="f", text="${X}"))
    assert "UTF-8" in run.problems[0].found


def test_a_substituted_scalar_knows_that_it_is_one() -> None:
    assert substituted("${PORT}").plain is False
    assert substituted("$${x}").substituted is False
    assert substituted("${NO:-}").optional
    assert not substituted("${EMPTY}").optional
    assert not substituted("a${NO:-}").optional
    assert substituted("${A}-${A}-${PORT:-1}").names == ("${A}", "${PORT}")


def file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("content", "value"),
    [(b"k\n", "k"), (b"k\r\n", "k"), (b"k\n\n", "k\n"), (b"k", "k"), (b"k\r", "k\r"), (b" k ", " k "), (b"\n", ""), (b"", ""),
     ("é\n".encode(), "é"), (b"${A}\n", "${A}"), (b"x" * 65536, "x" * 65536)],
)  # fmt: skip
def test_a_file_is_read_without_one_trailing_newline(tmp_path: Path, content: bytes, value: str) -> None:
    path = file(tmp_path, content)
    assert substituted(f"${{file:{path}}}").text == value
    assert substituted("${file:secret}", base=tmp_path).text == value


def test_an_empty_file_is_not_an_optional_value(tmp_path: Path) -> None:
    assert not substituted(f"${{file:{file(tmp_path, b'')}}}").optional


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"x" * 65537, "64 KiB"), (b"\xff", "UTF-8"), (b"a\x00b", "NUL"), (b"x" * 1_000_000, "64 KiB")],
)
def test_a_file_that_cannot_be_a_text_is_an_error(tmp_path: Path, content: bytes, found: str) -> None:
    assert found in refused(f"${{file:{file(tmp_path, content)}}}").found


def test_pipes_devices_and_folders_are_errors_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    began = time.process_time()
    for name in (tmp_path / "fifo", "/dev/zero", tmp_path):
        assert "not a regular file" in refused(f"${{file:{name}}}").found
    assert "No such file" in refused(f"${{file:{tmp_path}/none}}").found
    assert "cannot be one" in refused("${file:a\x00b}").found
    assert time.process_time() - began < 1


def test_a_secret_file_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    for mode, warned in ((0o600, False), (0o400, False), (0o640, True), (0o644, True), (0o604, True)):
        run = Substitution(E, tmp_path)
        run.substitute(Scalar(file="f", line=1, path="p", text=f"${{file:{file(tmp_path, b'k', mode)}}}"))
        assert bool(run.warnings) is warned
        assert not warned or "chmod 600" in run.warnings[0].hint
        (tmp_path / "secret").unlink()


def test_a_secret_file_of_another_user_is_meant_to_be_read_by_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root's file of mode 0640, or a Secret of Kubernetes under `fsGroup`: with mode 600 the gateway could not read it."""
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    for mode, warned in ((0o640, False), (0o440, False), (0o644, True)):
        run = Substitution(E, tmp_path)
        run.substitute(Scalar(file="f", line=1, path="p", text=f"${{file:{file(tmp_path, b'k', mode)}}}"))
        assert bool(run.warnings) is warned
        (tmp_path / "secret").unlink()


def test_what_takes_a_secret_files_place_while_it_is_opened_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"k")
    look = os.stat

    def swapped(at: Path) -> os.stat_result:
        found = look(at)
        path.unlink()
        os.mkfifo(path)
        return found

    monkeypatch.setattr(os, "stat", swapped)
    with pytest.raises(Missing, match="not a regular file"):
        read_small(path)


def test_without_secrets_what_is_not_here_is_stood_in_for(tmp_path: Path) -> None:
    for text in ("${NO}", "${NO:?x}", "${file:none}", "https://${NO}/x"):
        scalar = substituted(text, base=tmp_path, placeholders=True)
        assert scalar.placeholder
        assert "placeholder" in scalar.text
    assert substituted("${A}", placeholders=True).text == "x"
    run = Substitution(E, tmp_path, placeholders=True)
    run.substitute(Scalar(file="f", text="${A-b}"))
    assert run.problems  # a form that cannot be read anywhere is a mistake here too
