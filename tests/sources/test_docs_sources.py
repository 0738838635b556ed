"""docs/sources.md says what the code does, of every source and of every configuration."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway import (
    Scene,
    Trust,
)
from gateway.config.load import load
from gateway.fields import format_duration
from gateway.testing import NOW, callback
from plugins.sources.huawei_live import HuaweiLive, HuaweiLiveOptions
from plugins.vendors.huawei_live.signature import USUAL_SPELLINGS
from tests.sources.vendors import make

from .documented import EXAMPLES, SECTIONS, SOURCES, TYPES, source_of, table


def test_every_option_of_huawei_live_is_in_the_table_with_its_default() -> None:
    rows = table(SOURCES, "## huawei-live")
    model = HuaweiLiveOptions.model_fields
    options = {name: rows[name] for name in rows if name in model}
    assert options.keys() == model.keys()
    for name, (default, text) in options.items():
        value = model[name].default
        if name in {"keys", "domains", "apps"}:
            assert (value, default) in {((), ""), ((), "any")}
        elif name == "sign_type":
            assert default == f"`{value[0]}`"
        elif hasattr(value, "total_seconds"):
            assert default in {f"`{format_duration(value)}`", f"`{int(value.total_seconds() // 3600)}h`"}
        else:
            assert default == f"`{str(value).lower()}`"
        assert text


def test_every_sign_type_is_described() -> None:
    section = SOURCES.split("### What its signatures cover", 1)[1].split("\n#", 1)[0]
    assert set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)) - {"sign_type"} == set(USUAL_SPELLINGS)


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_configuration_is_accepted_and_plays_what_it_takes(text: str, tmp_path: Path) -> None:
    source = source_of(text, tmp_path)
    for scene in source.scenes:
        received = callback(source.play(Scene(type=scene, number=1, now=NOW)))
        source.normalise(received, source.verify(received))


def test_every_type_has_its_section_with_a_configuration_and_a_row_in_the_overview() -> None:
    overview = re.findall(
        r"^\| \[`([a-z0-9-]+)`\]\(#([a-z0-9-]+)\) \|.*\| (yes|no|as described) \|$", SOURCES, re.MULTILINE
    )
    assert sorted(name for name, _, _ in overview) == sorted(TYPES) == sorted(SECTIONS)
    for name, link, ages in overview:
        assert name == link
        assert f"type: {name}\n" in SECTIONS[name]
        if name not in {"huawei-live", "hmac"}:
            source: Any = make(name)
            assert source.ages is (ages == "yes"), name


def test_what_a_captured_callback_is_worth_is_said_of_every_type() -> None:
    rows = table(SOURCES, "### What the holder of one captured callback can change")
    assert set(TYPES) - rows.keys() == set(), "docs/sources.md: a row of what a captured callback is worth"
    assert rows.keys() - set(TYPES) == set()
    for name, (changes, until, against) in rows.items():
        weak = make(name).most_trust is Trust.TIMESTAMP
        assert ("`timestamp`" in against and changes.startswith("everything")) if weak else changes, name
        assert (until == "for ever") is (name in {"agora", "twilio"}), name


@pytest.mark.parametrize("name", sorted(set(TYPES) - {"huawei-live"}))
def test_each_section_says_what_is_covered_how_much_that_is_and_how_it_is_tried_again(name: str) -> None:
    rows = dict(
        re.findall(r"^\| (signature|covers|trust|tries again|names an event) \| (.+) \|$", SECTIONS[name], re.MULTILINE)
    )
    assert list(rows) == ["signature", "covers", "trust", "tries again", "names an event"]
    assert "\n* " in SECTIONS[name]  # its traps
    source = make(name)
    if name != "standard-webhooks":
        received = callback(source.play(Scene(type=source.scenes[0], number=1, now=NOW)))
        assert rows["trust"].startswith(f"`{source.verify(received).trust}`")


@pytest.mark.parametrize("name", sorted(set(TYPES) - {"huawei-live", "standard-webhooks", "hmac", "rfc9421"}))
def test_each_section_says_what_the_vendors_types_become(name: str) -> None:
    source = make(name)
    rows = dict(re.findall(r"^\| `([^`]+)` \| `(recording\.[^`]+)` \|$", SECTIONS[name], re.MULTILINE))
    became = {}
    for scene in source.scenes:
        received = callback(source.play(Scene(type=scene, number=1, now=NOW)))
        for event in source.normalise(received, source.verify(received)):
            became[scene] = event.type
    assert became.items() <= rows.items()
    played = getattr(sys.modules[type(source).__module__], "TYPES", {})
    assert {kind for kind, ours in played.items() if ours != "recording.unknown"} <= rows.keys()


def test_the_tightest_configuration_leaves_nothing_to_advise() -> None:
    options = {"keys": ["k" * 32], "sign_type": "hmac-sha256-fields", "domains": ["push.example.com"], "apps": ["live"]}
    assert HuaweiLive("live", HuaweiLiveOptions.model_validate(options)).advice() == ()


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_configuration_can_be_checked_without_its_secrets(text: str, tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    found = load(path, environ={}, placeholders=True)
    assert not [
        one for one in found.warnings if any(word in one.found for word in ("shorter", "whole", "is the same as"))
    ]


@pytest.mark.parametrize(
    "more",
    [
        "type: tencent-css",
        "type: volcengine-live",
        "type: alibaba-live, callback_hosts: [hooks.example.com]",
        'type: hmac, header: X-Signature, timestamp_header: X-Time, signed: "{timestamp}"',
    ],
)
def test_to_want_more_than_a_vendor_signs_is_warned_of(more: str, tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    for trust, warned in (("fields", True), ("timestamp", False)):
        path.write_text(f"version: 1\nsources: {{live: {{{more}, keys: [{'k' * 32}], min_trust: {trust}}}}}\n", "utf-8")
        found = [one for one in load(path, environ={}).warnings if "lets nobody in" in one.found]
        assert bool(found) is warned
