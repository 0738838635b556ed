"""Who may only read sees whole refused bodies without their credentials, on pages and through the API."""

from __future__ import annotations

from typing import Any

from tests.web.admin_api import ask, until
from tests.web.doors import Served
from tests.web.pages.browser import READ, Browser

CANARY = "c4n4ry0fasignature"
BODIES = (
    f'{{"event_type": "RECORD_START", "auth_sign": "{CANARY}", "url": "https://x.example/a.flv?auth_key={CANARY}"}}',
    f'{{"event_type": "RECORD_START", "auth_sign": "{CANARY}"',
    f'{{"auth_sign": "{CANARY}", "auth_sign": "{CANARY}x"}}',
    f'{{"inner": "{{\\"auth_sign\\": \\"{CANARY}\\"}}"}}',
    f"stream=a&auth_sign={CANARY}",
)


def test_no_credential_of_a_refused_callback_is_shown(served: Served, reader: Browser) -> None:
    for body in BODIES:
        assert served.post(body.encode()).status in (400, 401)
    sizes = {len(body) for body in BODIES}  # other tests' are there too, and all are written after their answers

    def ours(page: Any) -> list[int]:
        return [one["id"] for one in page["items"] if one["size_bytes"] in sizes]

    new = ours(until(served, "/refused?limit=200", lambda page: len(ours(page)) >= len(BODIES)))
    for number in new:
        shown = ask(served, f"/refused/{number}", READ)
        assert shown.status == 200
        assert shown.json()["masked"] is True
        assert "********" in shown.json()["body"]
        assert CANARY not in shown.body.decode()
        whole_page = reader.get(f"/refused/{number}")
        assert whole_page.status == 200
        assert "********" in whole_page.body.decode()
        assert CANARY not in whole_page.body.decode()
    for listing in ("/refused", "/events", "/audit"):
        assert CANARY not in reader.get(listing).body.decode()
