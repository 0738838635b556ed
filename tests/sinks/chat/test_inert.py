"""Text from outside stays text: what a card looks like after a hostile stream name is what it looks like after a harmless one."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway import FILE_COMPLETED, RECORDING_FAILED, RECORDING_UNKNOWN, Event, Fault, File
from gateway.testing import FrozenClock, delivery, event
from plugins.sinks.cards.template import Template
from plugins.sinks.chat.chat_service import service
from plugins.sinks.chat.digest import digests
from plugins.sinks.chat.options import ChatOptions
from tests.examples import examples

from .conftest import ALL, options, texts, view
from .hostile_names import HOSTILE, SPACES, STARTERS
from .markup import maps, marked, shape, skeleton

HARMLESS = "room"


@functools.cache
def configured(name: str) -> ChatOptions:
    return ChatOptions.model_validate(options(name))


@functools.lru_cache(1_000)
def known_skeleton(name: str, text: str) -> list[object]:
    return skeleton(name, text)  # of the harmless cards, which are compared with each of the hostile ones


def message(name: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(service(name).request(configured(name), payload, FrozenClock().now()).body)
    return sent


def hostile(text: str) -> list[Event]:
    """The text in every place where a vendor can put one."""
    file = File(format=text, play_url="https://play.example.com/a", download_url="https://d.example.com/b")
    return [
        event(FILE_COMPLETED, stream=text, app=text, domain=text, files=(file,)),
        event(FILE_COMPLETED, stream=text, files=(file, file)),
        event(RECORDING_FAILED, stream=text, error=Fault(code=text, message=text), problems=(text, text)),
        event(RECORDING_UNKNOWN, vendor_type=text, format=text, source=text, id=text),
    ]


@functools.cache
def templates(name: str) -> tuple[Template, Template, Template]:
    """For a card's text, for its title, and for lines of their own."""
    escape = service(name).escape
    return (
        Template("Stream {{ event.data.stream }} of {{ event.data.app|upper }}!", escape, view("en")),
        Template("{{ event.data.stream }}", None, view("en")),
        Template("x\n{{ event.data.stream }}\n{{ event.data.app }}\nx", escape, view("en")),
    )


def payloads(name: str, text: str) -> Iterator[Mapping[str, Any]]:
    served = service(name)
    for one in hostile(text):
        yield served.compose(view("en").card(one))
    together = [delivery(one, id=number) for number, one in enumerate(hostile(text))]
    for digest in digests(together, served, view("en"), keyword=None, mentions=()):
        yield digest.payload
    template, title, lines = templates(name)
    one = hostile(text)[0]
    card = replace(view("en").card(one), text=template.render(one), title=title.render(one) or "-")
    yield served.compose(card)
    yield served.compose(replace(card, text=lines.render(one)))


@functools.cache
def harmless(name: str) -> list[dict[str, Any]]:
    return [message(name, payload) for payload in payloads(name, HARMLESS)]


def check(name: str, text: str) -> None:
    for usual, bad in zip(harmless(name), payloads(name, text), strict=True):
        got = message(name, bad)
        if name == "wecom" and usual["msgtype"] != got["msgtype"]:
            usual = {**got, "markdown": _as_markdown(usual, got)}
        before = [known_skeleton(name, part) for part in marked(name, usual)]
        after = [skeleton(name, part) for part in marked(name, got)]
        assert before == after, (text, got)
        whole = "\n".join(marked(name, got))
        assert not re.search(r"(?i)(https?://|www\.)evil", whole)
        assert not re.search(r"@(everyone|here|channel|all|room|anna)\b", whole)
        if name in {"feishu", "lark", "dingtalk", "wecom", "slack"}:
            assert not re.search(r"<(@|!|at\b|users/)", whole)
        assert "{{" not in "".join(texts(got))
        assert "${" not in "".join(texts(got))
        for link in re.findall(r"(?i)https?://[^\s\"<>|)\]]*", json.dumps(got)):
            assert link.startswith(("https://play.example.com/", "https://d.example.com/", "http://adaptivecards.io/"))
        nobody(name, got)


def _as_markdown(usual: Mapping[str, Any], got: Mapping[str, Any]) -> Mapping[str, Any]:
    """A name too long for a template card: compared with itself, of which `nobody` and the searches say the rest."""
    assert usual["msgtype"] == "template_card"
    found: Mapping[str, Any] = got["markdown"]
    return found


def nobody(name: str, got: Mapping[str, Any]) -> None:
    """Nobody is mentioned by this message."""
    if name == "discord":
        assert got["allowed_mentions"] == {"parse": []}
        assert "content" not in got
    elif name == "dingtalk":
        assert got.get("at", {"atMobiles": [], "atUserIds": [], "isAtAll": False}) == {
            "atMobiles": [],
            "atUserIds": [],
            "isAtAll": False,
        }
    elif name == "teams":
        assert not [one for one in maps(got) if "entities" in one]
    elif name == "wecom":
        assert "<@" not in "".join(texts(got))
    elif name in {"mattermost", "rocket-chat", "google-chat"}:
        assert "text" not in got


@pytest.mark.wide
@pytest.mark.parametrize("name", ALL)
def test_the_hostile_corpus_and_more_change_no_card(name: str) -> None:
    for text in HOSTILE:
        check(name, text[:100])


@pytest.mark.wide
@pytest.mark.parametrize("name", ALL)
@examples(15)
@given(st.text(alphabet="<>@!&*_~`[]()#|\\{}$:/.-a \n1", max_size=24))
@example("  ")  # which made a line break in WeCom's Markdown
@example("\\")
def test_no_mixture_of_markup_changes_a_card(name: str, text: str) -> None:
    check(name, "a" + text)
    check(name, text + "a")


@pytest.mark.wide
@pytest.mark.parametrize("name", ALL)
def test_white_space_at_the_ends_of_a_name_changes_no_card(name: str) -> None:
    for text in ("  ", "x  ", "    x", "x    ", "x  \\", "\\  "):
        check(name, text)
    for space in SPACES[1:]:
        check(name, f"{4 * space}x{2 * space}")


@pytest.mark.wide
@pytest.mark.parametrize("name", ALL)
def test_a_name_that_begins_like_a_list_or_a_rule_changes_no_card(name: str) -> None:
    for text in STARTERS:
        check(name, text)


def test_a_name_of_white_space_is_still_shown_as_something() -> None:
    for space in [space for space in SPACES if space.isprintable() or (ord(space) > 0x9F and space != "\u2028")]:
        card = view("en").card(event(stream=space * 2, app=space, domain=None, files=(File(format=space),)))
        assert card.title == "Recording file ready · ␣"
        assert all(fact.value.strip() for fact in card.facts)
        assert view("en").line(event(stream=space, app=None, domain=None)).name == "␣"


@pytest.mark.parametrize("name", ALL)
def test_a_stream_that_turns_writing_round_is_written_out(name: str) -> None:
    shown = "".join(texts(service(name).compose(view().card(event(stream="\u202egnp.exe\x1b[2J")))))
    assert "\u202e" not in shown
    assert "\x1b" not in shown
    assert re.search(r"[\\＼]{1,2}u202e", shown)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "ftp://d.example.com/x",
        "//d.example.com/x",
        "https://good.example.com@evil.example/",
        "https://evil.example\\@good.example.com/",
        "https://evil.example/\n.example.com",
        "https:evil.example",
        "http://",
        "https://[evil",
        "tg://user?id=1",
    ],
)
def test_only_web_addresses_become_links(name: str, url: str) -> None:
    one = event(files=(File(format="hls", play_url=url, download_url=url),))
    sent = json.dumps(service(name).compose(view().card(one)))
    assert "evil" not in sent
    assert not re.search(r"javascript|data:|file:|ftp:|tg:", sent)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "tail", ["|x>", ")", "](http://evil)", '"><b>', "'", "`", "*_*", " x", "<@all>", "录制", "%", "\u202e"]
)
def test_a_link_cannot_end_its_own_markup(name: str, tail: str) -> None:
    for length in (0, 600, 2100):
        start = "https://d.example.com/" + "y" * length
        mild = event(files=(File(format="hls", download_url=start + "x"),))
        bad = event(files=(File(format="hls", download_url=start + tail),))
        usual, got = (message(name, service(name).compose(view().card(one))) for one in (mild, bad))
        assert [shape(name, part) for part in marked(name, usual)] == [shape(name, part) for part in marked(name, got)]
        assert "](http://evil" not in "".join(texts(got))
