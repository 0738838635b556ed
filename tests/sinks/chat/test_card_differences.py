"""A copy that is not as the callback said is no green card: every service says what came instead of what."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import FILE_COMPLETED, RECORDING_ARCHIVED, Event, File
from gateway.testing import event
from plugins.sinks.cards.differences import differences, severity_of
from plugins.sinks.cards.words import ENGLISH
from plugins.sinks.chat.chat_service import service

from .conftest import ALL, texts, view

EMPTY = {"file": 0, "what": "size_bytes", "said": 5_000_000, "measured": 0}
SHORT = {"file": 1, "what": "duration_seconds", "said": 3600.0, "measured": 12}


def archived(*mismatch: object, **more: Any) -> Event:
    return event(RECORDING_ARCHIVED, extra={"mismatch": list(mismatch)}, **more)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("language", "says"), [("en", "0 B, not 5 MB"), ("zh", "0 B（回调为 5 MB）")])
def test_every_service_says_it(name: str, language: str, says: str) -> None:
    card = view(language).card(archived(EMPTY))
    assert card.severity == "warn"
    assert says in "\n".join(texts(service(name).compose(card)))
    line = view(language).line(archived(EMPTY))
    assert (line.mark, says in line.note) == ("⚠️", True)


def test_of_several_files_which_one_is_said() -> None:
    files = (File(format="mp4"), File(format="hls"))
    assert differences(archived(EMPTY, SHORT, files=files), ENGLISH) == "File 1: 0 B, not 5 MB; File 2: 12s, not 1h"
    many = differences(archived(*[EMPTY] * 9, files=files), ENGLISH)
    assert (many.count("File 1"), many[-10:]) == (5, "and 4 more")


@pytest.mark.parametrize("junk", [None, "all", {"file": 0}, [], [None, 7, {}], [{**EMPTY, "said": "much"}]])
def test_what_somebody_else_wrote_there_says_nothing(junk: object) -> None:
    one = event(RECORDING_ARCHIVED, extra={"mismatch": junk})
    assert (severity_of(one), differences(one, ENGLISH)) == ("ok", "")
    of_a_vendor = event(FILE_COMPLETED, extra={"mismatch": [EMPTY]})
    assert (severity_of(of_a_vendor), differences(of_a_vendor, ENGLISH)) == ("ok", "")
