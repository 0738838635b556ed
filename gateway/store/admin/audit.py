"""The audit log: what people did to the store and the gateway, kept longer than what it was done to."""

from __future__ import annotations

import getpass
import hashlib
import hmac
import json
import os
import secrets
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from gateway.states import AuditAct
from gateway.store.admin.damage_bypass import NEWEST_KEY
from gateway.store.admin.pages import PAGE_ROWS_MAX
from gateway.store.admin.search_budget import SearchBudget
from gateway.store.engine.batch import storable
from gateway.store.engine.session import Columns, Session, value_of

UNDER_WAY: Final = "under way"  # what is left of an act whose process died: `done` says how far it came
TEXT_CHARS_MAX: Final = 200  # characters of a name, a place or an answer

_INSERT: Final = """INSERT INTO audit (at, actor, place, act, target, filter, matched, done, result)
  VALUES (:now, :actor, :place, :act, :target, CAST(:filter AS text), :matched, :done, :result) RETURNING id"""
_UPDATE: Final = """UPDATE audit SET target = target || :more, done = :done, result = :result WHERE id = :id"""
_END: Final = "UPDATE audit SET result = :result WHERE id = :id"
_PAGE: Final = """SELECT id, at, actor, place, act, target, filter, matched, done, result FROM audit
  WHERE {condition}id < :before ORDER BY id DESC LIMIT :most"""
_NEXT_NAME: Final = "SELECT {column} FROM audit WHERE {column} > :name ORDER BY {column} LIMIT 1"
_NAMES_MAX: Final = 64  # acts or actors that one page is put together from; past it every row is looked at
LATE_MS: Final = 3_600_000  # an act may have a row so much later than its time; past it nothing newer follows
_KEY: Final = "SELECT value FROM meta WHERE name = 'audit_key'"
_MAKE_KEY: Final = "INSERT INTO meta (name, value) VALUES ('audit_key', :key) ON CONFLICT (name) DO NOTHING"
_OF_STREAMS: Final = ("stream", "subject", "q")
_JOB_FILTERS: Final = "SELECT id, filter FROM jobs WHERE finished_at IS NOT NULL AND filter <> '{}'"
_FILTERS: Final = "SELECT id, filter FROM audit WHERE filter IS NOT NULL AND act NOT IN ('events erase', 'bulk erase')"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and from where: `name` is the operating system's user or a token's name, `place` a host or an address."""

    name: str
    place: str

    @classmethod
    def here(cls) -> Actor:
        """The user of the operating system who runs this process, on this host."""
        try:
            name = getpass.getuser()
        except (KeyError, OSError):  # a container's user without a name
            name = f"uid {os.getuid()}"
        return cls(name, socket.gethostname())

    def __str__(self) -> str:
        return f"{self.name}@{self.place}"


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One act as it is written down when it begins. `filter` is what was asked for, where nothing was named one by one."""

    actor: Actor
    act: AuditAct
    target: str = ""
    filter: Mapping[str, object] | None = None
    matched: int = 1
    hidden: bool = False  # an erasure: the filter is kept as a keyed hash, because it may hold what is erased


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One act as it is listed."""

    id: int
    at: int
    actor: str
    place: str
    act: AuditAct
    target: str
    filter: str | None  # JSON, or `hmac-sha256:…` of it
    matched: int
    done: int
    result: str


def begin_act(session: Session, entry: AuditEntry, done: int = 0, result: str = UNDER_WAY) -> int:
    """Write an act down, inside the transaction that does it; the row."""
    text = None if entry.filter is None else json.dumps(entry.filter, ensure_ascii=True, sort_keys=True)
    if text is not None and entry.hidden:
        text = keyed_hash(session, text)
    values = {
        "actor": storable(entry.actor.name, TEXT_CHARS_MAX),
        "place": storable(entry.actor.place, TEXT_CHARS_MAX),
        "act": entry.act,
        "target": entry.target,
        "filter": text,
        "matched": entry.matched,
        "done": done,
        "result": storable(result, TEXT_CHARS_MAX),
    }
    ((row,),) = session.rows(_INSERT, values)
    return int(row)


def go_on(session: Session, row: int, done: int, result: str, more: str = "") -> None:
    """How far an act came by now, and what else it was done to."""
    session.change(_UPDATE, {"id": row, "done": done, "result": storable(result, TEXT_CHARS_MAX), "more": more})


def end_act(session: Session, row: int, result: str) -> None:
    """How an act ended."""
    session.change(_END, {"id": row, "result": storable(result, TEXT_CHARS_MAX)})


def keyed_hash(session: Session, text: str) -> str:
    """What proves later that a text was meant, and does not say it: an HMAC under a key of this store."""
    session.change(_MAKE_KEY, {"key": secrets.token_hex(32)})
    ((key,),) = session.rows(_KEY)
    return "hmac-sha256:" + hmac.new(bytes.fromhex(key), text.encode(), hashlib.sha256).hexdigest()


def hide(session: Session, texts: Collection[str]) -> None:
    """Replace the filters of earlier acts that asked for any of these streams, which are being erased, by their hash."""
    _hide_jobs(session, texts)
    for row, filter in session.rows(_FILTERS):
        if filter.startswith("hmac-sha256:"):
            continue
        asked = [str(value) for name, value in json.loads(filter).items() if name in _OF_STREAMS]
        if any(text in value for text in texts if text for value in asked):
            hidden = {"id": row, "filter": keyed_hash(session, filter)}
            session.change("UPDATE audit SET filter = :filter WHERE id = :id", hidden)


def _hide_jobs(session: Session, texts: Collection[str]) -> None:
    """The same of bulk acts that have ended, of which the audit log has the hash."""
    for row, filter in session.rows(_JOB_FILTERS):
        asked = [str(value) for name, value in json.loads(filter).items() if name in _OF_STREAMS]
        if any(text in value for text in texts if text for value in asked):
            session.change("UPDATE jobs SET filter = '{}', answers = '[]' WHERE id = :id", {"id": row})


def page(
    session: Session,
    keeps: Callable[[AuditRow], bool],
    *,
    limit: int,
    before: int | None,
    act: str | None = None,
    actor: str | None = None,
    since: int | None = None,
    budget: SearchBudget | None = None,
) -> Sequence[AuditRow]:
    """A page of acts, newest first. `act` or `actor` are globs, and what fits is found along its index; `keeps` has the
    last word. `budget` ends it early where its time is up."""
    statement, values = _search(session, act, actor)
    page_rows: list[AuditRow] = []
    at = NEWEST_KEY if before is None else before
    while statement and len(page_rows) < limit:
        rows = [_row(row) for row in session.rows(statement, {**values, "before": at, "most": PAGE_ROWS_MAX})]
        page_rows += [row for row in rows if keeps(row)]
        if len(rows) < PAGE_ROWS_MAX or (since is not None and rows[-1].at < since - LATE_MS):
            break
        at = rows[-1].id
        if budget is not None and len(page_rows) < limit:
            budget.looked += len(rows)
            if budget.over():
                budget.cut_at = at
                break
    return page_rows[:limit]


def _search(session: Session, act: str | None, actor: str | None) -> tuple[str, dict[str, str]]:
    """The statement of a page: along the key, or a merge of the acts (or actors) that fit, each along its index; empty
    where none fits."""
    column, glob = ("act", act) if act is not None else ("actor", actor)
    names = None if glob is None else _names(session, column, glob)
    if names is None:
        return _PAGE.format(condition=""), {}
    marks = {
        f"name_{chr(97 + n // 26)}{chr(97 + n % 26)}": name for n, name in enumerate(names)
    }  # digits name no value
    parts = [f"SELECT * FROM ({_PAGE.format(condition=f'{column} = :{mark} AND ')}) AS {mark}" for mark in marks]  # noqa: S608
    merged = f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS acts ORDER BY id DESC LIMIT :most" if parts else ""  # noqa: S608
    return merged, marks


def _names(session: Session, column: str, glob: str) -> Sequence[str] | None:
    """The acts or actors that there are and that fit, each sought behind the one before it; None: they are many."""
    if not set(glob) & set("*?["):
        return [glob]
    fitting: list[str] = []
    name = ""
    for _ in range(4 * _NAMES_MAX):
        rows = session.rows(_NEXT_NAME.format(column=column), {"name": name})
        if not rows:
            return fitting
        name = value_of(rows)
        if fnmatchcase(name, glob):
            fitting.append(name)
            if len(fitting) > _NAMES_MAX:
                return None
    return None


def _row(row: Columns) -> AuditRow:
    id_, at, actor, place, act, target, filter, matched, done, result = row
    return AuditRow(
        id=id_,
        at=at,
        actor=actor,
        place=place,
        act=act,
        target=target,
        filter=filter,
        matched=matched,
        done=done,
        result=result,
    )
