"""What an alarm says, in both languages and in every sink."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.alarms.raiser import AlarmRaiser
from gateway.events.alarm_text import alarm_text
from gateway.events.cloudevents import from_document, to_document
from gateway.events.samples import event_of, sample
from gateway.model import ALARM_TYPES, EVENT_TYPES, SINK_DOWN
from gateway.testing.inprocess import running
from plugins.sinks.cards.card import View
from plugins.sinks.cards.text import plain
from plugins.sinks.cards.words import words
from plugins.sinks.console import line
from plugins.sinks.database.column_map import Mapped
from plugins.sinks.database.own_table import Standard
from tests.alarms.configured import BASE

# --- what it says


@pytest.mark.parametrize("type", ALARM_TYPES)
def test_every_alarm_has_a_sentence_in_both_languages_and_a_sample_that_survives_its_json(type: str) -> None:
    english, chinese = (alarm_text(type, "ops", 3, "503", language=language) for language in ("en", "zh-CN"))
    assert english != chinese
    assert english.endswith("503")
    assert chinese.endswith("503")
    assert "{" not in english + chinese
    assert any(letter >= "\u4e00" for letter in chinese)
    for full in (True, False):
        event = sample(type, full=full)
        document = to_document(event)
        assert from_document(document) == event
        assert event_of(document) == event
        assert {"about", "since", "count", "text", "detail", "link"} <= document["data"].keys()
    assert not {"about", "link"} & to_document(sample(EVENT_TYPES[0]))["data"].keys()


def test_the_number_of_one_is_singular() -> None:
    assert "1 delivery to ops was given up" in alarm_text("gateway.delivery.dead", "ops", 1)
    assert "1 event of live is held until a person releases it:" in alarm_text("gateway.event.held", "live", 1)


def test_what_a_vendor_calls_about_makes_no_alarm_of_a_recording() -> None:
    document = to_document(sample("recording.failed"))
    document["data"]["about"] = "ops"
    assert from_document(document).alarm is None


async def test_the_watch_ends_with_its_gateway() -> None:
    async with running(BASE) as gateway:
        watch: AlarmRaiser = gateway.gateway.alarms
    assert [task.done() for task in watch._tasks] == [True, True]


# --- what sinks make of it


@pytest.mark.parametrize("type", ALARM_TYPES)
def test_a_card_of_an_alarm_is_in_its_readers_language_whatever_the_events_text_is_in(type: str) -> None:
    event = event_of({"type": type, "about": "ops", "text": "some text in another language"})
    for language, label in (("en", "What"), ("zh-CN", "说明")):
        card = View(words(language), UTC).card(event)
        assert card.title.endswith("ops")
        assert card.facts[0].label == label
        assert card.facts[0].value == plain(alarm_text(type, "ops", 3, language=language))
        assert [link.url for link in card.links] == ["https://gateway.example.com/"]
        assert View(words(language), UTC).line(event).name.startswith(card.facts[0].value[:20])


def test_the_console_says_an_alarm_on_its_line() -> None:
    assert 'text="nothing can be delivered to ops' in line(sample(SINK_DOWN))


def test_the_databases_own_table_has_an_alarms_text_and_facts() -> None:
    rows: Any = Standard("event", (), lambda: datetime(2026, 1, 1, tzinfo=UTC)).rows(sample(SINK_DOWN))
    (row,) = rows
    assert row["error_message"].startswith("nothing can be delivered to ops")
    assert row["extra"]["about"] == "ops"
    mapped = Mapped({"id": "event.id", "about": "event.data.about", "n": "event.data.count"}, files=False)
    assert mapped.rows(sample(SINK_DOWN))[0]["about"] == "ops"
    assert mapped.rows(sample("recording.failed"))[0]["about"] is None
