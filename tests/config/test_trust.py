"""`check` warns where a route brings a sink events whose signature covers less than the sink wants."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.document.diagnostics import ConfigError
from gateway.config.load import load

KEYS = "keys: [0123456789abcdef0123456789abcdef]"
NAMES = "domains: [push.example.com], apps: [live]"
BELIEVED = f"""
sources:
  weak: {{type: huawei-live, {KEYS}}}
  none: {{type: huawei-live, sign_type: none}}
  good: {{type: huawei-live, {KEYS}, min_trust: fields}}
sinks:
  raw: {{type: forward, url: http://127.0.0.1:9/, body: raw}}
  own: {{type: forward, url: http://127.0.0.1:9/}}
routes:
"""


def trust_warnings(folder: Path, routes: str) -> list[str]:
    path = folder / "gateway.yaml"
    path.write_text(BELIEVED + routes)
    return [
        f"{one.path}: {one.found} | {one.hint}"
        for one in load(path, environ={}).warnings
        if one.path.startswith("routes") and ".to" in one.path  # what can never match is told at its own condition
    ]


def test_the_vendors_words_from_a_weakly_signed_source_are_a_warning(tmp_path: Path) -> None:
    [said] = trust_warnings(tmp_path, "  - {to: [own, raw]}")
    assert said == (
        "routes.0.to.1: the sink 'raw' wants events whose signature covers `fields`, and 'weak' takes `timestamp`, "
        "'none' takes `none` | set `min_trust: fields` for the source, or `match: {trust: [fields, body]}` in the route"
    )


def test_a_program_that_would_refuse_what_a_route_brings_is_a_warning(tmp_path: Path) -> None:
    run = "sinks:\n  raw: {type: exec, command: ['true']}"
    text = BELIEVED.replace("sinks:\n  raw: {type: forward, url: http://127.0.0.1:9/, body: raw}", run)
    path = tmp_path / "gateway.yaml"
    for more, warned in (("", True), (", min_trust: none", False)):
        path.write_text(text.replace("['true']", f"['true']{more}") + "  - {match: {source: weak}, to: raw}")
        said = [one for one in load(path, environ={}).warnings if one.path == "routes.0.to"]
        assert bool(said) is warned


@pytest.mark.parametrize(
    ("route", "warned"),
    [
        ("{to: own}", False),
        ("{match: {source: good}, to: raw}", False),
        ("{match: {source: 'g*'}, to: raw}", False),
        ("{match: {source: '*'}, to: raw}", True),
        ("{match: {trust: [fields, body]}, to: raw}", False),
        ("{match: {trust: 'f*'}, to: raw}", False),
        ("{match: {trust: [timestamp, fields]}, to: raw}", True),
        ("{match: {source: weak, trust: none}, to: raw}", False),
        ("{match: {provider: another}, to: raw}", False),
        ("{match: {provider: huawei-*}, to: raw}", True),
        ("{where: 'event.trust == \"fields\"', to: raw}", False),
        ("{where: 'event.type == \"x\"', to: raw}", True),
    ],
)
def test_only_a_route_that_may_bring_less_is_warned_of(tmp_path: Path, route: str, warned: bool) -> None:
    assert bool(trust_warnings(tmp_path, f"  - {route}")) is warned


def test_a_plugin_that_cannot_say_what_it_wants_is_a_problem_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from gateway import Sink\n\n\nclass Mine(Sink):\n    type = 'mine'\n    wanted_trust = 'everything'\n\n    async def deliver(self, delivery): ...\n"
    )
    path = tmp_path / "gateway.yaml"
    path.write_text("plugins: [./mine.py]\nsinks: {one: {type: mine}}\n")
    with pytest.raises(ConfigError, match="the mine has no wanted trust: ValueError"):
        load(path, environ={})


@pytest.mark.parametrize(
    ("options", "most"),
    [
        (f"min_trust: body, {KEYS}", "timestamp"),
        (f"min_trust: body, {KEYS}, {NAMES}", "fields"),
        (f"min_trust: fields, {KEYS}, domains: [push.example.com]", "timestamp"),
        (f"min_trust: fields, sign_type: [md5, hmac-sha256-timestamp], {KEYS}", "timestamp"),
        ("min_trust: timestamp, sign_type: none", "none"),
        (f"min_trust: fields, sign_type: [md5, hmac-sha256], {KEYS}, {NAMES}", None),
        ("sign_type: none", None),
    ],
)
def test_a_min_trust_that_lets_nobody_in_is_a_warning(tmp_path: Path, options: str, most: str | None) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(f"sources:\n  live: {{type: huawei-live, {options}}}\n")
    hints = [one.hint for one in load(path, environ={}).warnings if one.path == "sources.live.min_trust"]
    assert hints == ([f"set `min_trust: {most}`, or accept signatures that cover more"] if most else [])
