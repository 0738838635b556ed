"""docs/tracing.md is true: a collector receives the spans and attributes that it lists, all of them and no others."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.admin.store_opener import store_admin
from gateway.runtime import trace_settings as traces
from gateway.store.admin.audit import Actor
from gateway.testing import Reply, ScriptedServer, running
from tests.traces.collector import Collector
from tests.traces.test_one_trace import _config

TEXT = (Path(__file__).resolve().parents[2] / "docs/tracing.md").read_text()


def _column(head: str, column: int) -> set[str]:
    """What stands in backquotes in a column of the table that begins so."""
    rows = TEXT.split(head)[1].split("\n\n")[0].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row.strip("|").split("|")[column])}


async def test_a_collector_receives_what_the_page_lists(spans: Collector) -> None:
    async with ScriptedServer(Reply(status=500), Reply(), Reply(), Reply(status=400)) as server:
        async with running(_config(server.url)) as gateway:
            posted = await gateway.send()
            await gateway.advance(60)
            with store_admin(gateway.gateway.settings, clock=gateway.clock) as admin:
                admin.replay(posted.events[0], sinks=["app"], actor=Actor("ops", "test"))
            await gateway.advance(5)
            await gateway.send()  # is refused by the receiver, so it is dead
            await gateway.send(tampered=True)
        batched = _config(server.url, batch={"max": 2, "window": "1s"})
        async with running(batched) as gateway:
            for _ in range(2):
                await gateway.send()
            await gateway.advance(5)
    spans.wait("deliver batch app", 1)
    spans.wait("deliver app", 6)
    spans.wait("POST", 5)
    names = {span["name"].replace(" app", " NAME") for span in spans.spans}
    assert names == _column("| span | kind |", 0)
    attributes = {name for span in spans.spans for name in span["attributes"]}
    notes = {name for span in spans.spans for _, about in span["notes"] for name in about}
    assert attributes | notes == _column("| attribute | on |", 0)
    assert {name for span in spans.spans for name, _ in span["notes"]} == {"verified", "stored"}


def test_every_variable_that_is_looked_at_is_on_the_page() -> None:
    looked_at = {*traces.ENDPOINTS, *traces.PROTOCOLS, *traces.HEADERS}
    looked_at |= set(re.findall(r'"(OTEL_\w+)"', Path(traces.__file__).read_text()))
    assert looked_at <= _column("| variable | meaning here |", 0)
