"""The seam is for any vendor: a source of somebody's own is asked like ours, and told what it does wrong."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import Event, File, ListedPage, ListSpan, Options, Reconcile, Source, Trust, Verified, event_id
from gateway.model import FILE_COMPLETED, RECORDING_RECOVERED
from gateway.plugin import contract
from gateway.testing import running
from tests.reconcile.conftest import Configured
from tests.reconcile.vendor import START, Vendor, asked, entry


class AcmeReconcile(Reconcile):
    """Where Acme's list is; here: what is on it."""

    names: tuple[str, ...] = ()


class AcmeOptions(Options):
    reconcile: AcmeReconcile | None = None


class Acme(Source):
    type = "acme"
    Options = AcmeOptions
    page: Any = None  # in place of what it lists

    def verify(self, callback: Any) -> Verified:
        return Verified(trust=Trust.BODY, scheme="acme")

    def normalise(self, callback: Any, verified: Verified) -> list[Event]:
        return []

    @property
    def reconcile(self) -> AcmeReconcile | None:
        option: AcmeReconcile | None = self.options.reconcile
        return option

    def event(self, name: str, **changes: Any) -> Event:
        return Event(
            id=event_id(self.name, FILE_COMPLETED, None, None, name, None, [name]), type=FILE_COMPLETED, source=self.name,
            provider="acme", received_at=START, trust=Trust.BODY, verified=Verified(trust=Trust.BODY, scheme="acme-list"),
            stream=name, files=(File(download_url=f"https://acme.example/{name}.mp4"),), reconciled=True, raw=b"{}",
        ).replace(**changes)  # fmt: skip

    async def list_recordings(self, http: Any, span: ListSpan, next: str | None) -> ListedPage:
        if self.page is not None:
            return self.page()
        assert self.reconcile is not None
        at = int(next or 0)
        more = str(at + 1) if at + 1 < len(self.reconcile.names) else None
        return ListedPage([self.event(self.reconcile.names[at])], more)


def config(lite: str, **more: Any) -> dict[str, Any]:
    live = {"type": "acme", "reconcile": {"every": "1h", "calls": "1000/s", "names": ["a", "b"]}}
    return {
        "store": {"url": lite},
        "sources": {"live": live},
        "sinks": {"app": {"type": "recorder"}},
        "routes": [{"to": ["app"]}],
        **more,
    }


async def test_a_source_of_somebodys_own_is_asked_page_by_page(lite: str) -> None:
    async with running(config(lite), plugins=[Acme]) as gateway:
        await asked(gateway)
        assert [(one.stream, one.reconciled) for one in gateway.delivered()] == [("a", True), ("b", True)]


@pytest.mark.parametrize(
    ("page", "says"),
    [
        (lambda source: [], "list_recordings returned a list, not a ListedPage"),
        (lambda source: ListedPage([source.event("a", files=())]), "says nowhere where it lies"),
        (lambda source: ListedPage([source.event("a", reconciled=False)]), "`reconciled=True`"),
        (lambda source: ListedPage([source.event("a", source="other")]), "source is 'other', not 'live'"),
        (lambda source: 1 / 0, "ZeroDivisionError; the log says where"),
    ],
)
async def test_a_mistake_of_a_plugin_is_told_and_stores_nothing(
    lite: str, page: Any, says: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(Acme, "page", page)
    async with running(config(lite), plugins=[Acme]) as gateway:
        await asked(gateway)
        assert says in ((await gateway.gateway.store.reconciliations())["live"].error or "")
        assert gateway.events() == []


def test_what_a_source_may_wait_in_is_checked_when_it_is_loaded() -> None:
    class Late(Acme):
        def list_recordings(self, http: Any, span: ListSpan, next: str | None) -> ListedPage:  # type: ignore[override]
            return ListedPage([])

    class Short(Acme):
        async def read_configuration(self) -> Any:  # type: ignore[override]
            return []

    assert contract.class_problem(Acme, Source) is None
    assert "its list_recordings is not asynchronous; write `async def" in (contract.class_problem(Late, Source) or "")
    assert "its read_configuration cannot be called with" in (contract.class_problem(Short, Source) or "")


async def test_a_listed_file_ends_what_a_watch_waits_for(lite: str, vendor: Vendor, configured: Configured) -> None:
    watch = {"name": "no-file", "when": {"type": "recording.file.started"}, "expect": FILE_COMPLETED, "within": "10m"}
    async with running(configured(lite, {"after": "0"}) | {"watch": [watch]}) as gateway:
        row = entry(1, START)
        await gateway.send("RECORD_NEW_FILE_START", fields={"stream": row["stream"], "record_format": "HLS"})
        await gateway.advance(660)
        await gateway.gateway._recordings.join_next()
        await gateway.gateway._recordings.tell_due()
        vendor.rows = [row]
        await asked(gateway)
        for _ in range(2):
            await gateway.gateway._recordings.join_next()
            await gateway.gateway._recordings.tell_due()
        types = [one.type.removeprefix("recording.") for one in gateway.events()]
        assert types == ["file.started", "overdue", "file.completed", RECORDING_RECOVERED.removeprefix("recording.")]
