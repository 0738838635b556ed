"""Everything that is wrong is said at once, with its place, and soon."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest

from gateway import Sink
from gateway.config.document import file_bytes
from gateway.config.document.diagnostics import ConfigError, Diagnostic
from gateway.config.load import load
from gateway.testing.corpus import Case, cases
from tests.config.configs import KEY, Configs, FakeRegistry, FakeSink
from tests.config.test_load import SINKS, SOURCE


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("sinks:\n  - ops: {type: batching}", "without `- ` before it"),
        ("routes:\n  all: {to: ops}", "begins with `- `"),
        ("routes:\n  - match:\n    type: recording.failed\n    to: ops", "did you mean routes.0.match.type?"),
        ("routes: [{type: recording.failed, to: ops}]", "did you mean routes.0.match.type?"),
        ("sinks: {ops: {type: batching, timeout: 5s}}", "did you mean sinks.ops.delivery.timeout?"),
        ("routes: [{where: event.data.stream == main, to: ops}]", "a text stands in quotes: 'main'"),
        ("routes:\n  - to: ops, app", "several stand in brackets: [a, b]"),
    ],
)
def test_a_wrong_shape_says_how_it_is_written(configs: Configs, text: str, wanted: str) -> None:
    assert any(wanted in str(problem) for problem in configs.problems(text))


def test_an_error_reads_like_a_good_compilers(configs: Configs) -> None:
    with pytest.raises(ConfigError) as raised:
        configs.load("server:\n  prot: 80\n")
    place = configs.folder / "gateway.yaml"
    text = str(raised.value)
    assert text.startswith(f"{place}:2:3: server.prot: found an unknown key, expected one of host, port,")
    assert text.endswith("\n    hint: did you mean port?")
    assert str(raised.value.problems[0].as_dict()["message"]).startswith("found an unknown key")


def test_after_a_hundred_problems_the_rest_is_counted() -> None:
    error = ConfigError([Diagnostic(file="f", line=line, found="x") for line in range(1, 121)])
    assert str(error).endswith("… and 20 more")
    assert str(Diagnostic(file="f", expected="y")) == "f: expected y"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("version: 2", "another version"), ("version: [1]", "another version"), ("[a]", "no mapping"), ("text", "no mapping"),
        ("server: 5", "expected a mapping"), ("routes: {a: b}", "expected a list"), ("routes: [x]", "expected a mapping"),
        ("sources: [a]", "expected a mapping"), ("sinks: {app: {}}", "expected a sink type"), ("plugins: x", "expected a list"),
        ("sinks: {app: {type: [x]}}", "found a list, expected a sink type"), ("sources: {x: {type: broken}}", "some-package 1.0"),
        ("sinks: {app: {type: fake, delivery: 5}}", "expected a mapping"), ("sinks: {app: {type: zzz}}", "under `plugins:`"),
        ("locale: {timezone: Asia/Shangai}", "Asia/Shanghai?"), ("locale: {timezone: ../etc/passwd}", "IANA"),
        ("server: {host: 'a b'}", "host name"), (f"server: {{uds: {'u' * 107}}}", "at most 107 bytes"), ("server: {host: [a]}", "expected text"),
        (f"locale: {{timezone: {'x' * 100_000}}}", "IANA"), (f"sinks: {{a: {{type: {'x' * 100_000}}}}}", "an installed sink type"),
        (f"log: {{level: {'x' * 100_000}}}", "debug, info"), ("server: {host: 1.2.3}", "host name"), ("server: {host: 127.0.0.1:80}", "host name"),
        ("server: {port: 65536}", "at most 65535"), ("server: {max_body: 1}", "at least 1KiB"), ("server: {uds_mode: 9}", "octal"),
        ("server: {trusted_proxies: [proxy]}", "a network"), ("server: {trusted_proxies: [[]]}", "a network"),
        ("store: {keep: {delivered: 23h}}", "at least 1d"), ("store: {remember: 1h}", "at least 1d"),
        ("store: 'sqlite:///:memory:'", "in memory"), ("store: ./gateway.db", "sqlite:///file"), ("store: {url: 5}", "sqlite:///file"),
        ("store: {password: x}", "`password` for a SQLite file"), ("store: postgresql://u:p@h:x/d", "host cannot be read"),
        ("store: {url: 'postgresql://u:p@h/d', password: q}", "a password in the URL and one beside it"),
        ("delivery: {retry: {initial: 2h}}", "longer than `max`"), ("delivery: {batch: {max: 0}}", "at least 1"),
        ("admin: {tokens: [{name: a, token: short}]}", "at least 32"), ("admin: {token: short}", "at least 32"),
        ("admin: {token: ''}", "not empty"), ("admin: {token: '${X:-}', port: 8080}", "the address of `server` again"),
        (f"admin: {{tokens: [{{name: a, token: {KEY}}}, {{name: a, token: {KEY}}}]}}", "the same name"),
        (f"admin: {{token: {KEY}, tokens: [{{name: admin, token: {KEY}}}]}}", "one called admin"),
        ("admin: {host: localhost, port: 8080}", "the address of `server` again"),
        ("server: {host: 0.0.0.0, port: 9090}", "the address of `server` again"),
        ("server: {uds: a.sock, port: 80}", "`port` beside `uds`"), ("server: {uds: a}\nadmin: {uds: a}", "the address of"),
        ("routes: [{name: 'a b', to: x}]", "a name of"), ("routes: [{name: a}]", "names no sink"),
        ("routes: [{match: {stream: []}, stop: true}]", "at least one glob"), ("routes: [{match: {app: ''}, stop: true}]", "256"),
        ("routes: [{where: 'event.data.nope', stop: true}]", "nope"), ("routes: [{where: '(', stop: true}]", "where"),
        ("routes: [{where: 5, stop: true}]", "only true or false"), ("routes: [{where: '', stop: true}]", "empty"),
        ("tests: [{event: {type: x}, callback: {source: a, file: b}, expect: []}]", "either `event` or `callback`"),
        ("tests: [{callback: {source: liv, file: b}, expect: []}]", "the source 'liv'"), ("tests: [{event: {}}]", "a value for this key"),
        ("sinks: {app: {type: fake, delivery: {batch: {max: 3}}}}", "takes events singly"),
        ("locale: {language: zh_CN.UTF-8}", "did you mean zh-CN?"), ("locale: {language: Chinese}", "a language tag such as en or zh-CN"),
        ("server: {port：80}", "U+FF1A FULLWIDTH COLON"), ("\u200broutes: []", "U+200B ZERO WIDTH SPACE"),
        ("sinks: {app: {type:fake}}", "a colon ends a key only with a blank behind it"), ("sinks: {app: {type：fake}}", "FULLWIDTH COLON"),
        ("sources: {a: {type: fake, path: a/b, keys: [x]}}", "one path segment"), ("sources: {'': {type: fake}}", "empty"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_path(configs: Configs, text: str, found: str) -> None:
    problems = configs.problems(text)
    assert found in "\n".join(map(str, problems)), "\n".join(map(str, problems))
    assert all(problem.line for problem in problems)


def test_a_mistake_of_one_key_is_not_said_of_another(configs: Configs) -> None:
    assert [problem.path for problem in configs.problems("version: 1\nplugins: ./mine.py\n")] == ["plugins"]
    with pytest.raises(ConfigError) as raised:
        configs.load(SINKS + SOURCE + "routes: [{name: '录像', to: [ops, app]}]")
    assert [str(one) for one in raised.value.warnings if "route" in str(one)] == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_of_wide_characters_is_told_so(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "gateway.yaml").write_bytes("version: 1\n".encode(encoding))
    with pytest.raises(ConfigError, match=r":1:1: found bytes that are not UTF-8[^\n]*\n.*UTF-16"):
        load(tmp_path / "gateway.yaml", environ={})


def test_two_sources_cannot_share_a_path(configs: Configs) -> None:
    text = f"sources:\n  a: {{type: fake, keys: [{KEY}]}}\n  b: {{type: fake, keys: [{KEY}], path: a}}\n"
    problem = configs.problem(text)
    assert (problem.line, problem.path) == (3, "sources.b.path")
    assert "'a'" in problem.found


def test_two_routes_cannot_share_a_name(configs: Configs) -> None:
    problem = configs.problem(SINKS + "routes:\n  - {name: x, to: ops}\n  - {name: x, to: app}\n")
    assert (problem.line, problem.path, problem.hint) == (6, "routes.1.name", "the first one is in line 5")


def test_a_path_is_never_quoted_because_it_may_be_a_key(configs: Configs) -> None:
    assert "secret-path" not in str(
        configs.problem(f"sources: {{a: {{type: fake, path: secret-path/, keys: [{KEY}]}}}}")
    )


def test_a_file_that_cannot_be_read_is_a_problem_without_a_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, found in (("none.yaml", "No such file"), ("fifo", "not a regular file"), (".", "a folder")):
        with pytest.raises(ConfigError) as raised:
            load(tmp_path / name, environ={})
        assert found in str(raised.value)
    (tmp_path / "large").write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(ConfigError, match="1 MiB"):
        load(tmp_path / "large", environ={})


def test_a_type_that_is_not_here_may_be_a_package_that_was_taken_out(configs: Configs) -> None:
    hint = str(configs.problem("sinks: {a: {type: my-own-pager}}").hint)
    assert "package installed" in hint
    assert "plugins:" in hint


def test_a_file_that_may_not_be_read_is_not_to_be_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(file_bytes, "open_regular", closed)  # because root may read everything
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "gateway.yaml", environ={})
    [problem] = caught.value.problems
    assert "Permission denied" in problem.found
    assert "chown" in str(problem.hint)
    assert "gateway init" not in str(problem.hint)


def test_plugins_that_cannot_be_loaded_are_named_at_their_lines(configs: Configs) -> None:
    problems = configs.problems("plugins:\n  - good\n  - bad_one\n  - fine\n  - bad_two\nsinks:\n  x: {type: nope}\n")
    assert [(problem.line, problem.path) for problem in problems] == [
        (3, "plugins.1"),
        (5, "plugins.3"),
        (7, "sinks.x.type"),
    ]


def test_a_plugin_that_is_not_in_a_list_is_named_at_its_line_too(configs: Configs) -> None:
    problem = configs.problem("sources: {}\nplugins: bad_one\n")
    assert (problem.line, problem.path) == (2, "plugins")
    assert "bad_one" in problem.found


def test_a_version_from_a_variable_that_is_not_here_is_not_said_to_be_another(configs: Configs) -> None:
    assert configs.load("version: ${V:?}\n", placeholders=True).warnings is not None
    assert configs.problem("version: ${V}\n", {"V": "2"}).expected == "1"


class Missing(FakeSink):
    """Its author made a mistake where it says which libraries it lacks."""

    @classmethod
    def missing(cls) -> Any:
        raise RuntimeError("canary")


class Batches(FakeSink):
    """And where it says whether it takes batches."""

    @classmethod
    def takes_batches(cls, options: Any = None) -> bool:
        raise RuntimeError("canary")


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (Missing, "does not say what is missing: RuntimeError at"),
        (Batches, "does not say whether it takes batches: RuntimeError at"),
    ],
)
def test_a_type_that_fails_when_it_is_asked_about_itself_is_named_without_its_words(
    configs: Configs, cls: type[Sink], said: str
) -> None:
    class Failing(FakeRegistry):
        def sink(self, name: str) -> type[Sink]:
            return cls

    problem = configs.problem("sinks: {it: {type: fake}}\n", registry=Failing)
    assert problem.path.startswith("sinks.it")
    assert said in problem.found
    assert "canary" not in str(problem)


@pytest.mark.wide
@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"unknown_{n}: 1" for n in range(40_000)),
        "server: {" + ", ".join(f"unknown_{n}: 1" for n in range(40_000)) + "}",
        "routes:\n" + "- {too: x}\n" * 40_000,
        "sinks:\n" + "".join(f"  s{n}: {{type: nope}}\n" for n in range(20_000)),
        "sources:\n" + "".join(f"  S{n}: 1\n" for n in range(40_000)),
    ],
    ids=["keys", "options", "routes", "sinks", "names"],
)
def test_a_file_of_nothing_but_mistakes_ends_soon(configs: Configs, text: str) -> None:
    began = time.process_time()
    assert len(configs.problems(text)) >= 100
    assert time.process_time() - began < 5  # of CPU time: a twentieth of what it takes without a bound


@pytest.mark.parametrize("case", cases("yaml"), ids=str)
def test_the_hostile_corpus_is_refused_in_under_a_second_with_its_line(configs: Configs, case: Case) -> None:
    began = time.process_time()
    problems = configs.problems(case.value)
    assert time.process_time() - began < 1
    assert all(problem.line and problem.file.endswith("gateway.yaml") for problem in problems)
