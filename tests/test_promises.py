"""The five promises of the README, each tried on the running program."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gateway import verify_webhook
from tests import threads
from tests.patience import PATIENCE_S, until
from tests.running import KEY, SECRET, Player, Receiver, Running, receiving

SOURCE = f"sources:\n  live: {{type: huawei-live, keys: ['{KEY}'], domains: [push.example.com], apps: [live]}}\n"


def forward_config(port: int, *, concurrency: int = 8, more: str = "", routes: str = "") -> str:
    return (
        SOURCE
        + f"sinks:\n  app:\n    type: forward\n    url: http://127.0.0.1:{port}/in\n    sign: {{scheme: standard-webhooks, secrets: ['{SECRET}']}}\n"
        + f"    delivery: {{concurrency: {concurrency}, retry: {{initial: 100ms, max: 1s}}}}\n"
        + more
        + (routes or "routes:\n  - {name: all, to: [app]}\n")
    )


# --- 1. Nothing acknowledged is ever lost ---------------------------------------------------------------------------


def _post_until(
    stop: threading.Event, running: Running, player: Player, acknowledged: list[str], lock: threading.Lock
) -> None:
    while not stop.is_set():
        with lock:
            body = player.body()
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            status, answer = running.post(body)
            if status == 200:
                acknowledged.extend(answer["events"])


def _receives_more(receiver: Receiver, count: int) -> bool:
    least = len(receiver.requests) + count
    return receiver.wait_for(lambda seen: len(seen.requests) >= least)


def _kill_under_load(folder: Path, receiver: Receiver, rounds: int, *, concurrency: int = 8) -> None:
    running = Running(folder, forward_config(receiver.port, concurrency=concurrency))
    player, lock = Player(), threading.Lock()
    acknowledged: list[str] = []
    for _ in range(rounds):
        running.start()
        before = len(acknowledged)
        stop = threading.Event()
        senders = [threads.start(_post_until, stop, running, player, acknowledged, lock) for _ in range(8)]
        assert _receives_more(receiver, 30)
        running.kill()
        stop.set()
        threads.end(senders)
        assert len(acknowledged) > before
    with running:
        assert receiver.wait_for(lambda seen: set(acknowledged) <= set(seen.ids), within=PATIENCE_S), (
            "acknowledged events never arrived"
        )
        again = sum(count - 1 for count in Counter(receiver.ids).values())
        assert again <= rounds * concurrency * 2, "more arrived twice than can have been in flight"
        assert running.stop() == 0


def test_nothing_acknowledged_is_lost_by_kill_9_under_load(tmp_path: Path) -> None:
    with receiving() as receiver:
        receiver.delay = 0.002
        # few at once, because what was in flight when a process died then goes alone, one after the other
        _kill_under_load(tmp_path, receiver, 3, concurrency=3)


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_by_twenty_kills(tmp_path: Path) -> None:
    with receiving() as receiver:
        receiver.delay = 0.002
        _kill_under_load(tmp_path, receiver, 20)


def test_nothing_acknowledged_is_lost_by_a_polite_stop(tmp_path: Path) -> None:
    # 404 is tried again and, unlike 503, opens no circuit, whose pause the test would have to wait for
    with receiving(404) as receiver, Running(tmp_path, forward_config(receiver.port)) as running:
        player = Player()
        acknowledged = [running.post(player.body())[1]["events"][0] for _ in range(20)]
        assert receiver.wait_for(lambda seen: len(seen.requests) >= 3)
        assert running.stop() == 0
        receiver.requests.clear()
        receiver.answer = 200
        running.start()
        assert receiver.wait_for(lambda seen: set(acknowledged) <= set(seen.ids))


# --- 2. Nobody gets in who does not belong --------------------------------------------------------------------------


def test_nobody_gets_in_who_does_not_belong(tmp_path: Path) -> None:
    with receiving() as receiver, Running(tmp_path, forward_config(receiver.port)) as running:
        player = Player()
        refused = {
            "tampered": player.body(tampered=True),
            "expired": player.body(expired=True),
            "another key": Player(keys=["another-key-0123456789abcdef0123"]).body(),
            "unsigned": json.dumps(
                {k: v for k, v in json.loads(player.body()).items() if not k.startswith("auth_")}
            ).encode(),
        }
        for why, body in refused.items():
            status, problem = running.post(body)
            assert status == 401, why
            assert problem["code"].startswith("signature_"), why
        status, problem = running.post(player.body(fields={"publish_domain": "evil.example.com"}))
        assert (status, problem["code"]) == (401, "domain_not_allowed")
        assert len(running.listing("events", "list", "--source", "live")) == 0  # an alarm is an event too
        expected = {"signature_mismatch", "signature_expired", "signature_missing", "domain_not_allowed"}
        until(
            lambda: {row["code"] for row in running.listing("refused", "list")} == expected
        )  # written beside the answers


def test_an_event_says_how_much_the_signature_covered(tmp_path: Path) -> None:
    with receiving() as receiver, Running(tmp_path, forward_config(receiver.port)) as running:
        running.post(Player().body(scheme="hmac-sha256-timestamp"))
        running.post(Player().body(scheme="hmac-sha256-fields", number=2))
        assert receiver.wait_for(lambda seen: len(seen.requests) == 2)
        assert {json.loads(body)["trust"] for _, body in receiver.requests} == {"timestamp", "fields"}


# --- 3. At least once, with a stable id -----------------------------------------------------------------------------


def test_the_same_event_has_the_same_id_for_ever(tmp_path: Path) -> None:
    with receiving() as receiver, Running(tmp_path, forward_config(receiver.port)) as running:
        body = Player().body(number=7)
        status, first = running.post(body)
        assert (status, first["status"]) == (200, "accepted")
        assert running.post(body) == (200, {"status": "duplicate", "events": first["events"]})
        assert receiver.wait_for(lambda seen: len(seen.requests) == 1)
        # the outcome is written after the receiver has seen it
        until(lambda: running.listing("deliveries", "list")[0]["state"] == "delivered")
        running.kill()
        running.start()
        assert running.post(body)[1]["status"] == "duplicate"
        assert receiver.ids == first["events"]
        running.cli("events", "replay", first["events"][0])
        assert receiver.wait_for(lambda seen: len(seen.requests) == 2)
        assert receiver.ids == first["events"] * 2
        headers, sent = receiver.requests[1]
        assert headers["webhook-replay"] == "true"
        verify_webhook(sent, headers, [SECRET])


def test_other_content_under_a_known_id_is_held_and_once_released_no_repeat_to_the_receiver(tmp_path: Path) -> None:
    with receiving() as receiver, Running(tmp_path, forward_config(receiver.port)) as running:
        genuine = Player().body()
        [first] = running.post(genuine)[1]["events"]
        other = json.dumps({**json.loads(genuine), "file_size": 1}).encode()  # which the signature does not cover
        assert running.post(other) == (200, {"status": "duplicate", "events": [first]})
        assert receiver.wait_for(lambda seen: seen.ids == [first])
        [held] = running.listing("events", "list", "--held")
        assert held["id"] == first
        running.cli("events", "release", held["ref"])
        assert receiver.wait_for(lambda seen: len(seen.requests) == 2)
        headers, body = receiver.requests[1]
        assert headers["webhook-id"] == held["ref"] != first, "the receiver would drop it as a repeat"
        assert json.loads(body)["data"]["files"][0]["size_bytes"] == 1
        verify_webhook(body, headers, [SECRET])


# --- 4. One slow, broken or poisoned sink or event hurts nobody else --------------------------------------------------


def test_a_sink_that_never_answers_does_not_slow_the_others(tmp_path: Path) -> None:
    with receiving() as good, receiving() as stuck:
        stuck.delay = 3600
        slow = f"  slow: {{type: forward, url: 'http://127.0.0.1:{stuck.port}/in', delivery: {{concurrency: 2, timeout: 1h}}}}\n"
        with Running(
            tmp_path, forward_config(good.port, more=slow, routes="routes:\n  - {name: all, to: [slow, app]}\n")
        ) as running:
            player = Player()
            for _ in range(50):
                assert running.post(player.body())[0] == 200
            assert good.wait_for(lambda seen: len(seen.requests) == 50), "the good sink waited for the stuck one"
            assert stuck.connections == 2, "they are still under way"


POISONED = '''
from gateway import Sink

class Poisoned(Sink):
    """Crashes on one stream."""
    type = "poisoned"
    async def deliver(self, delivery):
        if delivery.event.stream == "poison":
            raise SystemExit("poisoned")
        with open("delivered.txt", "a") as file:
            print(delivery.event.stream, file=file)
'''


def test_an_event_that_crashes_its_sink_does_not_stop_the_next(tmp_path: Path) -> None:
    config = (
        "plugins: [./poisoned.py]\n" + SOURCE + "sinks:\n  odd: {type: poisoned}\nroutes:\n  - {name: all, to: [odd]}\n"
    )
    running = Running(tmp_path, config)
    (tmp_path / "poisoned.py").write_text(POISONED)
    (tmp_path / "poisoned.py").chmod(0o600)
    with running:
        player = Player()
        for stream in ("one", "poison", "two", "three"):
            assert running.post(player.body(fields={"stream": stream}))[0] == 200
        delivered = tmp_path / "delivered.txt"
        until(lambda: delivered.exists() and len(delivered.read_text().split()) == 3)
        assert sorted(delivered.read_text().split()) == ["one", "three", "two"]
        rest: list[dict[str, Any]] = []

        def only_the_crashing_one_is_left() -> bool:  # outcomes are written after their deliveries
            rest[:] = [row for row in running.listing("deliveries", "list") if row["state"] != "delivered"]
            return len(rest) == 1 and rest[0]["state"] == "waiting"

        until(only_the_crashing_one_is_left, said=lambda: rest)
        assert rest[0]["held"] == "retry"
        assert "SystemExit" in rest[0]["last_error"]


# --- 5. A person can always see why ---------------------------------------------------------------------------------


def test_a_person_can_see_why(tmp_path: Path) -> None:
    with receiving(400) as receiver:
        routes = "routes:\n  - {name: failures, match: {type: recording.failed, stream: 'vip-*'}, to: [app]}\n"
        with Running(tmp_path, forward_config(receiver.port, routes=routes)) as running:
            player = Player()
            [wanted] = running.post(player.body("RECORD_FAILED", fields={"stream": "vip-1"}))[1]["events"]
            [unwanted] = running.post(player.body("RECORD_FAILED", fields={"stream": "main"}))[1]["events"]
            assert receiver.wait_for(lambda seen: len(seen.requests) >= 1)
            why = running.cli("events", "show", unwanted, "--why")
            assert "failures" in why
            assert "vip-*" in why
            assert "main" in why
            assert "failures" in running.cli("events", "show", wanted, "--why")
            until(lambda: running.listing("deliveries", "list")[0]["state"] == "dead")
            [row] = running.listing("deliveries", "list")
            assert (row["state"], row["reason"], row["event_id"], row["attempts"]) == ("dead", "refused", wanted, 1)
            assert "400" in row["last_error"]
            assert "400" in running.cli("deliveries", "show", str(row["id"]))
            running.post(player.body(tampered=True))
            rows = until(lambda: running.listing("refused", "list"))
            shown = running.cli("refused", "show", str(rows[0]["id"]))
            assert "signature_mismatch" in shown
            assert json.loads(player.body())["auth_sign"] not in shown
