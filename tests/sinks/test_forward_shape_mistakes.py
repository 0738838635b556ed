"""What is wrong with a template is found before an event comes; what cannot be made of one event refuses that one alone."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway import Refused, sample
from gateway.testing import ScriptedServer, delivery, event
from plugins.sinks.forward import Forward, ForwardOptions
from plugins.sinks.forward.shape.filler import Shape, shape_of
from plugins.sinks.forward.shape.request_grammars import same_origin
from tests.sinks.test_forward import forwarding

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"body": {"template": '{"a": {{ event.data.strem }}}'}}, "body: line 1: there is no strem; did you mean 'stream'"),
    ({"body": {"template": '{"a":\n {{ evnt.id }}}'}}, "body: line 2: 'evnt' is undefined"),
    ({"body": {"template": '{"a": "{{ event.id }}'}}, "a quote is missing"),
    ({"body": {"template": '{"a": "\\{{ event.id }}"}'}}, "behind a backslash"),
    ({"body": {"template": '{% if event.id %}"{% endif %}{{ event.id }}"'}}, "the ways through this if"),
    ({"body": {"template": '{% for f in event.data.files %}"{% endfor %}{{ event.id }}"'}}, "the ways through this for"),
    ({"body": {"template": '{"a": {{ event.id }},}'}}, "no JSON"),
    ({"body": {"template": '{"a": 1, "a": {{ event.id }}}'}}, "one name twice"),
    ({"body": {"template": "NaN"}}, "NaN"),
    ({"body": {"template": "{{ event.id.upper() }}"}}, "call cannot be used"),
    ({"body": {"template": "{{ event.__class__ }}"}}, "begin with _"),
    ({"body": {"template": "[{{ evnt }}]"}}, "body: line 1: 'evnt' is undefined"),
    ({"body": {"template": "[{% for x in evnt %}{{ x }}{% endfor %}]"}}, "name that is not there cannot be looped over"),
    ({"body": {"template": "{% if %}"}}, "body: line 1"),
    ({"body": {"template": "x" * 9000}}, "8 KiB"),
    ({"body": {"template": "<a>{{ event.id }}</a"}, "content_type": "text/xml"}, "ends inside of a tag"),
    ({"body": {"cel": "[1.0 / 0.0]"}}, "inf is no number of JSON"),
    ({"body": {"template": "<a {{ event.id }}/>"}, "content_type": "text/xml"}, "a tag outside of quotes"),
    ({"body": {"template": "<{{ event.id }}/>"}, "content_type": "text/xml"}, "right behind <"),
    ({"body": {"template": "<a><!--{{ event.id }}--></a>"}, "content_type": "text/xml"}, "a comment"),
    ({"body": {"template": "<a><![CDATA[{{ event.id }}]]></a>"}, "content_type": "text/xml"}, "a CDATA"),
    ({"body": {"template": "<!DOCTYPE a><a/>"}, "content_type": "text/xml"}, "document type"),
    ({"body": {"template": "<a>{{ event.id }}</b>"}, "content_type": "text/xml"}, "no XML: mismatched tag"),
    ({"body": {"template": "<?xml version='1.0' encoding='gbk'?><a/>"}, "content_type": "text/xml"}, "UTF-8"),
    ({"body": {"template": "a=b c&{{ event.id }}"}, "content_type": "application/x-www-form-urlencoded"}, "pair 1"),
    ({"body": {"template": "{{ event.id }}"}, "content_type": "text/plain"}, "JSON, XML or a form"),
    ({"body": {"template": "[]"}, "headers": {"Content-Type": "text/xml"}}, "instead of the header Content-Type"),
    ({"body": {"cel": "[event.id]"}, "content_type": "text/xml"}, "`content_type` of JSON"),
    ({"body": {"cel": "event.strem"}}, "body.cel: column 7: there is no field 'strem'"),
    ({"body": {"cel": "event.id"}}, "neither a map nor a list"),
    ({"body": {"cel": "{1: event.id}"}}, "keys of a map"),
    ({"body": {"cel": "{"}}, "body.cel"),
    ({"body": {"cel": "secrets.a"}}, "secrets"),
    ({"body": {"cel": ""}}, "at least 1 character"),
    ({"body": {"template": "[]", "cel": "[]"}}, "cel"),
    ({"body": {}}, "template"),
    ({"body": "tempalte"}, "did you mean 'template'"),
    ({"body": "template"}, "`body: template` and `template: …` together"),
    ({"template": "[]"}, "`body: template` and `template: …` together"),
    ({"url": "https://{{ event.data.app }}.example/"}, "scheme, host and port without a template"),
    ({"url": "https://x.example:{{ event.data.app }}/"}, "scheme, host and port without a template"),
    ({"url": "{{ event.data.app }}://x/"}, "scheme, host and port without a template"),
    ({"url": "https://x{% if event.id %}/{% endif %}"}, "scheme, host and port without a template"),
    ({"url": "https://u:p@x/{{ event.id }}"}, "without user name"),
    ({"url": "ftp://x/{{ event.id }}"}, "http://"),
    ({"url": "https://x/{{ event.id }}#a"}, "fragment"),
    ({"url": "https://x/a b{{ event.id }}"}, "no spaces"),
    ({"url": "https://x/a\\{{ event.id }}"}, "backslashes"),
    ({"url": "https://x/../{{ event.id }}"}, "is empty, . or .."),
    ({"url": "https://x/%2e%2e/{{ event.id }}"}, "is empty, . or .."),
    ({"url": "https://x/{{ event.data.files }}"}, "a list cannot be written here"),
    ({"url": "https://x/{{ event.idd }}"}, "url: line 1: there is no idd"),
    ({"method": "GET"}, "POST, PUT, PATCH, DELETE"),
    ({"method": "{{ event.id }}"}, "method: it is none of"),
    ({"headers": {"X-A": "{{ event.idd }}"}}, "headers.X-A: line 1: there is no idd"),
    ({"headers": {"X-A": "{{ event.data }}"}}, "a mapping cannot be written here"),
    ({"headers": {"X-A": "{{ event.id }}\r\nX: y"}}, "on one line"),
    ({"headers": {"Host": "{{ event.id }}"}}, "Host is made for each request"),
    *(
        ({"headers": {name: "x"}}, f"{name} is made for each request")
        for name in ("host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "TE", "Upgrade", "Expect",
                     "Proxy-Authorization", "Webhook-Signature", "X-Hub-Signature-256", "Signature", "Signature-Input",
                     "Content-Digest", "X-Amz-Date", "X-Sdk-Date", "ce-id", "recording-gateway-trust")
    ),
    ({"secrets": {"a": "b"}}, "a template that writes secrets.a"),
    ({"secrets": {"A b": "b"}}, "pattern"),
    ({"body": {"template": "[{{ secrets.b }}]{# secrets.a #}"}, "secrets": {"a": "x"}}, "there is no b; there are: a"),
]  # fmt: skip


DEEP = (
    "{% for f in event.data.files %}"
    + "[" * 150
    + "{% endfor %}1{% for f in event.data.files %}"
    + "]" * 150
    + "{% endfor %}"
)


@pytest.mark.parametrize(("options", "words"), WRONG, ids=range(len(WRONG)))
def test_a_mistake_is_found_before_an_event_comes(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        ForwardOptions.model_validate({"url": "http://127.0.0.1:9/", **options})
    assert words in "; ".join(f"{'.'.join(map(str, one['loc']))} {one['msg']}" for one in wrong.value.errors())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"body": {"template": '{"a": {{ event.data.extra.n }}, "{{ event.data.stream }}": 1}'}}, "body: .* one name twice"),
        ({"body": {"template": '[\n{{ event.data.extra.n / 2 }}]'}}, "body: line 2: "),
        ({"body": {"template": "[{% for a in event.data.extra.l %}{{ a }} {% endfor %}]"}}, "no JSON"),
        ({"body": {"cel": "[event.data.extra.nothing]"}, "few": True}, r"body\.cel: it fails on this event: no such field"),
        ({"body": {"cel": '[event.data.files[0].format, "x"]'}}, "200 at most"),
        ({"body": {"template": "{{ event.data.extra.long }}"}}, "64 KiB"),
        ({"body": {"cel": "[event.data.extra.long]"}, "few": True}, r"body\.cel: it makes more than 64 KiB"),
        ({"body": {"template": DEEP}}, "body: what it makes is nested too deep"),
        ({"url": "/{{ event.data.extra.nothing }}"}, "url: line 1: a value in the path is absent or empty"),
        ({"url": "/a/{{ event.data.extra.dots }}/b"}, "a segment of the path is empty, . or .."),
        ({"url": "/a?{{ event.data.extra.l9 }}"}, "over 8000 bytes"),
        ({"headers": {"X-A": "{{ event.data.extra.l9 }}"}}, "headers.X-A: it is over 4096 bytes"),
        ({"method": "{% if event.data.app == 'live' %}{{ event.id }}{% else %}PUT{% endif %}"}, "method: it is none of"),
    ],
    ids=range(13),
)  # fmt: skip
async def test_what_cannot_be_made_of_an_event_is_refused_and_says_which_part(
    options: dict[str, Any], words: str
) -> None:
    extra = {"n": "not a number", "l": [1, 2], "long": "x" * 70_000, "l9": "x" * 9_000, "dots": ".."}
    files = sample("recording.file.completed").files * (1 if options.get("few") else 201)
    one = event(stream="a", app="live", extra=extra, files=files)
    # on other events each of them works: else it would not have been taken
    guarded = {"body": {"template": "[]"}} | {name: value for name, value in options.items() if name != "few"}
    async with ScriptedServer() as server:
        url = server.url + str(guarded.pop("url", "/"))
        shape_of.cache_clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Shape, "try_out", lambda self: None)
            async with forwarding(url, **guarded) as sink:
                with pytest.raises(Refused, match=words):
                    await sink.deliver(delivery(one))
        assert not server.received


def test_a_forward_with_templates_takes_events_singly() -> None:
    def takes(**options: Any) -> bool:
        return Forward.takes_batches(ForwardOptions.model_validate({"url": "https://x/", **options}))

    assert takes()
    assert not takes(body={"template": "[]"})
    assert not takes(body={"cel": "[]"})
    assert not takes(url="https://x/{{ event.id }}")
    assert not takes(headers={"X-A": "{{ event.id }}"})


def test_options_with_templates_never_show_what_a_header_holds() -> None:
    options = ForwardOptions.model_validate(
        {"url": "https://x/", "headers": {"Authorization": "Bearer header-canary {{ event.id }}"}}
    )
    assert "canary" not in f"{options!r} {options} {options.model_dump_json()} {options.model_dump()}"


def test_options_with_the_same_templates_are_the_same_so_that_a_reload_leaves_the_sink_alone() -> None:
    def options(header: str) -> ForwardOptions:
        return ForwardOptions.model_validate({"url": "https://x/", "headers": {"X-A": header}})

    assert options("a {{ event.id }}") == options("a {{ event.id }}")
    assert options("a {{ event.id }}") != options("b {{ event.id }}")
    assert len({header for text in "aab" for header in options(f"{text} {{{{ event.id }}}}").headers.values()}) == 2


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://h.example:8443/a/b?c=//d", True),
        ("https://h.example:8443", True),
        ("https://h.example:8443?a=/b", True),
        ("https://h.example/a", False),
        ("http://h.example:8443/a", False),
        ("https://h.example:8443.evil.example/a", False),
        ("https://me@h.example:8443/a", False),
        ("https://h.example:8443@evil.example/a", False),
        ("https://h.example:8443/a/../b", False),
        ("https://h.example:8443/\x00", False),
        ("https://[h.example:8443/a", False),
    ],
)
def test_a_url_leads_where_the_configuration_says_or_is_not_sent(url: str, same: bool) -> None:
    assert same_origin(url, "https://h.example:8443") is same
