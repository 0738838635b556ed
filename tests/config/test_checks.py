"""Route tests say whether every event goes where it should, and why not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.config.route_tests import run_tests
from gateway.model import Event
from tests.config.configs import KEY, Configs
from tests.config.test_load import SINKS

BASE = f"""\
sources:
  live: {{type: fake, keys: [{KEY}]}}
sinks:
  ops: {{type: batching}}
  app: {{type: batching}}
routes:
  - {{name: failures, match: {{type: recording.failed, stream: ["vip-*", 1001, 007]}}, to: [ops, app]}}
  - {{name: a, match: {{app: [a, no]}}, to: app}}
  - {{name: fakes, match: {{provider: fake, source: live, format: fmt}}, to: ops}}
tests:
"""


def found(configs: Configs, *tests: str) -> list[str]:
    loaded = configs.load(BASE + "".join(f"  - {test}\n" for test in tests))
    return [str(problem) for problem in run_tests(loaded)]


def test_tests_that_hold_say_nothing(configs: Configs) -> None:
    assert not found(
        configs,
        "{event: {type: recording.failed, stream: vip-7}, expect: [app, ops]}",
        "{event: {type: recording.failed, stream: 1001}, expect: [ops, app]}",
        "{event: {type: recording.failed, stream: 007}, expect: [ops, app]}",
        "{event: {type: recording.started, app: no}, expect: app}",
        "{event: {type: recording.started}, expect: []}",
        "{event: {type: recording.started, format: fmt}, expect: [ops]}",
        "{event: {type: recording.file.completed, app: null, files: [{duration_seconds: 90, width: '1280'}]}, expect: []}",
        "{event: {specversion: '1.0', id: x, source: /sources/live, type: recording.ended, data: {app: a, stream: 1}}, expect: [app]}",
    )


def test_the_file_of_a_callback_is_not_waited_for(configs: Configs) -> None:
    os.mkfifo(configs.folder / "body.json")
    (text,) = found(configs, "{callback: {source: live, file: body.json}, expect: []}")
    assert "the callback's file cannot be read: it is no regular file, but a named pipe" in text


def test_no_tests_are_well(configs: Configs) -> None:
    assert run_tests(configs.load("")) == []


def test_a_test_that_fails_says_what_every_route_said(configs: Configs) -> None:
    (text,) = found(configs, "{name: vips ring, event: {type: recording.failed, stream: vip-7, app: a}, expect: [ops]}")
    assert "gateway.yaml:11:5: tests.0: found the test 'vips ring': [ops, app], expected [ops]" in text
    assert "+ failures: matched, to ops, app" in text
    assert "- fakes: " in text


def test_an_event_that_cannot_be_read_is_a_problem_with_a_near_miss(configs: Configs) -> None:
    (first, second) = found(
        configs,
        "{event: {type: recording.fail}, expect: []}",
        "{event: {type: recording.failed, steam: x}, expect: []}",
    )
    assert "did you mean 'recording.failed'" in first
    assert "did you mean 'stream'" in second


@pytest.mark.parametrize("odd", ["[a, {b: c}]", "{a: [b]}", "1.5", "true", "null"])
def test_an_event_with_anything_anywhere_is_named_at_most(configs: Configs, odd: str) -> None:
    keys = Event.__struct_fields__
    events = [{"type": "recording.failed"} | {key: odd} for key in keys]
    written = [", ".join(f"{key}: {value}" for key, value in event.items()) for event in events]
    texts = found(configs, *(f"{{event: {{{event}}}, expect: []}}" for event in written))
    assert all("cannot be read: " in text or "expected []" in text for text in texts), texts


def test_a_callback_is_normalised_without_verification(configs: Configs) -> None:
    for name, content in (
        ("a.json", '{"app": "a", "times": 2}'),
        ("b.json", '{"x": 1}'),
        ("c.json", '{"broken": 1}'),
        ("d.json", "["),
    ):
        (configs.folder / name).write_text(content)
    (configs.folder / "none.json").write_text('{"app": "a", "times": 0}')
    (configs.folder / "large.json").write_bytes(b" " * (2**20 + 1))
    texts = found(
        configs,
        *(
            f"{{callback: {{source: live, file: {name}}}, expect: app}}"
            for name in ("a.json", "b.json", "c.json", "d.json", "e.json", "large.json", "none.json")
        ),
    )
    expected = [
        "no app",
        "RuntimeError at configs.py",
        "cannot be read",
        "No such file",
        "more than 1 MiB",
        "the callback makes no event",
    ]
    assert len(texts) == len(expected)
    assert all(part in text for part, text in zip(expected, texts, strict=True)), texts


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sources: {live: {type: huawei-live, sign_type: none}}", "no route is configured, so what comes in is kept"),
    ],
)
def test_a_configuration_that_does_nothing_is_a_warning(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(text)
    assert any(one.found.startswith(said) for one in load(path, environ={}).warnings)


def test_a_mistake_in_the_event_of_a_test_is_told_at_its_line(configs: Configs) -> None:
    text = f"""\
{SINKS}tests:
  - name: misspelt
    event:
      type: recording.failed
      streem: x
    expect: []
  - event:
      type: recording.failed
      files:
        - format: hls
          size: 3
    expect: []
  - event:
      type: recording.failed
      time: yesterday
    expect: []
"""
    told = {problem.path: text.splitlines()[problem.line - 1].strip() for problem in run_tests(configs.load(text))}
    assert told == {
        "tests.0.event.streem": "streem: x",
        "tests.1.event.files.0.size": "size: 3",
        "tests.2.event.time": "time: yesterday",
    }
