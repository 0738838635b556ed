"""A table of owners in a whole gateway: taken while it runs, a broken one changes nothing, and no secret of it is shown."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.patience import until
from tests.running import Player, Receiver, receiving
from tests.web.admin_api import CONFIG, ask, post, run_in, serve
from tests.web.doors import Served
from tests.web.pages.browser import Browser

CANARY = "whsec_Q2FuYXJ5Q2FuYXJ5Q2FuYXJ5Q2FuYXJ5"
TOKEN = "canary-token-of-anna"
OWNED = CONFIG.replace(
    'gone: {type: forward, url: "http://127.0.0.1:9/x"}',
    "people: {type: forward, directory: {file: owners.csv, key: event.data.stream}, "
    "delivery: {retry: {initial: 50ms, max: 200ms}}}",
).replace("{name: all, to: [file]}", "{name: all, to: [file, people]}")


def came(served: Served, player: Player, stream: str) -> str:
    """A callback of this stream; the id of its event."""
    answer = served.post(player.body(fields={"stream": stream}))
    assert answer.status == 200
    (id_,) = answer.json()["events"]
    return str(id_)


def states(served: Served) -> list[tuple[str, str | None]]:
    page = ask(served, "/deliveries?sink=people").json()
    return [(one["state"], one["reason"]) for one in page["items"]]


def table(path: Path, *rows: str) -> None:
    beside = path.with_suffix(".new")
    beside.write_text("owner,url,secret\n" + "".join(f"{row}\n" for row in rows))
    beside.chmod(0o600)
    beside.replace(path)


def row(owner: str, receiver: Receiver, secret: str = "") -> str:
    return f"{owner},{receiver.url}/in?token={TOKEN},{secret}"


@pytest.mark.wide  # two looks at a file lie a second apart
def test_a_table_that_changes_is_taken_and_one_that_is_broken_is_not(tmp_path: Path) -> None:
    path = tmp_path / "owners.csv"
    player = Player()
    with receiving() as anna, receiving(500) as down, receiving() as bob:
        table(path, row("anna", anna, CANARY), row("carol", down))
        with serve(tmp_path, config=OWNED) as served:
            first = came(served, player, "anna")
            assert anna.wait_for(lambda seen: seen.ids == [first])
            assert "webhook-signature" in anna.requests[0][0]
            for stream in ("bob", "carol"):
                came(served, player, stream)
            until(lambda: ("dead", "no_owner") in states(served))
            until(lambda: len(down.ids) >= 2)
            table(path, row("anna", anna), "bob,ftp://nowhere," + CANARY)
            refused = post(served, "/reload")
            assert (refused.status, refused.json()["code"]) == (422, "configuration_invalid")
            (problem,) = refused.json()["problems"]
            assert (problem["file"], problem["line"], problem["column"]) == (str(path), 3, 5)
            assert CANARY not in json.dumps(refused.json())
            second = came(served, player, "anna")
            assert anna.wait_for(lambda seen: seen.ids == [first, second])  # the last good one
            assert served.get("/metrics").body.decode().count("recording_gateway_config_current 0.0") == 1

            async def watch() -> asyncio.Task[None]:
                return asyncio.create_task(served.behind.watch())

            lane = served.behind.dispatcher.lanes["people"]  # type: ignore[attr-defined]
            watching = run_in(served, watch())
            table(path, row("anna", anna), row("bob", bob), row("carol", bob, CANARY))
            assert bob.wait_for(lambda seen: len(seen.ids) == 1), "what waited goes where the mended table says"
            dead = [one["id"] for one in ask(served, "/deliveries?sink=people&state=dead").json()["items"]]
            for id_ in dead:
                post(served, f"/deliveries/{id_}/retry")
            assert bob.wait_for(lambda seen: len(set(seen.ids)) == 2)
            assert served.behind.dispatcher.lanes["people"] is lane  # type: ignore[attr-defined]
            until(lambda: set(states(served)) == {("delivered", None)})
            served.loop.call_soon_threadsafe(watching.cancel)
            served.ask()
            served.result()


@pytest.mark.wide
def test_whose_a_delivery_was_is_shown_and_no_secret_of_any_owner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    player = Player()
    with receiving(400) as refusing:
        table(tmp_path / "owners.csv", row("first", refusing, CANARY), row("anna", refusing, CANARY))
        with serve(tmp_path, config=OWNED) as served:
            came(served, player, "anna")
            until(lambda: ("dead", "refused") in states(served))
            (delivery,) = ask(served, "/deliveries?sink=people").json()["items"]
            shown = ask(served, f"/deliveries/{delivery['id']}").json()
            text = json.dumps(shown)
            assert "to anna: " in text
            for where in (
                "/sinks",
                "/sinks/people",
                "/configuration",
                "/status",
                "/deliveries",
                "/sinks/people/preview?owner=anna",
            ):
                text += json.dumps(ask(served, where).json())
            preview = ask(served, "/sinks/people/preview?owner=anna").json()
            assert preview["text"].startswith("to anna\n")
            assert "no owner" in json.dumps(ask(served, "/sinks/people/preview").json())
            text += served.get("/metrics").body.decode()
    text += "".join(capsys.readouterr())
    assert CANARY.removeprefix("whsec_") not in text
    assert TOKEN not in text


def test_what_waits_behind_an_owner_says_so(tmp_path: Path) -> None:
    player = Player()
    with receiving(401) as revoked:
        table(tmp_path / "owners.csv", row("anna", revoked))
        with serve(tmp_path, config=OWNED) as served:
            for _ in range(6):
                came(served, player, "anna")
            until(lambda: len(ask(served, "/deliveries?sink=people&held=owner").json()["items"]) >= 3)
            (waits, *_) = ask(served, "/deliveries?sink=people&held=owner").json()["items"]
            assert (waits["state"], waits["held"], waits["attempts"]) == ("waiting", "owner", 0)
            shown = ask(served, f"/deliveries/{waits['id']}").json()
            assert "an earlier one of its owner" in json.dumps(shown)
        assert len(revoked.ids) <= 2


@pytest.mark.wide
def test_a_person_sends_one_owner_a_test_from_the_sinks_page(tmp_path: Path) -> None:
    with receiving() as anna:
        table(tmp_path / "owners.csv", row("first", anna), row("anna", anna, CANARY))
        with serve(tmp_path, config=OWNED) as served:
            browser = Browser(served)
            browser.sign_in()
            page = browser.get("/sinks/people").body.decode()
            assert "<dt>Owners</dt><dd>2</dd>" in page
            assert browser.send("/sinks/people/test", owner="anna").status == 303
            assert anna.wait_for(lambda seen: len(seen.ids) == 1)
            shown = browser.get("/sinks/people?type=recording.failed&owner=anna").body.decode()
            assert "to anna" in shown
            assert TOKEN not in page + shown
            assert "is not in owners.csv" in browser.send("/sinks/people/test", owner="nobody").body.decode()
        assert len(anna.ids) == 1


def test_a_guarded_sink_calls_no_private_address_of_the_table(tmp_path: Path) -> None:
    player = Player()
    guarded = OWNED.replace("people: {type: forward,", "people: {type: forward, allow_private: false,")
    with receiving() as private:
        table(tmp_path / "owners.csv", row("anna", private))
        with serve(tmp_path, config=guarded) as served:
            came(served, player, "anna")
            until(lambda: "to anna: " in _said(served))
            assert "not a public address" in _said(served)
        assert private.connections == 0


def _said(served: Served) -> str:
    (delivery,) = ask(served, "/deliveries?sink=people").json()["items"]
    return json.dumps(ask(served, f"/deliveries/{delivery['id']}").json())
