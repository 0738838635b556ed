"""Every incident of docs/runbook.md ends well for whoever follows the page, command by command."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.fields import Secret
from tests.faults.disk import fill, small
from tests.postgres import Postgres, folder_of, pg_ctl
from tests.runbook.page import PAGE, STEPS, incidents
from tests.runbook.reader import Hands, Reader, everything_to, settled, sinks, source
from tests.running import Player, Receiver, receiving

NEW_KEY = "demo-fedcba9876543210fedcba9876543210"
NOTHING_TO_DO = {"df": lambda: None, "date": lambda: None}


@pytest.fixture
def app() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def config(app: Receiver) -> str:
    """Everything goes to `app`."""
    return source() + sinks(app=app.url) + everything_to("app")


@pytest.mark.slow
def test_disk_full(tmp_path: Path, config: str, app: Receiver) -> None:
    player = Player()
    with small(tmp_path / "disk", 12 * 2**20) as disk:
        store = f"sqlite:///{disk}/gateway.db"
        with Reader("Disk full", tmp_path / "gw", config, store, ", limits: {free_disk: 1MiB}") as reader:
            gateway = reader.gateway
            assert gateway.post(player.body())[0] == 200
            ballast = fill(disk)
            refused = player.body()
            assert gateway.post(refused)[0] == 503
            reader.follow("look", NOTHING_TO_DO)
            reader.follow("do", {"rm": ballast.unlink})
            gateway.wait_ready()
            reader.follow("check")
            assert gateway.post(refused)[0] == 200
            settled(app, 2)


@pytest.mark.slow
def test_database_gone(tmp_path: Path, config: str, app: Receiver) -> None:
    player = Player()
    with (
        closing(Postgres(folder_of(f"{os.getpid()}-{secrets.token_hex(4)}"), owner=os.getpid())) as server,
        Reader("Database gone", tmp_path / "gw", config, server.url) as reader,
    ):
        gateway = reader.gateway
        assert gateway.post(player.body())[0] == 200
        pg_ctl(server.data, "-m", "immediate", "stop")
        refused = player.body()
        assert gateway.post(refused)[0] == 503
        reader.follow("look")
        start = ("-o", f'-h "" -k {server.data}', "-l", str(server.data / "log"), "start")
        reader.follow("do", {"systemctl start": lambda: pg_ctl(server.data, *start)})
        gateway.wait_ready()
        reader.follow("check")
        assert gateway.post(refused)[0] == 200
        settled(app, 2)


def test_key_leaked(tmp_path: Path, config: str, app: Receiver) -> None:
    old, new = Player(), Player(keys=[Secret(NEW_KEY)])
    with Reader("Key leaked", tmp_path, config) as reader:
        gateway = reader.gateway
        [forged] = gateway.post(old.body())[1]["events"]
        assert forged[:8] in reader.follow("look")
        changed = source(NEW_KEY) + config.partition("\n")[2]
        reader.follow("do", {"$EDITOR": lambda: reader.edit(changed)}, ID=forged)
        assert gateway.post(old.body(number=7))[0] == 401
        [real] = gateway.post(new.body(number=8))[1]["events"]
        told = reader.follow("check")
        assert "signature_mismatch" in told
        assert real[:8] in told
        assert forged[:8] not in told
        assert app.wait_for(lambda one: real in one.ids)


def test_vendors_flood(tmp_path: Path, config: str, app: Receiver) -> None:
    player = Player()
    with Reader("Vendor's flood", tmp_path, config.replace("delivery: {", "delivery: {rate: 1/m, ")) as reader:
        for _ in range(20):
            assert reader.gateway.post(player.body("RECORD_START"))[0] == 200
        [wanted] = reader.gateway.post(player.body())[1]["events"]
        assert "recording.started" in reader.follow("look")
        narrow = config.replace("name: all", "name: all, match: {type: recording.file.*}")
        reader.follow("do", {"$EDITOR": lambda: reader.edit(narrow)})
        assert reader.gateway.post(player.body("RECORD_START"))[0] == 200
        assert app.wait_for(lambda one: wanted in one.ids)
        assert "cancelled" in reader.follow("check")
        assert len(app.ids) == 2  # the first of them, before anybody looked, and what was wanted


def test_wrong_route_for_a_day(tmp_path: Path, app: Receiver) -> None:
    player = Player()
    with receiving() as oncall:
        head = source() + sinks(app=app.url, oncall=oncall.url)
        wrong = head + "routes: [{name: all, to: [app]}, {name: fails, match: {type: recording.fail}, to: [oncall]}]\n"
        mended = wrong.replace("recording.fail}", "recording.failed}")
        with Reader("Wrong route for a day", tmp_path, wrong) as reader:
            posted = [reader.gateway.post(player.body("RECORD_FAILED")) for _ in range(3)]
            missed = [answer["events"][0] for _, answer in posted]
            reader.gateway.post(player.body())
            settled(app, 4)
            assert missed[0][:8] in reader.follow("look", ID=missed[0])
            reader.follow("do", {"$EDITOR": lambda: reader.edit(mended)})
            settled(oncall, 3)
            reader.follow("check")
            assert set(oncall.ids) == set(missed)
            assert len(app.ids) == 4


class Choosy(Receiver):
    """Fails on events with the poison in their body, until there is none."""

    poison = b"poison"

    @property
    def answer(self) -> int:
        return 500 if self.poison and self.requests and self.poison in self.requests[-1][1] else 200

    @answer.setter
    def answer(self, status: int) -> None: ...


def test_poisoned_event(tmp_path: Path) -> None:
    player = Player()
    with closing(Choosy()) as app:
        config = source() + sinks(app=app.url) + everything_to("app")
        with Reader("Poisoned event", tmp_path, config) as reader:
            gateway = reader.gateway
            fields = {"stream": "one", "filename": "poison"}
            [poisoned] = gateway.post(player.body(fields=fields))[1]["events"]
            assert app.wait_for(lambda one: poisoned in one.ids)
            [behind] = gateway.post(player.body(fields={"stream": "one"}))[1]["events"]
            [row] = gateway.listing("deliveries", "list", "--event", poisoned)
            number = row["id"]
            assert poisoned in reader.follow("look", N=number, ID=poisoned)
            assert behind not in app.ids
            reader.follow("do", N=number)
            assert app.wait_for(lambda one: behind in one.ids)
            reader.follow("check")
            app.poison = b""
            before = len(app.requests)
            reader.follow("do", N=number)
            assert app.wait_for(lambda one: poisoned in one.ids[before:])
            reader.follow("check", N=number)


def test_sink_moved(tmp_path: Path, config: str, app: Receiver) -> None:
    player = Player()
    app.answer = 503
    with receiving() as there, Reader("Sink moved", tmp_path, config) as reader:
        ids = [reader.gateway.post(player.body())[1]["events"][0] for _ in range(3)]
        assert ids[0][:8] in reader.follow("look")
        moved = source() + sinks(newapp=there.url) + everything_to("newapp")
        reader.follow("do", {"$EDITOR": lambda: reader.edit(moved)})
        assert there.wait_for(lambda one: set(ids) <= set(one.ids))
        reader.follow("check")


def _hands(reader: Reader, backup: Path) -> Hands:
    gateway, folder = reader.gateway, reader.gateway.folder

    def aside() -> None:
        place = folder / "aside"
        place.mkdir()
        for file in folder.glob("gateway.db*"):
            file.rename(place / file.name)

    return {
        "systemctl stop": gateway.stop,
        "mkdir": aside,
        "cp": lambda: shutil.copy(backup, folder / "gateway.db"),
        "chown": lambda: None,  # of who runs this already
        "systemctl start": gateway.start,
    }


def test_restore_from_backup(tmp_path: Path, config: str, app: Receiver) -> None:
    player = Player()
    with Reader("Restore from backup", tmp_path / "gw", config) as reader:
        gateway = reader.gateway
        [kept] = gateway.post(player.body())[1]["events"]
        gateway.cli("store", "backup", str(tmp_path / "backup.db"))
        reader.follow("look")
        reader.follow("do", _hands(reader, tmp_path / "backup.db"))
        assert kept[:8] in reader.follow("check")
        assert gateway.post(player.body())[0] == 200
        settled(app, 2)


def test_upgrade_gone_wrong(tmp_path: Path, config: str, app: Receiver) -> None:
    player = Player()
    with Reader("Upgrade gone wrong", tmp_path / "gw", config) as reader:
        gateway = reader.gateway
        assert gateway.post(player.body())[0] == 200
        gateway.cli("store", "backup", str(tmp_path / "backup.db"))
        gateway.stop()
        with closing(sqlite3.connect(tmp_path / "gw/gateway.db")) as newer:  # what the new version made of it
            newer.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
            assert newer.total_changes == 1
            newer.commit()
        with pytest.raises(AssertionError, match="newer than this program's"):
            gateway.start()
        assert "newer than this program's" in reader.follow("look")
        reader.follow("do", {**_hands(reader, tmp_path / "backup.db"), "systemctl stop": lambda: None})
        reader.follow("check")
        assert gateway.post(player.body())[0] == 200
        settled(app, 2)


def test_clock_wrong(tmp_path: Path, config: str, app: Receiver) -> None:
    """A gateway three hours ahead of the vendor is a vendor three hours behind."""
    player = Player()
    with Reader("Clock wrong", tmp_path, config) as reader:
        gateway = reader.gateway
        for _ in range(2):
            assert gateway.post(player.body(now=datetime.now(UTC) - timedelta(hours=3)))[0] == 401
        assert "signature_expired" in reader.follow("look", NOTHING_TO_DO)
        wide = source(more=", clock_skew: 6h") + config.partition("\n")[2]
        reader.follow("do", {"$EDITOR": lambda: reader.edit(wide)})
        settled(app, 2)
        reader.edit(config)
        gateway.cli("reload")
        assert "signature_expired" not in reader.follow("check")
        assert gateway.post(player.body(now=datetime.now(UTC) - timedelta(hours=3)))[0] == 401


def test_every_incident_of_the_page_is_played_and_every_play_has_its_incident() -> None:
    plays = {name.removeprefix("test_").replace("_", " ") for name in globals() if name.startswith("test_")}
    plays.discard("every incident of the page is played and every play has its incident")
    found = incidents(PAGE.read_text())
    assert plays == {name.lower().replace("'", "") for name in found}
    for heading, steps in found.items():
        assert [step for step, _ in steps][:3] == list(STEPS), heading
        assert all(lines for _, lines in steps), heading
