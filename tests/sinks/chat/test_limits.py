"""Every message is within what its service allows, for hostile, huge and empty events, in both languages."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway import EVENT_TYPES, FILE_COMPLETED, RECORDING_FAILED, Event, Fault, File, Refused, sample
from gateway.events.samples import largest
from gateway.testing import FrozenClock, cases, delivery, event
from plugins.sinks.cards.card import Card
from plugins.sinks.cards.template import Template
from plugins.sinks.chat.chat_service import service
from plugins.sinks.chat.digest import Digest, digests
from plugins.sinks.chat.options import ChatOptions
from tests.examples import examples

from .conftest import ALL, MENTION, options, texts, view, within

FACE = "😀"
HUGE = replace(
    event(
        RECORDING_FAILED,
        stream=FACE * 5000,
        app="录" * 5000,
        domain="d" * 5000,
        vendor_type="制" * 5000,
        format="f" * 5000,
    ),
    error=Fault(code="码" * 5000, message="因" * 50_000),
    problems=tuple("字段" * 10 for _ in range(500)),
    files=tuple(
        File(
            format="h" * 1000,
            play_url="https://p.example.com/" + "p" * (300 * number),
            download_url="https://d.example.com/" + "d" * (900 * number),
            size_bytes=10**18,
            duration_seconds=1e12,
            width=10**9,
            height=10**9,
        )
        for number in range(1, 40)
    ),
)
EMPTY = [
    Event(id="", type=type, source="", provider="", received_at=datetime(1, 1, 1, tzinfo=UTC)) for type in EVENT_TYPES
]
BLANK = event(stream=" ", app="\t", domain="\u00a0", format=" ", files=(File(format=" ", play_url=" "),))
EDGES = [
    event(time=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    event(files=(File(duration_seconds=float("nan"), size_bytes=-1), File(duration_seconds=float("inf")))),
    event(files=(File(duration_seconds=-5.0, size_bytes=0, width=0, height=0),)),
    event(files=()),
    replace(event(), type="recording.something.new"),
]


def body(name: str, card: Card, **more: Any) -> bytes:
    made = ChatOptions.model_validate(options(name, **more))
    served = service(name)
    return served.request(made, served.compose(card), FrozenClock().now()).body


def check(name: str, one: Event, language: str = "zh", **changes: Any) -> dict[str, Any]:
    card = dataclasses.replace(view(language).card(one, replay=True), **changes)
    sent = body(name, card)
    within(name, sent)
    found: dict[str, Any] = json.loads(sent)
    return found


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", ALL)
def test_every_type_full_sparse_and_empty(name: str, language: str) -> None:
    for type in EVENT_TYPES:
        check(name, sample(type), language)
        check(name, sample(type, full=False), language)
    for one in (*EMPTY, BLANK, *EDGES):
        check(name, one, language)
        check(name, one, language, mentions=(MENTION[name],))


@pytest.mark.parametrize("name", ALL)
def test_hostile_and_huge_events(name: str) -> None:
    for case in cases("stream"):
        check(name, event(FILE_COMPLETED, stream=case.value, app=case.value, format=case.value))
        check(name, event(RECORDING_FAILED, stream=case.value, error=Fault(code=case.value, message=case.value)))
    for one in (HUGE, largest(FILE_COMPLETED), largest(RECORDING_FAILED, text=10_000_000)):
        check(name, one)
        check(name, one, "en", mentions=(MENTION[name],))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("length", [400, 600, 1000, 1600, 2500, 3500, 5000, 7000, 8100, 9000])
def test_a_link_of_any_length_is_a_button_a_text_or_a_word_about_it(name: str, length: int) -> None:
    url = "https://recordings.example.com/a.m3u8?auth_key=" + "k" * (length - 47)
    card = view().card(event(files=(File(format="hls", play_url=url, download_url=url),)))
    sent = body(name, card)
    within(name, sent)
    shown = [text for text in texts(json.loads(sent)) if url in text or url.replace("&", "&amp;") in text]
    if length > 8192:
        assert not shown  # no service takes it; the whole event is in the store
    else:
        assert shown or f"gateway events show {card.id}" in "".join(texts(json.loads(sent))).replace("\\", "")


@pytest.mark.parametrize("name", ALL)
@examples(25)
@given(st.text(max_size=3000), st.text(max_size=3000))
def test_any_text_fits_and_is_utf8(name: str, stream: str, message: str) -> None:
    check(name, event(RECORDING_FAILED, stream=stream, error=Fault(code=None, message=message)))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("letter", ["a", "录", FACE, "<", "\\", "&", "\n"])
def test_a_text_of_64_kib_in_the_place_of_the_facts_is_cut_whole(name: str, letter: str) -> None:
    served = service(name)
    text = served.escape(letter) * (64 * 1024 // len(served.escape(letter)))
    found = check(name, event(RECORDING_FAILED), text=text)
    assert found


@pytest.mark.parametrize("name", ALL)
def test_cuts_leave_whole_characters_and_an_ellipsis(name: str) -> None:
    sent = json.dumps(check(name, event(stream=FACE * 5000)), ensure_ascii=False)
    assert "…" in sent
    assert "\ufffd" not in sent
    assert not any(0xD800 <= ord(letter) <= 0xDFFF for letter in sent)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "changes",
    [{"facts": (), "links": ()}, {"text": "", "links": ()}, {"text": ""}],
    ids=["a title", "no text", "links"],
)
def test_a_card_with_hardly_anything_is_a_message(name: str, changes: Mapping[str, Any]) -> None:
    assert "Recording file ready" in "".join(texts(check(name, event(), "en", **changes)))


def test_a_plain_text_of_wecom_says_that_a_link_is_left_out() -> None:
    """Only plain text can call everybody."""
    file = File(format="hls", download_url="https://recordings.example.com/a?auth_key=" + "k" * 2000)
    one = event(files=(file,))
    found = check("wecom", one, "en", mentions=("all",))
    assert found["text"]["mentioned_list"] == ["@all"]
    assert f"gateway events show {one.id}" in found["text"]["content"]


@pytest.mark.parametrize("name", ALL)
def test_a_card_that_cannot_be_made_small_enough_is_refused(name: str) -> None:
    served = service(name)
    small: Any = type("Small", (type(served),), {"fits": lambda *_: False})()
    with pytest.raises(Refused, match=f"cannot be made small enough for {served.title}"):
        small.compose(view().card(event()))


# -- batches


def deliveries(count: int, **changes: Any) -> list[Any]:
    from gateway.testing import delivery

    return [delivery(event(number=number, stream=f"{number:05}", **changes), id=number + 1) for number in range(count)]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", ALL)
def test_a_full_batch_of_the_usual_size_is_one_message_that_names_every_stream(name: str, language: str) -> None:
    made = options(name)
    [digest] = digests(deliveries(20), service(name), view(language), keyword="kw", mentions=(MENTION[name],))
    sent = service(name).request(ChatOptions.model_validate(made), digest.payload, FrozenClock().now()).body
    within(name, sent)
    shown = "".join(texts(json.loads(sent)))
    assert all(f"{number:05}" in shown for number in range(20))
    assert "kw" in shown


@pytest.mark.wide
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("app", ["录" * 300, FACE * 300, "<&>" * 300, "a_b*c" * 100, "x"])
def test_a_batch_of_hostile_names_is_one_message_of_twenty_or_several_of_two_hundred(name: str, app: str) -> None:
    for count in (20, 200):
        many = deliveries(count, app="a", error=Fault(message=app))
        made = list(digests(many, service(name), view("en"), keyword=None, mentions=()))
        assert [one.id for digest in made for one in digest.deliveries] == [one.id for one in many]
        assert count > 20 or len(made) == 1
        for digest in made:
            parsed = ChatOptions.model_validate(options(name))
            sent = service(name).request(parsed, digest.payload, FrozenClock().now()).body
            within(name, sent)
            shown = "".join(texts(json.loads(sent)))
            assert all(str(one.event.stream) in shown for one in digest.deliveries)


def _payload(name: str, payload: Mapping[str, Any]) -> bytes:
    return service(name).request(ChatOptions.model_validate(options(name)), payload, FrozenClock().now()).body


@pytest.mark.parametrize("name", ALL)
def test_a_message_that_holds_less_than_its_text_holds_as_many_events_as_it_can(name: str) -> None:
    served, many = service(name), deliveries(20)

    def written(most: float) -> list[Digest]:
        small: Any = type("Small", (type(served),), {"fits": lambda _, payload: len(json.dumps(payload)) <= most})()
        return list(digests(many, small, view("en"), keyword=None, mentions=()))

    [whole] = written(2500)
    room = 0.7 * len(json.dumps(whole.payload))
    made = written(room)
    assert [one.id for digest in made for one in digest.deliveries] == [one.id for one in many]
    assert 1 < len(made) < 20
    assert all(len(json.dumps(digest.payload)) <= room for digest in made)


@pytest.mark.parametrize("name", ALL)
def test_one_event_that_fits_no_digest_goes_as_a_card(name: str) -> None:
    many = deliveries(2, app=FACE * 100, error=Fault(message="x" * 500))
    served = service(name)
    small = type("Small", (type(served),), {"text_most": 30})()
    made = list(digests(many, small, view(), keyword=None, mentions=()))
    assert [len(one.deliveries) for one in made] == [1, 1]
    for one in made:
        within(name, _payload(name, one.payload))


# -- what is cut says so


def _shown(name: str, *of: Event) -> str:
    served = service(name)
    if len(of) == 1:
        return "".join(texts(served.compose(view("en").card(of[0]))))
    together = [delivery(one, id=number) for number, one in enumerate(of)]
    made = digests(together, served, view("en"), keyword=None, mentions=())
    return "".join("".join(texts(digest.payload)) for digest in made)


@pytest.mark.parametrize("name", ALL)
def test_every_link_and_fact_is_shown_or_said_to_be_left_out(name: str) -> None:
    files = tuple(
        File(format="mp4", play_url=f"https://p.example.com/{n}", download_url=f"https://d.example.com/{n}")
        for n in range(5)
    )
    one = event(RECORDING_FAILED, files=files, format="hls", error=Fault(code="c", message="m"), problems=("size",))
    shown = _shown(name, one)
    assert (
        all(str(link) in shown for file in files for link in (file.play_url, file.download_url)) or "too long" in shown
    )
    for label in ("Stream", "Error", "Format", "Unreadable", "Event"):
        assert label in shown, label
    assert "and 2 more" in _shown(name, event(files=(*files, *files[:2])))


@pytest.mark.parametrize("name", ALL)
def test_a_digest_without_links_says_that_they_are_left_out(name: str) -> None:
    url = "https://d.example.com/" + "x" * 9000
    events = [
        event(number=n, stream=f"room-{n}", files=(File(format="mp4", download_url=url[: 200 + n]),))
        for n in range(150)
    ]
    shown = _shown(name, *events)
    assert "https://d.example.com/" in shown or "left out" in shown
    long = [event(number=n, files=(File(format="mp4", download_url=url[:8000]),)) for n in range(2)]
    shown = _shown(name, *long)
    assert "https://d.example.com/" in shown or "left out" in shown


def test_a_join_of_more_than_a_hundred_says_that_there_are_more() -> None:
    template = Template("{{ event.data.extra.names | join }}", None, view("en"))
    assert template.render(event(extra={"names": ["a"] * 100})).endswith("a, a")
    assert template.render(event(extra={"names": ["a"] * 101})).endswith("a, …")
