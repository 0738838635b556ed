"""The store of a gateway elsewhere, asked through its admin API: what commands ask of the store beside them, they ask of this.

It has the methods of StoreAdmin and gives its rows, so that every command says the same here and there.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Self, TypeVar, overload

from gateway.admin.cursor import cursor
from gateway.admin.moments import milliseconds, moment
from gateway.cli.remote_client import Remote, segment
from gateway.errors import GatewayError
from gateway.model import Outcome
from gateway.store.admin.audit import AuditRow
from gateway.store.admin.bulk import ItemResult, Total, Watcher
from gateway.store.admin.deliveries import DeliveryFilter
from gateway.store.records import (
    AttemptRow,
    DeliveryRow,
    EventFull,
    EventRow,
    Gate,
    Heard,
    Held,
    LaterVerdict,
    Refusal,
    RefusedRow,
    SinkRow,
    SourceRow,
    Status,
)

Row = TypeVar("Row")
FEW: Final = 200  # that item request is for
PAGE: Final = 200
POLL_SECONDS: Final = 0.2
RATE: Final = "1000/s"
WATCHER: Final = Watcher()


class Chosen(Sequence[int]):
    """Deliveries that a filter chose, by how many they are: their ids stay where they are."""

    def __init__(self, wanted: DeliveryFilter, matched: int, upto: int) -> None:
        self.wanted = wanted
        self.upto = upto
        self._matched = matched

    def __len__(self) -> int:
        return self._matched

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...
    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        raise IndexError("these are done where they are")


class RemoteAdmin:
    """See StoreAdmin for what each method says."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    # -- reading

    def events(self, *, limit: int = 50, before: int | None = None, **asked: Any) -> Sequence[EventRow]:
        return self._rows("events", _event, {**asked, "held": _held(asked.get("held"))}, limit, before)

    def event(self, ref: str) -> EventFull:
        answer = self._remote.get(f"/events/{segment(ref)}")
        raw, (first, *later) = answer["raw"], answer["verdicts"]
        return EventFull(
            row=_event(answer["item"]),
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
            beside=tuple(_event(item) for item in answer["variants"]),
            conflicts=answer["conflicts"],
        )

    def deliveries(
        self, wanted: DeliveryFilter | None = None, *, limit: int = 50, before: int | None = None, **more: Any
    ) -> Sequence[DeliveryRow]:
        wanted = wanted or DeliveryFilter(**more)
        return self._rows("deliveries", _delivery, wanted.said(), limit, before)

    def delivery(self, id: int) -> tuple[DeliveryRow, Sequence[AttemptRow]]:
        answer = self._remote.get(f"/deliveries/{id}")
        return _delivery(answer), [_attempt(item) for item in answer["history"]]

    def choose(self, wanted: DeliveryFilter) -> Sequence[int]:
        act = "retry" if wanted.state == "dead" else "cancel"
        body = {"act": act, "filter": _filter(wanted.said()), "preview": True}
        seen = self._remote.post("/bulk", body)
        return Chosen(wanted, seen["matched"], seen["upto"])

    def already_there(self, ids: Sequence[int], to: str) -> int:
        assert isinstance(ids, Chosen)
        body = {"act": "move", "filter": _filter(ids.wanted.said()), "to": [to], "preview": True, "upto": ids.upto}
        return int(self._remote.post("/bulk", body)["already_there"])

    def refused(self, *, source: str | None = None, limit: int = 50, before: int | None = None) -> Sequence[RefusedRow]:
        return self._rows("refused", _refused, {"source": source}, limit, before)

    def refusal(self, id: int) -> RefusedRow:
        return _refused(self._remote.get(f"/refused/{id}"))

    def sinks(self) -> Sequence[SinkRow]:
        return [_sink(item) for item in self._remote.get("/sinks", exact="true")["items"]]

    def sources(self) -> Mapping[str, SourceRow]:
        return {item["name"]: _source(item) for item in self._remote.get("/sources")["items"]}

    def short_refs(self, events: Iterable[tuple[str, str, str]]) -> Mapping[tuple[str, str], str]:
        named = list(dict.fromkeys(events))
        short: dict[tuple[str, str], str] = {}
        for at in range(0, len(named), FEW):
            some = named[at : at + FEW]
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
        return Status(**{**answer, "oldest_waiting_at": _ms(answer["oldest_waiting_at"])})

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
        return self._rows("audit", _act, {"act": act, "who": actor, "target": target, "since": since}, limit, before)

    def _rows(
        self, kind: str, row: Callable[[Any], Row], asked: Mapping[str, Any], limit: int, before: int | None
    ) -> Sequence[Row]:
        rows: list[Row] = []
        at = None if before is None else cursor(kind, before)
        while len(rows) < limit:
            page = self._remote.get(f"/{kind}", **_filter(asked), limit=min(limit - len(rows), PAGE), cursor=at)
            rows += [row(item) for item in page["items"]]
            at = page["next"]
            if at is None:
                break
        return rows

    # -- item

    def pause(self, sink: str) -> bool:
        return bool(self._remote.post(f"/sinks/{segment(sink)}/pause")["done"])

    def resume(self, sink: str) -> bool:
        return bool(self._remote.post(f"/sinks/{segment(sink)}/resume")["done"])

    # -- many

    def retry_many(
        self, deliveries: Sequence[int], *, wanted: DeliveryFilter | None = None, watcher: Watcher = WATCHER
    ) -> Total:
        return self._deliveries("retry", deliveries, watcher)

    def cancel_many(
        self, deliveries: Sequence[int], *, wanted: DeliveryFilter | None = None, watcher: Watcher = WATCHER
    ) -> Total:
        return self._deliveries("cancel", deliveries, watcher)

    def move(self, sink: str, to: str, *, deliveries: Sequence[int], watcher: Watcher = WATCHER) -> Total:
        assert isinstance(deliveries, Chosen)
        there = self.already_there(deliveries, to)
        total = self._job("move", deliveries, watcher, to=[to])
        texts = ["cancelled"] * there + ["moved"] * max(len(total.answers) - there, 0)
        answers = [ItemResult(item.item, text, item.well) for item, text in zip(total.answers, texts, strict=False)]
        return Total(matched=total.matched, answers=answers, stopped=total.stopped)

    def replay_many(
        self,
        refs: Sequence[str],
        *,
        sinks: Sequence[str] | None = None,
        route: object = None,
        reroute: bool = False,
        watcher: Watcher = WATCHER,
    ) -> Total:
        return self._few("/events/replay", "refs", refs, watcher, to=sinks, reroute=reroute)

    def release_many(self, refs: Sequence[str], *, route: object = None, watcher: Watcher = WATCHER) -> Total:
        return self._few("/events/release", "refs", refs, watcher)

    def erase(self, refs: Sequence[str], *, ids: object = None, watcher: Watcher = WATCHER) -> Total:
        return self._few("/events/erase", "refs", refs, watcher)

    def scrub(self) -> bool:
        return True  # the gateway there empties its log by itself

    def take_refused(
        self, refused: Sequence[int], judge: object, *, source: str | None = None, watcher: Watcher = WATCHER
    ) -> Total:
        return self._few("/refused/retry", "ids", refused, watcher)

    def _deliveries(self, act: str, deliveries: Sequence[int], watcher: Watcher) -> Total:
        if isinstance(deliveries, Chosen):
            return self._job(act, deliveries, watcher)
        return self._few(f"/deliveries/{act}", "ids", deliveries, watcher)

    def _few(self, path: str, key: str, items: Sequence[Any], watcher: Watcher, **more: Any) -> Total:
        answers: list[ItemResult] = []
        for at in range(0, len(items), FEW):
            if watcher.stopping():
                return Total(matched=len(items), answers=answers, stopped=True)
            body = {key: list(items[at : at + FEW]), **{name: value for name, value in more.items() if value}}
            batch = [_answer(item) for item in self._remote.post(path, body)["answers"]]
            answers += batch
            watcher.told(batch)
        return Total(matched=len(items), answers=answers)

    def _job(self, act: str, chosen: Chosen, watcher: Watcher, **more: Any) -> Total:
        body = {"act": act, "filter": _filter(chosen.wanted.said()), "upto": chosen.upto, "rate": RATE, **more}
        job = self._remote.post("/bulk", body)["job"]
        answers: list[ItemResult] = []
        while True:
            answer = self._remote.get(f"/jobs/{job}")
            answers += (batch := _new(answer, len(answers)))
            if batch:
                watcher.told(batch)
            if answer["finished_at"] is not None:
                return Total(matched=answer["matched"], answers=answers, stopped=answer["state"] != "done")
            if watcher.stopping():
                self._remote.post(f"/jobs/{job}/cancel")
            time.sleep(POLL_SECONDS)


def _new(job: Mapping[str, Any], known: int) -> list[ItemResult]:
    """What was done since: the first by name, the others as numbers, those that could not be among the last."""
    ended = job["done"] + job["failed"]
    named = [_answer(item) for item in job["answers"]][known:ended]
    rest = ended - known - len(named)
    failed = max(job["failed"] - sum(not item["done"] for item in job["answers"]), 0)
    well = [ItemResult("", "done") for _ in range(max(rest - failed, 0))]
    return [*named, *well, *(ItemResult("", "it could not be", well=False) for _ in range(rest - len(well)))]


def _filter(asked: Mapping[str, Any]) -> dict[str, Any]:
    """A filter as the API takes it."""
    times = {
        name: None if asked.get(name) is None else moment(asked[name]) for name in ("since", "until") if name in asked
    }
    lists = {name: ",".join(value) for name, value in asked.items() if isinstance(value, tuple | list)}
    return {name: value for name, value in {**asked, **times, **lists}.items() if value is not None}


def _held(held: bool | None) -> str | None:
    return None if held is None else str(held).lower()


def _answer(item: Mapping[str, Any]) -> ItemResult:
    return ItemResult(item["target"], item["text"], well=item["done"])


def _ms(text: str | None) -> int | None:
    return None if text is None else milliseconds(text)


def _event(item: Mapping[str, Any]) -> EventRow:
    return EventRow(
        seq=item["seq"],
        ref=item["ref"],
        id=item["id"],
        source=item["source"],
        type=item["type"],
        subject=item["subject"],
        received_at=milliseconds(item["received_at"]),
        held=None if item["held"] is None else Held(item["held"]),
        deliveries=item["deliveries"],
        supersedes=item["supersedes"],
        superseded=item["superseded"],
        trust=item["trust"],
        time=item["time"],
    )


def _delivery(item: Mapping[str, Any]) -> DeliveryRow:
    values = {name: value for name, value in item.items() if name not in {"history", "next"}}
    for name in ("next_attempt_at", "finished_at", "received_at"):
        values[name] = _ms(item[name])
    return DeliveryRow(**values)


def _attempt(item: Mapping[str, Any]) -> AttemptRow:
    return AttemptRow(
        number=item["number"],
        started_at=milliseconds(item["started_at"]),
        took_ms=round(item["seconds"] * 1000),
        outcome=Outcome(item["outcome"]),
        status=item["status"],
        detail=item["detail"],
    )


def _refused(item: Mapping[str, Any]) -> RefusedRow:
    return RefusedRow(
        id=item["id"],
        refusal=Refusal(
            source=item["source"],
            code=item["code"],
            detail=item["detail"],
            received_at=milliseconds(item["received_at"]),
            method=item["method"],
            path=item["path"],
            headers=tuple((header["name"], header["value"]) for header in item.get("headers", ())),
            body=(item.get("body") or "").encode(),
            size=item["size_bytes"],
            peer=item["peer"],
            verified=item["verified"],
        ),
    )


def _sink(item: Mapping[str, Any]) -> SinkRow:
    gate = Gate(
        sink=item["name"], paused=item["state"] == "paused", open_until=_ms(item["probe_after"]), reason=item["reason"]
    )
    return SinkRow(
        name=item["name"],
        waiting=item["waiting"],
        sending=item["sending"],
        delivered=item["delivered"],
        dead=item["dead"],
        oldest_waiting_at=_ms(item["oldest_waiting_at"]),
        gate=gate,
    )


def _source(item: Mapping[str, Any]) -> SourceRow:
    return SourceRow(
        name=item["name"],
        seen_at=_ms(item["last_seen"]),
        refused=item["refused_kept"],
        refused_at=_ms(item["refused_at"]),
        ignored=tuple(
            Heard(
                source=item["name"],
                vendor_type=heard["vendor_type"],
                at=milliseconds(heard["at"]),
                size=heard["size_bytes"],
                ignored=True,
            )
            for heard in item["ignored"]
        ),
    )


def _act(item: Mapping[str, Any]) -> AuditRow:
    return AuditRow(
        id=item["id"],
        at=milliseconds(item["at"]),
        actor=item["who"],
        place=item["from"],
        act=item["act"],
        target=item["target"],
        filter=item["filter"],
        matched=item["matched"],
        done=item["done"],
        result=item["result"],
    )
