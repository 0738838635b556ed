"""Requests that templates and expressions make: each value encoded where it stands, the target never theirs, mistakes told."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway import ALARM_TYPES, EVENT_TYPES, SigV4, sample, to_document, verify_webhook
from gateway.testing import NOW, FrozenClock, HttpSinkPromises, ScriptedServer, cases, delivery, event
from plugins.sinks.cards import sandbox
from plugins.sinks.cards.text import Invalid
from plugins.sinks.forward import Forward
from plugins.sinks.forward.shape.filler import Shape, shape_of
from plugins.sinks.forward.shape.parts import Parts
from plugins.sinks.forward.signers import wire_url
from tests.sinks.test_forward import OLD, SIGN, forwarding
from tests.sinks.test_forward_clouds import AWS, sent

JSON = '{"inside": "x {{ event.data.stream }} y", "outside": {{ event.data.stream }}, "{{ event.data.app }}k": 1}'
XML = "<a b=\"{{ event.data.stream }}\" c='{{ event.data.stream }}'><!-- \"' --><d>{{ event.data.stream }}</d><![CDATA[<]]></a>"
FORM = "a={{ event.data.stream }}\n  &{{ event.data.app }}k=1"
TARGET = "https://h.example:8443/x/{{ event.data.stream }}/y{{ event.data.app }}?q={{ event.data.stream }}&{{ event.data.app }}k=1"
HEADER = 'T "{{ event.data.stream }}"'
SHAPES = {
    "json": shape_of(Parts(body=JSON)),
    "xml": shape_of(Parts(body=XML, kind="xml")),
    "form": shape_of(Parts(body=FORM, kind="form")),
    "request": shape_of(Parts(url=TARGET, headers=(("X-A", HEADER),))),
    "cel": shape_of(Parts(cel='{"a": event.data.stream, "b": [event.data.stream + "x"]}')),
}


class TestShapedByATemplateKeepsThePromises(HttpSinkPromises):
    sink = Forward

    def options(self, url: str) -> Mapping[str, Any]:
        return {
            "url": url + "/{{ event.id }}?a={{ event.type }}&token={{ secrets.key }}",
            "method": "{% if event.type == 'x' %}POST{% else %}PUT{% endif %}",
            "body": {"template": '{"id": {{ event.id }}, "key": "{{ secrets.key }}", "all": {{ event.data }}}'},
            "headers": {"X-Stream": "{{ event.data.stream }}", "Authorization": "Bearer a-shaped-canary-token"},
            "secrets": {"key": "shaped-canary-secret"},
            "sign": SIGN,
        }


class TestShapedByAnExpressionKeepsThePromises(HttpSinkPromises):
    sink = Forward

    def options(self, url: str) -> Mapping[str, Any]:
        return {"url": f"{url}/", "body": {"cel": '{"id": event.id, "at": timestamp(event.data.received_at)}'}}


hostile = st.text(max_size=40) | st.sampled_from(
    [str(case.value) for case in cases("stream", "path", "url") if len(str(case.value)) < 3000]
) | st.sampled_from(
    ["//evil.example", "@evil.example", "\\evil", "a\r\nHost: evil", "..", ".", "%2e%2e", "%", "%0d%0a", "/../", "#", "?",
     "&", "=", '"', "'", "<", ">", "]]>", "-->", "\\", "{{ 7 }}", "\x00", "\u2028", "\ufeff", "\uffff", "😀", "a" * 3000]
)  # fmt: skip


def named(stream: str, app: str) -> Any:
    return event(stream=stream, app=app)


@given(hostile, hostile)
def test_no_value_leaves_its_place_in_a_body(stream: str, app: str) -> None:
    one = named(stream, app)
    said = json.loads(SHAPES["json"].fill(one, {}).body or b"")
    assert said == {"inside": f"x {one.stream} y", "outside": one.stream, f"{one.app}k": 1}
    root = ElementTree.fromstring(SHAPES["xml"].fill(one, {}).body or b"")
    assert [child.tag for child in root.iter()] == ["a", "d"]
    assert set(root.attrib) == {"b", "c"}
    seen = re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", one.stream)
    assert root.attrib["b"] == root.attrib["c"] == root[0].text if seen else root[0].text is None
    assert root.attrib["b"] == seen
    pairs = parse_qsl((SHAPES["form"].fill(one, {}).body or b"").decode(), keep_blank_values=True, strict_parsing=True)
    assert pairs == [("a", one.stream), (f"{one.app}k", "1")]
    assert json.loads(SHAPES["cel"].fill(one, {}).body or b"") == {"a": one.stream, "b": [one.stream + "x"]}


@given(hostile, hostile)
@example("..", "x")
@example("a", "..")
@example("%2e%2e", "/")
def test_no_value_leads_elsewhere_or_adds_a_header(stream: str, app: str) -> None:
    one = named(stream, app)
    try:
        filled = SHAPES["request"].fill(one, {})
    except Invalid:
        filled = None
    if filled is None:
        assert one.stream in {"", ".", ".."} or not one.app or len(one.stream) > 100
        return
    assert filled.url
    wire = httpx.URL(wire_url(filled.url))
    assert (wire.scheme, wire.host, wire.port, wire.userinfo, wire.fragment) == ("https", "h.example", 8443, b"", "")
    path, _, query = wire.raw_path.decode().partition("?")
    assert [unquote(part) for part in path.split("/")] == ["", "x", one.stream, f"y{one.app}"]
    assert parse_qsl(query, keep_blank_values=True) == [("q", one.stream), (f"{one.app}k", "1")]
    header = filled.headers["x-a"]
    assert re.fullmatch(r'T "[\x20-\x7e]*"', header)
    assert header.count('"') == 2
    assert unquote(header[3:-1]) == one.stream


@pytest.mark.parametrize(
    "stream", ["//evil.example/x", "@evil", "a\r\nHost: evil\r\n\r\nGET / HTTP/1.1", "%0d%0aX: y", "\\..\\", "a?b#c"]
)
async def test_one_request_goes_out_and_where_the_configuration_says(stream: str) -> None:
    one = event(stream=stream)
    async with ScriptedServer() as server:
        url = server.url + "/hooks/{{ event.data.stream }}/end?s={{ event.data.stream }}"
        options: dict[str, Any] = {"headers": {"X-S": "{{ event.data.stream }}"}, "body": {"template": JSON}}
        async with forwarding(url, sign=[SIGN, AWS], **options) as sink:
            await sink.deliver(delivery(one))
        [got] = server.received
    parts = urlsplit(got.target)
    assert [unquote(part) for part in parts.path.split("/")] == ["", "hooks", one.stream, "end"]
    assert parse_qsl(parts.query) == [("s", one.stream)]
    assert f"http://{got.header('host')}" == server.url
    assert unquote(got.header("x-s") or "") == one.stream
    assert not got.header("x")
    assert verify_webhook(got.body, dict(got.headers), OLD, now=NOW) == one.id
    headers = {name: value for name, value in sent(got).items() if name not in {"authorization", "x-amz-date"}}
    key = SigV4("AKIDEXAMPLE", str(AWS["secret_key"]), "eu-central-1", "lambda")
    made = key.sign("POST", server.url + got.target, headers, got.body, NOW)
    assert made["authorization"] == got.header("authorization")  # what is signed is what was made


async def test_a_part_that_is_no_template_stays_as_it_was_with_any_body() -> None:
    async with ScriptedServer() as server:
        url = server.url + "/{{ event.data.app }}/"
        async with forwarding(
            url, method="{{ 'delete' }}", headers={"X-A": "{{ event.data.about }}", "X-B": "b"}
        ) as sink:
            await sink.deliver(delivery(event(app="live")))
        [got] = server.received
    assert (got.method, got.target, got.header("x-b")) == ("DELETE", "/live/", "b")
    assert "x-a" not in dict(got.headers)  # nothing came of it, so it is not there
    assert json.loads(got.body) == to_document(event(app="live"))


@pytest.mark.parametrize(
    ("options", "body", "kind"),
    [
        ({"body": "template", "template": '[{{ event.id }}]'}, b'["x"]', "application/json"),
        ({"body": {"template": "[{{ event.id }}]"}, "content_type": "application/vnd.x+json"}, b'["x"]', "application/vnd.x+json"),
        ({"body": {"template": "<a>{{ event.id }}</a>"}, "content_type": "text/xml; charset=utf-8"}, b"<a>x</a>", "text/xml; charset=utf-8"),
        ({"body": {"cel": "[event.id]"}, "sign": SIGN}, b'["x"]', "application/json"),
        ({"body": {"cel": "[event.id, secrets.a]"}, "secrets": {"a": "b"}}, b'["x","b"]', "application/json"),
        ({"body": {"cel": '{"b": 1, "a": {"d": null, "c": b"\\xff", "e": duration("90s")}}'}},
         b'{"a":{"c":"/w==","d":null,"e":"90s"},"b":1}', "application/json"),
        ({"body": {"template": '{"n": {{ event.data.about }}, "e": "{{ event.data.about }}"}'}},
         b'{"n": null, "e": ""}', "application/json"),
        ({"body": {"template": '{"t": {{ event.time | epoch }}, "m": {{ event.time | epoch_ms }}}'}},
         b'{"t": 1767225600, "m": 1767225600500}', "application/json"),
        ({"body": {"template": '["\\"{{ event.id }}\\n"]'}}, b'["\\"x\\n"]', "application/json"),
        ({"body": {"template": '{"t": {{ event.data.problems[1] | epoch }}, "m": {{ event.data.files | epoch_ms }}}'}},
         b'{"t": null, "m": null}', "application/json"),
        ({"body": {"template": "<a><!-- {% if event.id %}1{% endif %} --> <b/>{{ event.data.extra.on }} and {{ event.data.extra.off }}</a>"},
          "content_type": "text/xml"}, b"<a><!-- 1 --> <b/>true and false</a>", "text/xml"),
        ({"body": {"template": '{"j": "{{ event.data.files | json }}"}'}}, b'{"j": "[]"}', "application/json"),
        ({"body": {"template": '["{{ event.data.problems | join("+") }}"]'}}, b'["' + b"p" * 3000 + b'+q"]', "application/json"),
    ],
    ids=range(13),
)  # fmt: skip
async def test_a_body_is_what_its_template_or_expression_makes(options: dict[str, Any], body: bytes, kind: str) -> None:
    extra = {"on": True, "off": False}
    one = event(
        id="x", files=(), extra=extra, problems=("p" * 3000, "q"), time=datetime(2026, 1, 1, 0, 0, 0, 500_000, UTC)
    )
    async with ScriptedServer() as server, forwarding(server.url, **options) as sink:
        await sink.deliver(delivery(one))
        [got] = server.received
    assert (got.body, got.header("content-type")) == (body, kind)


@pytest.mark.parametrize("kind", [*EVENT_TYPES, *ALARM_TYPES])
def test_a_part_of_the_event_is_written_as_it_is_forwarded(kind: str) -> None:
    one = sample(kind)
    said = json.loads(shape_of(Parts(body="{{ event }}")).fill(one, {}).body or b"")
    assert said == to_document(one)


def test_loops_are_cut_off_by_the_time_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "RENDER_SECONDS_MAX", 0.05)
    heavy = (
        "{% for a in event.data.extra.l %}"
        + "{% if event.data.extra.t"
        + 90 * "|upper"
        + " %}{% endif %}{% endfor %}[]"
    )
    shape = Shape(Parts(body=heavy))
    began = time.thread_time()
    with pytest.raises(Invalid, match="its loops take too long"):
        shape.fill(event(extra={"l": list(range(1900)), "t": "x" * 60_000}), {})
    assert time.thread_time() - began < 1


async def test_the_same_event_makes_the_same_bytes_at_each_attempt() -> None:
    clock = FrozenClock()
    many = ", ".join(f'"k{number}": event.id' for number in range(20))
    async with ScriptedServer() as server, forwarding(server.url, clock, body={"cel": f"{{{many}}}"}) as sink:
        for attempt in (1, 2, 3):
            await sink.deliver(delivery(event(), attempt=attempt))
            clock.advance(60)
        assert len({got.body for got in server.received}) == 1
