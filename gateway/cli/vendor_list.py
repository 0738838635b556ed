"""A vendor's list, asked for once by a person beside the store: what is missing and, unless it is only looked at, had."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final, Literal

from msgspec.structs import replace

from gateway.assembly import keep_of
from gateway.config.loaded import Loaded
from gateway.config.validation import where_raised
from gateway.egress.client import Http
from gateway.errors import DeliveryFailed, GatewayError
from gateway.model import Event
from gateway.plugin import Source
from gateway.plugin.vendor_api import Reconcile
from gateway.reconcile.listed_events import new_events
from gateway.reconcile.runner import begun, span_of
from gateway.routing import Router
from gateway.runtime.clock import Clock
from gateway.store.admin.admin import StoreAdmin
from gateway.store.engine.session import Session
from gateway.store.outbox import file_places, reconciliation
from gateway.store.outbox.reconciliation import ReconciliationRow, Run
from gateway.store.records import NewEvent

NO_WAIT: Final = timedelta()
NOTED_ROWS: Final = 20  # of one transaction, because the accepts of a gateway on this file wait for it
Comparison = Literal["missing", "differs"]


@dataclass(slots=True)
class AskedList:
    """What came of it. `events`: those that no callback brought, or that another callback said otherwise of."""

    run: Run
    asked_since: int  # ms; later than wanted where what came before may be forgotten here
    wanted_since: int
    events: list[tuple[Comparison, Event]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def ask_vendor(loaded: Loaded, admin: StoreAdmin, name: str, since: timedelta | None, *, dry_run: bool) -> AskedList:
    """Go through the list of the source `name`. Raises GatewayError, in words where the vendor refuses."""
    source = loaded.source(name)
    options = source.reconcile
    assert options is not None  # the command asked
    if since is not None:
        options = options.model_copy(update={"since": since})
    keep, first = keep_of(loaded.settings.store), True
    while admin.once(partial(reconciliation.note_step, source=name, keep=keep, first=first, most=NOTED_ROWS)):
        first = False
    owner = f"command line {secrets.token_hex(6)}"
    with _leased(admin, name, owner, dry_run=dry_run) as row:
        run = begun(options, row.now, row.known_from)
        wanted = row.now - round(options.since.total_seconds() * 1000)
        asked = AskedList(run, run.since, wanted)
        asyncio.run(_walk(loaded, admin, source, options, owner, asked, dry_run=dry_run))
        if not dry_run:
            admin.once(
                partial(reconciliation.end_run, source=name, owner=owner, run=asked.run, wait=options.every or NO_WAIT)
            )
    return asked


@contextmanager
def _leased(admin: StoreAdmin, name: str, owner: str, *, dry_run: bool) -> Iterator[ReconciliationRow]:
    if dry_run:
        yield admin.ask(reconciliation.rows)[name]
        return
    row = admin.once(partial(reconciliation.lease, source=name, owner=owner))
    if row is None:
        raise GatewayError(f"a gateway is asking the vendor of {name} now; look at `gateway sources show {name}`")
    try:
        yield row
    finally:
        admin.once(partial(reconciliation.leave, owner=owner))


async def _walk(
    loaded: Loaded,
    admin: StoreAdmin,
    source: Source,
    options: Reconcile,
    owner: str,
    asked: AskedList,
    *,
    dry_run: bool,
) -> None:
    from gateway.plugin.own_code import own_code

    clock, router, span = Clock(), Router(loaded.settings.all_routes), span_of(asked.run)
    ordered = {name for name, sink in loaded.settings.sinks.items() if sink.delivery.order == "stream"}
    http = Http(clock=clock)
    await http.open()
    try:
        while asked.run.since < asked.run.until:
            with own_code():
                page = await source.list_recordings(http, span, asked.run.next)
            rows = new_events(source, page, span, router.decide, ordered.__contains__)
            asked.problems += page.problems
            counts = {"looked": asked.run.looked + len(rows), "problems": asked.run.problems + len(page.problems)}
            asked.run = replace(asked.run, next=page.next, **counts)
            _take_in(admin, owner, rows, asked, source.name, dry_run=dry_run)
            if page.next is None:
                return
            await clock.sleep(options.calls.seconds / options.calls.count)
    except DeliveryFailed as error:
        raise GatewayError(error.detail) from None
    except GatewayError:
        raise
    except Exception as error:  # a plugin's own code
        raise GatewayError(f"the source plugin {source.type} failed: {where_raised(error)}") from None
    finally:
        await http.close()


def _take_in(
    admin: StoreAdmin, owner: str, rows: Sequence[NewEvent], asked: AskedList, name: str, *, dry_run: bool
) -> None:
    if dry_run:
        asked.events += admin.ask(partial(_differences, rows=rows))
        return
    step = admin.once(partial(reconciliation.step, source=name, owner=owner, run=asked.run, events=rows))
    if step is None:
        raise GatewayError(f"a gateway took over asking the vendor of {name}; what was had is stored")
    asked.run = step.run
    asked.events += [("differs" if one.accepted.supersedes else "missing", one.new.event) for one in step.stored]


def _differences(session: Session, rows: Sequence[NewEvent]) -> list[tuple[Comparison, Event]]:
    resolved = [(new, file_places.resolve(session, new)) for new in rows]
    return [
        ("missing" if other is new else "differs", new.event) for new, other in resolved if isinstance(other, NewEvent)
    ]
