"""Templates: what they can do, what none of them can, and that a wrong one is found before it is needed."""

from __future__ import annotations

import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway import FILE_COMPLETED, RECORDING_FAILED, Fault, File
from gateway.config.document.diagnostics import ConfigError
from gateway.config.load import load
from gateway.events.samples import largest
from gateway.testing import ScriptedServer, delivery, event
from plugins.sinks.cards.sandbox import OUTPUT_CHARS_MAX
from plugins.sinks.cards.template import Template, try_out
from plugins.sinks.cards.text import Invalid
from plugins.sinks.chat.chat_service import service

from .conftest import ALL, YES, chatting, view


def rendered(text: str, one: Any = None, *, escape: Any = None, strict: bool = True, **shown: Any) -> str:
    return Template(text, escape, view(**shown)).render(one or event(), strict=strict)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("plain", "plain"),
        ("{{ event.data.stream }}", "mystream"),
        ("{{ event.type }} {{ event.subject }}", "recording.file.completed push.example.com/live/mystream"),
        ("{{ event.data.files[0].size_bytes | size }}", "3.96 MB"),
        ("{{ event.data.files[0].duration_seconds | duration }}", "2分"),
        ("{{ event.time | time }}", "2026-01-01 20:02:00 +08:00"),
        ("{{ event.data.files[0].play_url | url }}", "https://play.example.com/live/mystream/index.m3u8"),
        ("{{ event.data.error.message }}", ""),
        ("{{ event.data.error.message | default('no error') }}", "no error"),
        ("{{ event.data.files[9].storage.bucket }}", ""),
        ("{{ event.data.extra.anything.below }}", ""),
        ("{% if event.data.error %}bad{% else %}good{% endif %}", "good"),
        ("{{ 'a' if event.data.app == 'live' else 'b' }}", "a"),
        ("{% for f in event.data.files %}{{ loop.index }}/{{ loop.length }}:{{ f.format }};{% endfor %}", "1/1:hls;"),
        ("{% for f in event.data.error %}x{% else %}none{% endfor %}", "none"),
        ("{{ event.data.stream | upper | lower | trim }}", "mystream"),
        ("{{ 'abcdef' | cut(4) }}", "abc…"),
        ("{{ [1, none, 'b'] | join('-') }}", "1--b"),
        ("{{ event.data.files | length }}{{ event.data.app | first }}{{ event.data.app | last }}", "1le"),
        ("{{ event.data.error | first }}{{ event.data.error | length }}", "0"),
        ("{{ event.data.files[0].width + 1 - 1 }}", "1280"),
        ("{{ (event.data.files[0].size_bytes / 1000000) | round(1) }}", "4.0"),
        ("{{ 2.5 | round }} {{ '3' | number }} {{ 'x' | number(7) }}", "2 3.0 7"),
        ("{{ true }} {{ none }}", "true"),
        ("{# a comment #}{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("{{ event.data.stream is defined and event.data.format in ['hls', 'flv'] }}", "true"),
        ("{{ 'x' | size }}{{ 'x' | duration }}{{ 5 | time }}{{ 'x' | time }}{{ 5 | url }}{{ 'tg://x' | url }}", ""),
        ("{{ event.data.files[0] | join }}", ""),
    ],
)
def test_what_templates_can_say(text: str, made: str) -> None:
    assert rendered(text) == made


# J01 to J04 of the hostile corpus, and their relatives
CLOSED = [
    "{{ 'a'*100000000 }}",
    "{{ 10**5000000 }}",
    "{{ ''.__class__.__mro__ }}",
    "{{ '{:>99999999}'.format(1) }}",
    "{{ '%0999999999d' % 1 }}",
    "{{ '%0999999999d'|format(1) }}",
    "{{ event['__class__'] }}",
    "{{ event.data.__class__ }}",
    "{{ event.items() }}",
    "{{ event.items }}",
    "{{ event.data.stream.upper }}",
    "{{ event.data.files.append }}",
    "{{ range(10) }}",
    "{{ lipsum }}",
    "{{ cycler }}",
    "{{ self }}",
    "{{ config }}",
    "{{ loop.cycle('a') }}",
    "{% for f in event.data.files %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for f in event.data.files %}{{ loop.changed }}{% endfor %}",
    "{{ 'a' ~ 'b' }}",
    "{{ 'a' + 'b' }}",
    "{{ [1] + [2] }}",
    "{{ 7 // 2 }}",
    "{{ 7 % 2 }}",
    "{{ 7 * 7 }}",
    "{{ 10 / 0 }}",
    "{{ -'a' }}",
    "{% set a = 1 %}",
    "{% macro m() %}{% endmacro %}",
    "{% call m() %}{% endcall %}",
    "{% block b %}{% endblock %}",
    "{% include 'x' %}",
    "{% import 'x' as x %}",
    "{% extends 'x' %}",
    "{% filter upper %}x{% endfilter %}",
    "{% autoescape true %}x{% endautoescape %}",
    "{% with a = 1 %}{% endwith %}",
    "{% for a in [1] %}{% for b in [1] %}{% for c in [1] %}{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in event recursive %}{{ loop(a) }}{% endfor %}",
    "{% for c in event.data.stream %}{% endfor %}",
    "{% for c in 5 %}{% endfor %}",
    "{{ event }}",
    "{{ event.data.files }}",
    "{{ {'a': 1} }}",
    "{{ event.data.files[:1] }}",
    "{{ 1 | round(5000000, 'ceil') }}",
    "{{ event.data.stream | replace('a', 'b') }}",
    "{{ event.data.stream | center(999999999) }}",
    "{{ event.data.stream | tojson }}",
    "{{ event.data.stream | attr('upper') }}",
    "{{ event.data.files | map('upper') }}",
    "{{ event.data.stream is callable }}",
    "{{ _turns }}",
    "{{ event.data.stream | _turns }}",
    "{{ event.data.files[none] }}",
    "{{ event[0] }}",
    "{{ 9 | length > 'x' }}",
    "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "{{ " + "not " * 1900 + "1 }}",
    "{% if 1 %}" * 330 + "x" + "{% endif %}" * 330,
    "{{ x",
    "{% if %}",
    "x" * 8193,
    "{% for a in [" + "1," * 1500 + "] %}{% for b in [1, 2] %}{% endfor %}{% endfor %}",
    "{% for a in [" + "1," * 40 + "] %}{% for b in [" + "1," * 40 + "] %}" + "x" * 60 + "{% endfor %}{% endfor %}",
    "{{ evnt.data }}",
    "{{ evnt }}",
    "{% if evnt %}{% endif %}",
    "{{ event.data.strem }}",
    "{{ event.data.files[0].size_bytes > 5 }}",
    "{{ event.data.error.code > 5 }}",
]


@pytest.mark.parametrize("text", CLOSED, ids=lambda text: text[:40])
def test_what_no_template_can_do_is_found_at_once_and_cheaply(text: str) -> None:
    began = time.thread_time()
    with pytest.raises(Invalid) as wrong:
        try_out(text, None, "UTC", "en", "full")
    assert time.thread_time() - began < 1.0
    tracemalloc.start()  # which takes several times as long
    with pytest.raises(Invalid):
        try_out(text, None, "UTC", "en", "full")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 2**20
    assert 5 < len(str(wrong.value)) < 500
    assert str(wrong.value).isprintable()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\nb {{ x", "line 2"),
        ("\n\n{% set a = 1 %}", "line 3: assign cannot be used"),
        ("{{ event.data.strem }}", "did you mean 'stream'? (tried on a full recording.started)"),
        ("{{ event.date }}", "did you mean 'data'?"),
        ("{{ event.data.qqqqq }}", "there are: provider, "),
        ("{{ evnt.data }}", "'evnt' is undefined"),
        ("{{ event.data.files[0].size_bytes > 5 }}", "tried on a full recording.started"),
        ("{{ event.data.stream | nofilter }}", "No filter named 'nofilter'"),
        ("{{ '😀' * 3 }}", "mul cannot be used"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_a_near_miss(text: str, words: str) -> None:
    with pytest.raises(Invalid) as wrong:
        try_out(text, None, "UTC", "en", "full")
    assert words in str(wrong.value)


def test_a_value_cannot_become_a_template() -> None:
    hostile = event(stream="{{ 7 * 7 }}{% set a = 1 %}", app="{{ event }}")
    assert "49" not in rendered("{{ event.data.stream }}", hostile)


def test_values_are_on_one_line_and_clean_and_the_templates_own_lines_stay() -> None:
    made = rendered("a\n{{ event.data.stream }}\nb", event(stream="x\ny\u202e"))
    assert made == "a\nx\\ny\\u202e\nb"


@pytest.mark.parametrize("name", ALL)
def test_a_templates_own_markup_stays_and_values_are_escaped(name: str) -> None:
    escape = service(name).escape
    made = rendered(
        "**<b>[x](https://own.example)</b>** {{ event.data.stream }}", event(stream="<b>*x*"), escape=escape
    )
    assert made == f"**<b>[x](https://own.example)</b>** {escape('<b>*x*')}"


def test_an_address_through_the_filter_is_spelt_safely_and_obeys_links() -> None:
    one = event(files=(File(play_url="https://p.example.com/a_b(1).m3u8?k=<x>|y"),))
    escape = str.upper
    text = "{{ event.data.files[0].play_url | url }}"
    assert rendered(text, one, escape=escape) == "https://p.example.com/a_b%281%29.m3u8?k=%3Cx%3E%7Cy"
    assert rendered(text, one, links="short") == "https://p.example.com/a_b%281%29.m3u8"
    assert rendered(text, one, links="none") == ""
    assert rendered("{{ event.data.files[0].play_url | url | lower }}", one, escape=escape).startswith("HTTPS:")


def test_live_output_past_64_kib_is_cut_and_the_budgets_hold_for_the_largest_event() -> None:
    text = "{% for f in event.data.files %}{{ f.play_url }}{{ f.download_url }}{{ f.storage.key }}{% endfor %}"
    began = time.process_time()
    made = rendered(text, largest(FILE_COMPLETED, text=1_000_000), strict=False)
    assert time.process_time() - began < 1.0
    assert len(made) == OUTPUT_CHARS_MAX
    with pytest.raises(Invalid, match="64 KiB"):
        rendered(text, largest(FILE_COMPLETED, text=1_000_000))


@pytest.mark.uncounted("it takes several times as long, and bounds how long")
def test_a_heavy_template_over_the_largest_event_ends_soon() -> None:
    inner = "{% if event.data.error.message | upper == 'x' %}{% endif %}" * 120
    text = "{% for a in event.data.files %}{% for b in event.data.files %}" + inner + "{% endfor %}{% endfor %}"
    began = time.process_time()
    with pytest.raises(Invalid, match=r"turns|take too long"):
        rendered(text, largest(RECORDING_FAILED, text=4_000_000), strict=False)
    assert time.process_time() - began < 3.0


# -- in the sink


@pytest.mark.parametrize("service", ALL)
async def test_a_name_in_a_title_is_cleaned_once_and_not_twice(service: str) -> None:
    more = {"title": "at {{ event.data.stream }}"}
    async with ScriptedServer(otherwise=YES[service]) as server, chatting(service, server.url, **more) as sink:
        await sink.deliver(delivery(event(stream="me@studio http://nas")))
    body = json.dumps(json.loads(server.received[0].body), ensure_ascii=False)
    assert "studio" in body
    assert "u200b" not in body
    assert "@studio" not in body
    assert "http://nas" not in body


@pytest.mark.parametrize("more", [{}, {"title": "{{ event.data.stream }}"}], ids=["built in", "of one's own"])
async def test_a_name_like_a_host_is_no_link_in_a_title(more: dict[str, str]) -> None:
    """Telegram makes a link of `evil.example` by itself, but not inside code, where the name stands as it is."""
    async with ScriptedServer(otherwise=YES["telegram"]) as server, chatting("telegram", server.url, **more) as sink:
        await sink.deliver(delivery(event(domain=None, app=None, stream="evil.example")))
    text = json.loads(server.received[0].body)["text"]
    assert text.count("evil.example") == 1
    assert "<code>evil.example</code>" in text


async def test_title_and_template_take_the_place_of_the_built_in_ones() -> None:
    more = {
        "title": "{{ event.data.app }} → {{ event.data.stream }}",
        "template": "*{{ event.data.files[0].format }}*\n{{ event.data.stream }}",
        "keyword": "rec",
    }
    async with ScriptedServer(otherwise=YES["feishu"]) as server, chatting("feishu", server.url, **more) as sink:
        await sink.deliver(delivery(event(stream="<at id=all></at>")))
        card = json.loads(server.received[0].body)["card"]
    assert card["header"]["title"]["content"] == "[rec] live → <at id=all></at>"
    assert card["elements"][0]["text"] == {"tag": "lark_md", "content": "*hls*\n＜at id=all＞＜/at＞"}
    assert card["elements"][-1]["tag"] == "action"


async def test_a_template_that_fails_on_a_live_event_is_answered_by_the_built_in_card() -> None:
    text = "{% if event.data.files[0].size_bytes %}{{ event.data.files[0].size_bytes / 0 }}{% endif %}x"
    # it passes the samples only because nothing divides there; the sink is given it past the check
    async with ScriptedServer(otherwise=YES["slack"]) as server, chatting("slack", server.url) as sink:
        sink.__dict__["_templates"] = (Template(text, None, view()), Template(text, str, view()))
        with capture_logs() as logged:
            assert await sink.deliver(delivery()) == "ok"
        shown = server.received[0].body.decode()
    assert "mystream" in shown
    assert [line["event"] for line in logged] == ["template_failed", "template_failed"]


def test_check_finds_a_template_that_fails(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "sinks:\n  ops:\n    type: chat\n    service: slack\n    url: https://hooks.slack.com/services/T/B/x\n"
        "    template: |\n      *{{ event.data.stream }}*\n      {{ event.data.eror.message }}\n"
    )
    path.chmod(0o600)
    with pytest.raises(ConfigError) as wrong:
        load(path, environ={})
    [problem] = wrong.value.problems
    assert problem.path == "sinks.ops.template"
    assert "did you mean 'error'?" in str(problem)


def test_an_error_with_a_code_alone() -> None:
    one = event(RECORDING_FAILED, error=Fault(code="E1"))
    assert rendered("{{ event.data.error.code }}:{{ event.data.error.message }}", one) == "E1:"
