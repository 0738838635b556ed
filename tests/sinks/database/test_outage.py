"""A database that goes away and comes back: a whole gateway beside a real server behind a cable that can be cut."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from gateway import Retry
from gateway.testing import delivery, event
from tests.cable import FAR, Cable
from tests.patience import until
from tests.running import KEY, Player, Running
from tests.sinks.database.conftest import Place, making


class DatabaseCable(Cable):
    """A cable to a database, with the URL that leads through it."""

    def __init__(self, place: Place) -> None:
        parts = urlsplit(place.url)
        query = dict(parse_qsl(parts.query))
        far: FAR = (parts.hostname or "127.0.0.1", parts.port or 3306)
        if place.kind == "postgresql" and not parts.hostname:
            far = f"{query['host']}/.s.PGSQL.{query.get('port', 5432)}"
        super().__init__(far)
        self.url = f"{parts.scheme}://{parts.username or 'root'}@127.0.0.1:{self.port}{parts.path}"


@pytest.fixture(params=["postgres", "mysql"])
def served(request: pytest.FixtureRequest) -> Place:
    return request.getfixturevalue(request.param)


CONFIG = """
sources:
  live: {{type: huawei-live, keys: ['{key}']}}
sinks:
  db:
    type: database
    url: {url}
    delivery: {{retry: {{initial: 100ms, max: 500ms}}, batch: {{max: 10, window: 50ms}}}}
routes:
  - {{name: all, to: [db]}}
"""


def count(place: Place) -> int:
    with contextlib.suppress(Exception):  # the table may not be there yet
        return int(place.run("SELECT count(*) AS n FROM recordings")[0]["n"])
    return 0


def wait_for_rows(place: Place, rows: int) -> bool:
    return until(lambda: count(place) >= rows) and count(place) == rows


@pytest.mark.slow  # the circuit's first pause is five seconds
def test_a_database_that_goes_away_and_comes_back_loses_nothing(served: Place, tmp_path: Path) -> None:
    player = Player()
    with DatabaseCable(served) as cable, Running(tmp_path, CONFIG.format(key=KEY, url=cable.url)) as running:
        for _ in range(20):
            assert running.post(player.body())[0] == 200
        assert wait_for_rows(served, 20)
        cable.cut()
        for _ in range(20):
            assert running.post(player.body())[0] == 200
        assert until(lambda: running.metric('recording_gateway_circuit_open{sink="db"}') == 1)
        assert count(served) == 20
        cable.mend()
        assert wait_for_rows(served, 40), running.log[-3000:]
        assert running.stop() == 0
    assert "Traceback" not in running.log
    assert "ResourceWarning" not in running.log


@pytest.mark.slow  # the circuit's first pause is five seconds
def test_a_database_that_is_not_there_at_the_start_does_not_stop_the_gateway(served: Place, tmp_path: Path) -> None:
    with DatabaseCable(served) as cable:
        cable.cut()
        with Running(tmp_path, CONFIG.format(key=KEY, url=cable.url)) as running:
            assert running.post(Player().body())[0] == 200
            assert until(lambda: running.metric('recording_gateway_circuit_open{sink="db"}') == 1)
            cable.mend()
            assert wait_for_rows(served, 1), running.log[-3000:]


async def test_connections_that_died_in_the_pool_cost_no_attempt(served: Place) -> None:
    with DatabaseCable(served) as cable:
        async with making(cable.url, connections=1) as sink:
            await sink.deliver(delivery())
            cable.cut()
            cable.mend()
            assert await sink.deliver(delivery(event(number=2))) == "1 row"
            cable.cut()
            with pytest.raises(Retry) as failed:
                await sink.deliver(delivery(event(number=3)))
            assert failed.value.service
            cable.mend()
            assert await sink.deliver(delivery(event(number=3))) == "1 row"
    assert count(served) == 3


def test_a_sqlite_file_that_is_locked_for_a_while_gets_every_row(tmp_path: Path) -> None:
    place = Place("sqlite", f"sqlite:///{tmp_path / 'rows.db'}")
    player = Player()
    with Running(tmp_path, CONFIG.format(key=KEY, url="sqlite:///rows.db")) as running:
        running.post(player.body())
        assert wait_for_rows(place, 1)
        other = sqlite3.connect(tmp_path / "rows.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(20):
            assert running.post(player.body())[0] == 200
        assert count(place) == 0, "locked"
        other.execute("ROLLBACK")
        other.close()
        assert wait_for_rows(place, 21), running.log[-3000:]
