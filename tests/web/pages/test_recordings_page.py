"""The pages of recordings: what came, what is missing, and links to the events it is known from."""

from __future__ import annotations

from tests.patience import until
from tests.running import Player
from tests.web.doors import Served
from tests.web.pages.browser import Browser


def joined(reader: Browser) -> str:
    """The list, once the events of the store are joined."""
    body = ""

    def holds() -> bool:
        nonlocal body
        body = reader.get("/recordings").body.decode()
        return 'href="/recordings/1"' in body

    until(holds, said=lambda: body)
    return body


def test_recordings_are_listed_and_each_has_its_files_and_events(reader: Browser) -> None:
    assert "<h1>Recordings</h1>" in joined(reader)
    body = reader.get("/recordings/1").body.decode()
    assert 'href="/events/live:' in body
    event = body.split('href="/events/')[1].split('"')[0]
    page = reader.get(f"/events/{event}")
    assert page.status == 200
    assert 'href="/recordings/1"' in page.body.decode(), "and back again"
    assert "auth_key=" not in body


def test_what_is_missing_is_also_said_where_there_is_no_room_for_its_column(reader: Browser, served: Served) -> None:
    assert served.post(Player().body("RECORD_FAILED", number=9)).status == 200
    until(lambda: b'<span class="mono quiet narrow words">' in reader.get("/recordings").body)
    body = reader.get("/recordings").body.decode()
    assert body.count("recording.started</span>") == body.count("recording.started</td>") == 1


def test_filters_are_in_the_address_and_a_mistake_is_said(reader: Browser) -> None:
    joined(reader)
    assert "There is no recording." in reader.get("/recordings?stream=nothing-like-it").body.decode()
    assert reader.get("/recordings?state=&since=&stream=").status == 200
    wrong = reader.get("/recordings?state=opn")
    assert wrong.status == 400
    assert "open" in wrong.body.decode()
    assert reader.get("/recordings/999999").status == 404
