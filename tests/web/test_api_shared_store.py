"""Two gateways on one PostgreSQL: either one's API shows and steers both."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import patience
from tests.running import Player
from tests.web.admin_api import ask, fill, post, run_in, serve, until
from tests.web.test_api_changing import HELD, bulk, ended, paused, waiting_deliveries
from tests.web.test_api_stream import Reading


@pytest.mark.slow  # two gateways, a job and their live streams
def test_either_gateway_counts_steers_and_tells_what_happens_at_the_other(tmp_path: Path, postgres_url: str) -> None:
    (tmp_path / "other").mkdir()
    one = serve(tmp_path, config=HELD, store=str(postgres_url))
    other = serve(tmp_path / "other", config=HELD, store=str(postgres_url))
    with one, other:
        fill(one, 3)
        paused(other)
        until(other, "/deliveries?state=waiting", lambda page: len(page["items"]) == 3)
        run_in(one, one.behind.admin._teller._store_counts())
        seen = ask(other, "/overview").json()
        assert (seen["last_1h"]["arrived"], seen["gateways"]) == (3, 2)
        job = bulk(other, {"act": "cancel", "filter": {"sink": "gone"}, "rate": "1000/s"})
        assert ended(one, job)["done"] == 3
        assert waiting_deliveries(one) == []

        reading = Reading(other)
        patience.until(lambda: one.behind.metrics.activity.watched)
        one.post(Player().body(number=77))
        message = reading.message()
        while message["event"] != "event":
            message = reading.message()
        assert message["source"] == "live"
        reading.close()

        number = ask(one, "/deliveries?state=dead").json()["items"][0]["id"]
        assert post(one, f"/deliveries/{number}/retry", idempotency_key="k").status == 200
        again = post(other, f"/deliveries/{number}/retry", idempotency_key="k")
        assert again.header("idempotency-replayed") == "true"
        for served in (one, other):
            served.ask()
            served.result()
