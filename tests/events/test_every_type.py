"""Every type of event is whole everywhere: samples, JSON, the line of the console, a card in both languages, pages, a row, routes."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.events.cloudevents import from_document, to_document
from gateway.events.samples import sample
from gateway.model import ALL_TYPES, EVENT_TYPES, FOLLOW_UP_TYPES, RECORDING_ARCHIVED, RECORDING_UNKNOWN
from gateway.testing import delivery, opened, running
from gateway.web.pages.codes import CODES
from plugins.sinks.cards.card import View
from plugins.sinks.cards.template import zone
from plugins.sinks.cards.words import MARKS, SEVERITY, words
from plugins.sinks.console import line
from plugins.sinks.database import Database

ROOT = Path(__file__).resolve().parents[2]
ZH = json.loads((ROOT / "gateway/web/pages/locales/zh.json").read_text())
LANGUAGES = ("en", "zh")


@pytest.mark.parametrize("type", ALL_TYPES)
def test_it_has_samples_json_a_line_cards_and_words_of_its_own(type: str) -> None:
    titles = set()
    for full in (True, False):
        event = sample(type, full=full)
        again = from_document(json.loads(json.dumps(to_document(event))))
        assert to_document(again) == to_document(event)
        said = line(event)
        assert f" {type} " in said
        assert said.isprintable(), "one line, with nothing that a terminal obeys"
        for language in LANGUAGES:
            view = View(words(language), zone("Asia/Shanghai"))
            card, short = view.card(event), view.line(event)
            titles.add(words(language).titles[type])
            assert card.title.startswith(words(language).titles[type])
            assert card.mark == short.mark == MARKS[SEVERITY[type]]
            assert card.facts
    assert len(titles) == len(LANGUAGES), "in each language another"
    if type != RECORDING_UNKNOWN:
        assert titles.isdisjoint(words(language).titles[RECORDING_UNKNOWN] for language in LANGUAGES)
    assert ZH[CODES["type"][type]] != CODES["type"][type]


async def test_it_is_a_row_that_says_what_it_follows_on_and_where_the_copy_lies(tmp_path: Path) -> None:
    events = [sample(type) for type in ALL_TYPES]
    async with opened(Database, {"url": f"sqlite:///{tmp_path}/rows.db", "rows": "event"}) as sink:
        assert not [
            result for result in await sink.deliver_batch([*map(delivery, events)]) if isinstance(result, Exception)
        ]
    with closing(sqlite3.connect(tmp_path / "rows.db")) as store:
        rows = {
            type: (id, cause, json.loads(files or "[]"))
            for type, id, cause, files in store.execute("SELECT event_type, event_id, cause_id, files FROM recordings")
        }
    assert rows.keys() == set(ALL_TYPES)
    for event in events:
        id, cause, files = rows[event.type]
        assert (id, cause) == (event.ref, event.cause and event.cause.id)
        assert len(files) == len(event.files)
    assert [file["archived"]["url"] for file in rows[RECORDING_ARCHIVED][2]]


async def test_it_is_named_by_a_route_and_a_follow_up_goes_nowhere_else() -> None:
    routes = "".join(
        f"  - {{match: {{type: {type}}}, to: [named{number}]}}\n" for number, type in enumerate(EVENT_TYPES)
    )
    sinks = "".join(f"  named{number}: {{type: recorder}}\n" for number in range(len(EVENT_TYPES)))
    config = (
        f"sources: {{live: {{type: standard-webhooks, secrets: [whsec_{'c2VjcmV0' * 6}]}}}}\n"
        f"sinks:\n  rest: {{type: recorder}}\n{sinks}routes:\n  - {{to: [rest]}}\n{routes}"
    )
    async with running(config) as gateway:
        for number, type in enumerate(EVENT_TYPES):
            await gateway.send(type)
            assert [event.type for event in gateway.delivered(f"named{number}")] == [type]
        assert {event.type for event in gateway.delivered("rest")} == set(EVENT_TYPES) - FOLLOW_UP_TYPES
