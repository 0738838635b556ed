"""docs/event.md and docs/sources.md say what the code does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway import (
    ALARM_TYPES,
    EVENT_TYPES,
    Alarm,
    Archived,
    Cause,
    Event,
    File,
    Measured,
    Scene,
    Source,
    Trust,
    Untrusted,
    from_document,
    to_document,
)
from gateway.config.load import Loaded, load
from gateway.fields import format_duration
from gateway.plugin.registry import Registry
from gateway.testing import NOW, callback
from plugins.sources.huawei_live import HuaweiLive, HuaweiLiveOptions
from plugins.vendors.huawei_live.signature import USUAL_SPELLINGS
from tests.sources.vendors import make

DOCS = Path(__file__).parents[2] / "docs"
EVENT = (DOCS / "event.md").read_text("utf-8")
SOURCES = (DOCS / "sources.md").read_text("utf-8")
KEY = "demo-key-of-the-documentation-0001"
RECEIVED_AT = datetime(2020, 3, 8, 14, 12, 27, 31000, UTC)


def block(text: str, kind: str) -> str:
    (found,) = re.findall(rf"```json {kind}\n(.*?)```", text, re.DOTALL)
    return found


def table(text: str, heading: str) -> dict[str, list[str]]:
    """The rows below a heading: what stands in backticks first, and the other cells."""
    section = text.split(f"\n{heading}\n", 1)[1].split("\n#", 1)[0]
    rows = re.findall(r"^\| `([^`]+)` \|(.*)\|$", section, re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split(" | ")] for name, rest in rows}


def documented() -> Event:
    options = {"keys": [KEY], "domains": ["push.example.com"], "apps": ["live"]}
    source = HuaweiLive("live", HuaweiLiveOptions.model_validate(options))
    received = callback(block(EVENT, "callback").encode(), received_at=RECEIVED_AT)
    (event,) = source.normalise(received, source.verify(received))
    return event


def test_the_example_is_what_the_source_makes_of_the_callback() -> None:
    event = documented()
    assert to_document(event) == json.loads(block(EVENT, "event"))
    again = from_document(json.loads(block(EVENT, "event")), raw=event.raw)
    assert to_document(again) == to_document(event)


def test_every_field_is_described_where_it_stands_and_no_other() -> None:
    document = json.loads(block(EVENT, "event"))
    around = list(table(EVENT, "## Around it"))
    assert [name for name in around if name not in {"supersedes", "cause", "depth", "reconciled"}] == list(document)
    follow_up = replace(documented(), supersedes="another", cause=Cause("1", "archive"), depth=1, reconciled=True)
    assert around == list(to_document(follow_up))
    assert table(EVENT, "## Inside `data`").keys() == document["data"].keys()
    look = Measured(at=RECEIVED_AT, by="archive")
    known = File(expires_at=RECEIVED_AT, sha256="00", measured=look, confirmed=look, archived=Archived(url="s3://a/b"))
    whole = to_document(replace(documented(), files=(known,)))["data"]["files"][0]
    assert list(table(EVENT, "## Inside each of `files`")) == list(whole)
    described = {**table(EVENT, "## Around it"), **table(EVENT, "## Inside `data`")}
    assert list(table(EVENT, "## Alarms")) == list(ALARM_TYPES)
    assert list(table(EVENT, "### Inside `data` of an alarm")) == list(Alarm.__struct_fields__)
    told_in_words = {"alarm", "raw", "raw_type", "variant"}
    assert set(Event.__struct_fields__) - told_in_words == described.keys() & set(Event.__struct_fields__)
    assert list(File.__struct_fields__) == list(table(EVENT, "## Inside each of `files`"))


def test_every_type_and_every_trust_is_described() -> None:
    assert list(table(EVENT, "## Types")) == list(EVENT_TYPES)
    assert list(table(EVENT, "## Trust")) == list(Trust)


@pytest.mark.parametrize("name", ["raw", "stream", "files", "error", "source"])
def test_what_is_said_of_python_is_so(name) -> None:
    assert hasattr(documented(), name)


# --- sources.md


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


EXAMPLES = re.findall(r"```yaml\n(.*?)```", SOURCES, re.DOTALL)
WHSEC = "whsec_" + "c2VjcmV0" * 6
TYPES = Registry().source_types()
SECTIONS = dict(re.findall(r"\n## ([a-z0-9-]+)\n(.*?)(?=\n## |\Z)", SOURCES, re.DOTALL))


def loaded(text: str, folder: Path) -> Loaded:
    path = folder / "gateway.yaml"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    names = re.findall(r"\$\{([A-Z_]+)\}", text)
    values = {"SHARED_SECRET": WHSEC, "DAILY_HMAC": base64.b64encode(b"k" * 32).decode()}
    return load(path, environ={name: values.get(name, "kn"[n % 2] * 32) for n, name in enumerate(names)})


def source_of(text: str, folder: Path) -> Source:
    found = loaded(text, folder)
    settings = found.settings.sources["live"]
    return found.registry.source(settings.type)("live", settings.options)


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
            assert make(name).ages is (ages == "yes"), name


def test_what_a_captured_callback_is_worth_is_said_of_every_type() -> None:
    rows = table(SOURCES, "### What the holder of one captured callback can change")
    assert sorted(rows) == sorted(TYPES)
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


GALLERY: dict[str, tuple[dict[str, Any], Callable[[bytes], dict[str, str]], tuple[str, str | None]]] = {
    "# Daily.co": (
        {"type": "recording.ready-to-download", "id": "1", "event_ts": 1700000000.5, "payload": {"room_name": "room"}},
        lambda body: {
            "X-Webhook-Timestamp": str(AT),
            "X-Webhook-Signature": base64.b64encode(_hmac(b"%d.%b" % (AT, body))).decode(),
        },
        ("recording.file.completed", "room"),
    ),
    "# api.video": (
        {"type": "video.source.recorded", "emittedAt": "2024-01-01T00:00:00Z", "videoId": "v", "liveStreamId": "room"},
        lambda body: {"X-Api-Video-Signature": _hmac(body).hex()},
        ("recording.file.completed", "room"),
    ),
    "# Tencent RTC": (
        {"EventGroupId": 3, "EventType": 301, "CallbackTs": 1752580150082, "EventInfo": {"RoomId": 20015}},
        lambda body: {"Sign": base64.b64encode(_hmac(body)).decode(), "SdkAppId": "1"},
        ("recording.started", "20015"),
    ),
    "# Huawei SparkRTC": (
        {"event_type": "RECORD_FILE_COMPLETE", "stream_name": "room", "app_id": "a", "job_id": "j", "file_size": 5},
        lambda body: {
            "X-Rtc-Rand": "r4nd",
            "X-Rtc-Timestamp": str(AT),
            "X-Rtc-Signature": _hmac(b"r4nd%d%b" % (AT, body)).hex(),
        },
        ("recording.file.completed", "room"),
    ),
    "# Bunny Stream": (
        {"VideoLibraryId": 133, "VideoGuid": "657b", "Status": 3},
        lambda body: {"X-BunnyStream-Signature": _hmac(body).hex()},
        ("recording.file.completed", None),
    ),
    "# a signature in the manner of GitHub": (
        {"a": 1},
        lambda body: {"X-Hub-Signature-256": f"sha256={_hmac(body).hex()}"},
        ("recording.unknown", None),
    ),
    "# a signature in the manner of Stripe": (
        {"a": 1},
        lambda body: {"X-Signature": f"t={AT},v1={_hmac(b'%d.%b' % (AT, body)).hex()},v0=old"},
        ("recording.unknown", None),
    ),
}
AT = int(NOW.timestamp())


def _hmac(text: bytes) -> bytes:
    return hmac.new(b"k" * 32, text, hashlib.sha256).digest()


@pytest.mark.parametrize("title", GALLERY)
def test_each_vendor_of_the_gallery_is_understood_as_it_signs(title: str, tmp_path: Path) -> None:
    (text,) = [text for text in EXAMPLES if text.startswith(title)]
    said, headers, (type, stream) = GALLERY[title]
    source = source_of(text, tmp_path)
    body = json.dumps(said, indent="\t").encode()
    received = callback(body, headers=headers(body))
    verified = source.verify(received)
    (event,) = source.normalise(received, verified)
    assert (event.type, event.stream, event.problems, verified.trust) == (type, stream, (), Trust.BODY)
    with pytest.raises(Untrusted):
        source.verify(callback(body + b" ", headers=headers(body)))


def test_every_vendor_of_the_gallery_is_tried() -> None:
    assert [text.splitlines()[0] for text in EXAMPLES if text.startswith("#")] == [
        line for line in SOURCES.splitlines() if any(line.startswith(title) for title in GALLERY)
    ]


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
