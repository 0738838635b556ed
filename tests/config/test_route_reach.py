"""A route that no event can match is told with its place and the reason; one that some event may match never is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.config import route_reach
from gateway.config.load import load
from gateway.model import EVENT_TYPES
from tests.config.configs import KEY

_LIVE = f"live: {{type: huawei-live, keys: [{KEY}], domains: [push.example.com], apps: [live, vod], sign_type: hmac-sha256-fields}}"
_ANY = f"any: {{type: huawei-live, keys: [{KEY}], sign_type: hmac-sha256-fields, stream_events: true}}"
_MUX = f"mux: {{type: mux, keys: [{KEY}]}}"
_OWN = f"own: {{type: hmac, keys: [{KEY}], header: X-Sign, event: {{type: body.type}}}}"
_RELAY = "relay: {type: standard-webhooks, secrets: [whsec_ZGVtbyBzZWNyZXQgdGhhdCBldmVyeWJvZHkga25vd3M=]}"


def _said(folder: Path, sources: Sequence[str], *routes: str, more: str = "") -> list[str]:
    lines = ["sources:", *(f"  {one}" for one in sources), "sinks: {ops: {type: console}}", "routes:"]
    file = folder / "gateway.yaml"
    file.write_text("\n".join([*lines, *(f"  - {one}" for one in routes), more]))
    file.chmod(0o600)
    warnings = load(file).warnings
    assert all(one.line for one in warnings)
    return [str(one) for one in warnings if one.path.startswith("routes.")]


@pytest.mark.parametrize(
    ("sources", "match", "wanted"),
    [
        ([_LIVE], "provider: huawei", ["match.provider: provider is never 'huawei'", "did you mean huawei-live?"]),
        ([_LIVE], "domain: push.example.org", ["domain is never 'push.example.org'", "did you mean push.example.com?"]),
        ([_LIVE], "domain: '*.org'", ["domain is never '*.org'", "the sources take: push.example.com"]),
        ([_LIVE], "app: [live, Vod]", ["routes.0.match.app.1: app is never 'Vod'"]),
        ([_LIVE], "trust: [none, body]", ["trust is never 'none' or 'body'", "'live' brings timestamp, fields"]),
        ([_LIVE, _MUX], "type: stream.ended", ["type is never 'stream.ended'", "none of these brings it: live, mux"]),
        ([_LIVE], "type: recording.overdue", ["only a rule of `watch` makes it"]),
        ([_MUX], "app: live", ["app is never 'live'", "no source of these has it: mux"]),
        ([_OWN], "stream: vip", ["stream is never 'vip'", "no source of these has it: own"]),
        ([_LIVE, _MUX], "source: mux, app: live", ["source of 'live' is never 'mux'; app of 'mux' is never 'live'"]),
        ([_LIVE], "type: gateway.sink.*, source: live", ["source of 'the gateway itself' is never 'live'"]),
    ],
)
def test_a_route_that_no_source_can_fill_is_told(
    tmp_path: Path, sources: Sequence[str], match: str, wanted: Sequence[str]
) -> None:
    said = _said(tmp_path, sources, f"{{match: {{{match}}}, to: ops}}")
    assert len(said) == 1
    assert all(text in said[0] for text in wanted), said


@pytest.mark.parametrize(
    ("sources", "match"),
    [
        ([_ANY], "domain: push.example.org, app: x, type: stream.ended"),
        ([_LIVE, _RELAY], "provider: mux, domain: push.example.org, type: recording.overdue"),
        ([_LIVE], "domain: ['*.example.com', 'push.*'], app: 'l*'"),
        ([_LIVE], "trust: [fields, body]"),
        ([_LIVE], "type: [recording.archived, 'recording.*'], provider: 'huawei*'"),
        ([_LIVE, _MUX], "source: [live, mux], domain: push.example.com"),
        ([_MUX], "type: ['gateway.*', recording.failed], source: [gateway, mux]"),
        ([_MUX], "stream: x, format: mp4, project_id: p"),
    ],
)
def test_a_route_that_some_event_may_match_is_no_warning(tmp_path: Path, sources: Sequence[str], match: str) -> None:
    assert _said(tmp_path, sources, f"{{match: {{{match}}}, to: ops}}") == []


@pytest.mark.parametrize(
    ("route", "wanted"),
    [
        ("match: {}", "`match` holds no condition, so every event fits"),
        ("where: 'false'", "`where` asks nothing of the event"),
        ("match: {stream: x}, where: '1 == 1'", "`where` asks nothing of the event"),
    ],
)
def test_a_condition_that_is_none_is_told(tmp_path: Path, route: str, wanted: str) -> None:
    (said,) = _said(tmp_path, [_ANY], f"{{{route}, to: ops}}")
    assert wanted in said


@pytest.mark.parametrize(
    ("match", "wanted"),
    [
        ("stream: '^vip-.*$'", "event.data.stream.matches"),
        ("stream: 'vip-.*'", "`*` alone is any text"),
        ("stream: 'vip-[0-9]+'", "a regular expression goes into `where`"),
        ("stream: '(vip|main)'", "a regular expression goes into `where`"),
        ("stream: 'a, b'", "several are a list: [a, b]"),
        ("type: 'recording.failed, recording.ended'", "several are a list: [recording.failed, recording.ended]"),
    ],
)
def test_a_glob_that_was_meant_as_something_else_is_told(tmp_path: Path, match: str, wanted: str) -> None:
    (said,) = _said(tmp_path, [_ANY], f"{{match: {{{match}}}, to: ops}}")
    assert wanted in said


@pytest.mark.parametrize(
    "stream", ["vip-*", "v1.*", "a.b-*", "[a,b]*", "x[0-9]", "(live)", "a+b", "100$-x", "a?b", "[[]1]*", "-*.-"]
)
def test_a_glob_that_may_be_meant_is_no_warning(tmp_path: Path, stream: str) -> None:
    assert _said(tmp_path, [_ANY], f"{{match: {{stream: '{stream}'}}, to: ops}}") == []


def test_what_a_watch_makes_may_be_routed(tmp_path: Path) -> None:
    rule = "watch: [{name: a, when: {type: recording.started}, expect: recording.ended, within: 1h}]"
    assert _said(tmp_path, [_LIVE], "{match: {type: recording.overdue}, to: ops}", more=rule) == []


def test_a_vendors_list_may_bring_more_trust_than_its_callbacks(tmp_path: Path) -> None:
    asks = (
        _LIVE[:-1]
        + ", reconcile: {project_id: p0123456789abcdef, access_key: AK12345678901234, secret_key: SK12345678901234, "
    )
    assert _said(tmp_path, [asks + "region: cn-north-4}}"], "{match: {trust: body}, to: ops}") == []


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ("match: {stream: 'vip-*'}", "match: {stream: vip-7, type: recording.failed}"),
        ("match: {type: 'recording.*'}", "match: {type: [recording.failed, recording.archived]}"),
        ("match: {source: live}", "match: {app: vod}"),
        ("match: {provider: 'huawei-*', app: [live, vod]}", "match: {type: recording.failed}"),
    ],
)
def test_a_route_behind_one_that_takes_all_of_it_is_told(tmp_path: Path, first: str, later: str) -> None:
    said = _said(
        tmp_path, [_LIVE], f"{{name: first, {first}, to: ops, stop: true}}", f"{{name: later, {later}, to: ops}}"
    )
    assert len(said) == 1
    assert "'later' is never reached: 'first' before it matches all that it does and stops" in said[0]


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ("stop: true", "match: {type: 'gateway.*'}"),  # a route without conditions takes no alarm, and no follow-up
        ("stop: true", "match: {type: recording.archived}"),
        ("match: {type: '*'}, stop: true", "match: {type: recording.missing}"),
        ("match: {type: 'recording.*'}, stop: true", "match: {stream: x}"),
        ("match: {stream: 'vip-*'}, stop: true", "match: {stream: ['vip-1', main]}"),
        ("match: {stream: 'vip-*', app: live}, stop: true", "match: {stream: vip-1}"),
        ("match: {stream: '*-1'}, stop: true", "match: {stream: 'vip-*'}"),
        ("match: {stream: '*'}, stop: true", "match: {app: live}"),  # an event without a stream matches no glob
        ("match: {stream: 'vip-*'}", "match: {stream: vip-1}"),
    ],
)
def test_a_route_that_something_may_reach_is_no_warning(tmp_path: Path, first: str, later: str) -> None:
    sources = [_LIVE, _ANY]
    assert _said(tmp_path, sources, f"{{name: first, {first}, to: ops}}", f"{{name: later, {later}, to: ops}}") == []


def test_of_a_source_that_could_not_be_read_nothing_is_said_to_be_impossible(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(
        "sources: {live: {type: huawei-live, key: x}}\nsinks: {ops: {type: console}}\n"
        "routes: [{match: {source: live, app: x}, to: ops}]\n"
    )
    from gateway.config.document.diagnostics import ConfigError

    with pytest.raises(ConfigError) as refused:
        load(file)
    assert not [one for one in refused.value.warnings if "never" in str(one)]


def test_the_types_of_a_source_are_types(tmp_path: Path) -> None:
    assert _said(tmp_path, [_ANY], *(f"{{name: '{n}', match: {{type: {one}}}, to: ops}}" for n, one in enumerate(EVENT_TYPES)
                 if not one.endswith(("overdue", "recovered")))) == []  # fmt: skip


def test_of_thousands_of_routes_that_stop_few_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    covers = route_reach._covers
    monkeypatch.setattr(route_reach, "_covers", lambda *routes: compared.append("") or covers(*routes))
    routes = [f"{{match: {{stream: s{n}}}, to: ops, stop: true}}" for n in range(300)]
    assert _said(tmp_path, [_ANY], *routes) == []
    assert len(compared) <= 300 * 50
