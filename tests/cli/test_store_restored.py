"""A backup of a gateway that runs, put in its place after that was killed: it goes on with all that the backup has."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S
from tests.running import KEY, Player, Running, receiving

CONFIG = """\
sources: {live: {type: huawei-live, keys: [%s], domains: ["*"], apps: ["*"]}}
sinks: {app: {type: forward, url: 'http://127.0.0.1:%d/in', delivery: {retry: {initial: 1s}}}}
routes: [{name: all, to: [app]}]
"""


@pytest.mark.slow
def test_killed_restored_and_started_again_it_delivers_what_the_backup_has(tmp_path: Path) -> None:
    player = Player()
    with receiving(500) as receiver, Running(tmp_path, CONFIG % (KEY, receiver.port)) as gateway:
        assert [gateway.post(player.body())[0] for _ in range(3)] == [200] * 3
        ids = {row["id"] for row in gateway.listing("events", "list")}
        assert "to restore" in gateway.cli("store", "backup", "backup.db")
        assert "is in use, pid" in gateway.cli("store", "copy", "--to", "sqlite:///other.db", check=False)
        assert gateway.process is not None
        gateway.process.kill()
        gateway.process.wait(PATIENCE_S)
        shutil.copy(tmp_path / "backup.db", tmp_path / "gateway.db")  # beside the log of the store that was here
        gateway.start(ready=False)
        assert gateway.process.wait(PATIENCE_S) != 0
        assert "is a copy that was never served" in gateway.log.splitlines()[-1]
        assert "a copy, with another store's log beside it" in gateway.cli("store", "doctor", check=False)
        for command in ("verify", "migrate", "status"):
            said = gateway.cli("store", command, check=False)
            assert "gateway.db-shm away, then start again" in " ".join(said.split())
        for ending in ("-wal", "-shm"):
            (tmp_path / f"gateway.db{ending}").unlink(missing_ok=True)
        assert "every promise of the outbox holds" in gateway.cli("store", "verify")
        refused = len(receiver.requests)
        receiver.answer = 200
        gateway.start()
        assert receiver.wait_for(lambda at: ids <= set(at.ids[refused:]))
