"""The store of a gateway elsewhere, read through its admin API: what commands ask of the store beside them, they ask of this.

It has the methods of StoreQueries and gives its rows, so that every command says the same here and there.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Self, TypeVar, overload

from gateway.admin.cursor import cursor, key_of
from gateway.admin.timestamps import milliseconds, moment
from gateway.cli.remote_client import Remote, segment
from gateway.cli.remote_rows import (
    JsonItem,
    attempt_row,
    audit_row,
    delivery_row,
    event_row,
    optional_ms,
    refused_row,
    sink_row,
    source_row,
)
from gateway.errors import GatewayError
from gateway.store.admin.audit import AuditRow
from gateway.store.admin.delivery_filter import DeliveryFilter
from gateway.store.admin.search_budget import SearchBudget
from gateway.store.admin.shown_rows import (
    AttemptRow,
    DeliveryRow,
    EventFull,
    EventRow,
    LaterVerdict,
    RefusedRow,
    SinkRow,
    SourceRow,
    Status,
)

RowT = TypeVar("RowT")

ITEMS_A_REQUEST_MAX: Final = 200
PAGE_ROWS_MAX: Final = 200
CUT_PAGES_MAX: Final = 4  # pages whose time was up at the other gateway, of one listing that is not to show all


class Chosen(Sequence[int]):
    """Deliveries that a filter chose, by how many they are: their ids stay where they are."""

    def __init__(self, filter: DeliveryFilter, matched: int, upto: int) -> None:
        self.filter = filter
        self.upto = upto
        self._matched = matched

    def __len__(self) -> int:
        return self._matched

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...
    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        raise TypeError("these are done where they are")  # an IndexError would be the end of an empty list


class RemoteQueries:
    """See StoreQueries for what each method says."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def events(
        self, *, limit: int = 50, before: int | None = None, budget: SearchBudget | None = None, **asked: Any
    ) -> Sequence[EventRow]:
        return self._page("events", event_row, {**asked, "held": _held(asked.get("held"))}, limit, before, budget)

    def event(self, ref: str) -> EventFull:
        answer = self._remote.get(f"/events/{segment(ref)}")
        raw, (first, *later) = answer["raw"], answer["verdicts"]
        return EventFull(
            row=event_row(answer["item"]),
            body=json.dumps(answer["event"], ensure_ascii=False),
            raw=raw["text"].encode() if raw["text"] is not None else base64.b64decode(raw["base64"]),
            raw_type=raw["media_type"],
            routing=json.dumps(first["routes"], ensure_ascii=False),
            verdicts=tuple(
                LaterVerdict(
                    made_at=milliseconds(item["at"]),
                    made_by=item["by"],
                    routing=json.dumps(item["routes"], ensure_ascii=False),
                )
                for item in later
            ),
            beside=tuple(event_row(item) for item in answer["variants"]),
            conflicts=answer["conflicts"],
            children=tuple(event_row(item) for item in answer["children"]),
            recording=answer.get("session"),  # absent: an older gateway
        )

    def deliveries(
        self,
        filter: DeliveryFilter | None = None,
        *,
        limit: int = 50,
        before: int | None = None,
        budget: SearchBudget | None = None,
        **more: Any,
    ) -> Sequence[DeliveryRow]:
        filter = filter or DeliveryFilter(**more)
        return self._page("deliveries", delivery_row, filter.criteria(), limit, before, budget)

    def delivery(self, id: int) -> tuple[DeliveryRow, Sequence[AttemptRow]]:
        answer = self._remote.get(f"/deliveries/{id}")
        return delivery_row(answer), [attempt_row(item) for item in answer["history"]]

    def choose(self, filter: DeliveryFilter) -> Sequence[int]:
        act = "retry" if filter.state == "dead" else "cancel"
        body = {"act": act, "filter": api_filter(filter.criteria()), "preview": True}
        seen = self._remote.post("/bulk", body)
        return Chosen(filter, seen["matched"], seen["upto"])

    def already_there(self, ids: Sequence[int], to: str) -> int:
        assert isinstance(ids, Chosen)
        body = {
            "act": "move",
            "filter": api_filter(ids.filter.criteria()),
            "to": [to],
            "preview": True,
            "upto": ids.upto,
        }
        return int(self._remote.post("/bulk", body)["already_there"])

    def refused(self, *, source: str | None = None, limit: int = 50, before: int | None = None) -> Sequence[RefusedRow]:
        return self._page("refused", refused_row, {"source": source}, limit, before)

    def refusal(self, id: int) -> RefusedRow:
        return refused_row(self._remote.get(f"/refused/{id}", masked="true"))

    def sinks(self) -> Sequence[SinkRow]:
        return [sink_row(item) for item in self._remote.get("/sinks", exact="true")["items"]]

    def sources(self) -> Mapping[str, SourceRow]:
        return {item["name"]: source_row(item) for item in self._remote.get("/sources")["items"]}

    def short_refs(self, events: Iterable[tuple[str, str, str]]) -> Mapping[tuple[str, str], str]:
        named = list(dict.fromkeys(events))
        short: dict[tuple[str, str], str] = {}
        for at in range(0, len(named), ITEMS_A_REQUEST_MAX):
            some = named[at : at + ITEMS_A_REQUEST_MAX]
            body = {"events": [{"ref": ref, "id": id, "source": source} for ref, id, source in some]}
            names = self._remote.post("/names", body)["names"]
            short |= {(ref, source): name for (ref, _, source), name in zip(some, names, strict=True)}
        return short

    def knows_source(self, name: str) -> bool:
        try:
            self._remote.get("/events", source=name, limit=1)
        except GatewayError:
            return False
        return True

    def status(self) -> Status:
        answer = self._remote.get("/store")
        given = {"held_events": answer.pop("held"), "oldest_waiting_at": optional_ms(answer["oldest_waiting_at"])}
        return Status(**answer | given)

    def audit(
        self,
        *,
        act: str | None = None,
        actor: str | None = None,
        target: str | None = None,
        since: int | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> Sequence[AuditRow]:
        return self._page(
            "audit", audit_row, {"act": act, "who": actor, "target": target, "since": since}, limit, before
        )

    def _page(
        self,
        kind: str,
        row: Callable[[JsonItem], RowT],
        asked: Mapping[str, object],
        limit: int,
        before: int | None,
        budget: SearchBudget | None = None,
    ) -> Sequence[RowT]:
        rows: list[RowT] = []
        cuts = 0
        at = None if before is None else cursor(kind, before)
        while len(rows) < limit:
            most = min(limit - len(rows), PAGE_ROWS_MAX)
            page = self._remote.get(f"/{kind}", **api_filter(asked), limit=most, cursor=at)
            rows += [row(item) for item in page["items"]]
            at = page["next"]
            if at is None:
                break
            cuts += len(page["items"]) < most  # because its time was up there
            if budget is not None and cuts == CUT_PAGES_MAX:
                budget.cut_at = key_of(kind, at)
                break
        return rows


def api_filter(asked: Mapping[str, object]) -> dict[str, object]:
    """A filter as the API takes it."""
    times = {name: moment(at) for name in ("since", "until") if isinstance(at := asked.get(name), int)}
    lists = {name: ",".join(value) for name, value in asked.items() if isinstance(value, tuple | list)}
    return {name: value for name, value in {**asked, **times, **lists}.items() if value is not None}


def _held(held: bool | None) -> str | None:
    return None if held is None else str(held).lower()
