"""The grammar of `watch:`: what is a rule, and what a mistake is answered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.document.diagnostics import ConfigError
from gateway.config.load import load
from gateway.recordings.watch_setup import watch_setup

HEAD = """version: 1
sources: {live: {type: huawei-live, keys: ["demo-0123456789abcdef0123456789abcdef"]}}
sinks: {out: {type: console}}
routes: [{to: [out]}]
watch:
"""
GOOD = """  - {name: no-file, when: {type: recording.started, app: live}, expect: recording.file.completed, within: 13h, tell: recording.overdue}
  - {name: silent, source: live, expect: any, every: 6h, between: "08:00-23:00"}
"""


def read(folder: Path, text: str) -> object:
    path = folder / "gateway.yaml"
    path.write_text(HEAD + text)
    path.chmod(0o600)
    return load(path, environ={})


def test_both_kinds_of_rules_are_read(tmp_path: Path) -> None:
    setup = watch_setup(read(tmp_path, GOOD).settings)  # type: ignore[attr-defined]
    (rule,), (silence,) = setup.events, setup.silence
    assert (rule.name, rule.within, rule.expect) == ("no-file", 13 * 3_600_000, "recording.file.completed")
    assert rule.when == {"type": ("recording.started",), "app": ("live",)}
    assert (silence.source, silence.every.total_seconds()) == ("live", 6 * 3600)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (
            "{name: a, when: {type: recording.started}, expect: recording.file.complete, within: 1h}",
            "recording.file.completed",
        ),
        ("{name: a, when: {type: recording.startd}, expect: recording.ended, within: 1h}", "recording.started"),
        ("{name: a, when: {type: recording.started, source: liv}, expect: recording.ended, within: 1h}", "live"),
        ("{name: a, when: {app: live}, expect: recording.ended, within: 1h}", "`when: {type: …}` and `within`"),
        ("{name: a, when: {type: recording.started}, expect: recording.ended}", "`when: {type: …}` and `within`"),
        ("{name: a, when: {type: recording.started}, expect: recording.ended, withn: 1h}", "within"),
        ("{name: a, when: {type: recording.started}, expect: recording.ended, within: 40d}", "30d"),
        (
            "{name: a, when: {type: recording.started}, expect: recording.ended, within: 1h, every: 1h}",
            "go with `expect: any`",
        ),
        ("{name: a, source: liv, expect: any, every: 1h}", "live"),
        ("{name: a, source: live, expect: any}", "`source` and `every`"),
        ("{name: a, source: live, expect: any, every: 1h, between: 8-23}", "08:00-23:00"),
        ("{name: a, source: live, expect: any, every: 6h, between: '08:00-10:00'}", "longer than the hours"),
        ("{name: a, source: live, expect: any, every: 1h, tell: recording.overdu}", "recording.overdue"),
    ],
)
def test_a_mistake_is_said_with_what_was_probably_meant(tmp_path: Path, rule: str, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, f"  - {rule}\n")
    assert text in str(raised.value)
    assert "gateway.yaml:6:" in str(raised.value)


def test_two_rules_of_one_name_are_refused(tmp_path: Path) -> None:
    rule = "  - {name: a, source: live, expect: any, every: 1h}\n"
    with pytest.raises(ConfigError, match="the name 'a' again"):
        read(tmp_path, rule * 2)
