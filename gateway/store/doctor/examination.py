"""Examines the place of a store, and leaves it as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from gateway.store.doctor import sqlite_file
from gateway.store.doctor.diagnosis import Diagnosis, Finding, Grade, Mode
from gateway.store.doctor.facts import FACTS
from gateway.store.doctor.trials import MAKE, REMOVE, TRIALS, ServerTrial
from gateway.store.doctor.two_sessions import Lacking, Server, Slower, opened
from gateway.store.engine.migrations import VERSION
from gateway.text.store_address import StoreAddress


def examine(address: StoreAddress) -> Diagnosis:
    """What is there and what is missing. Raises StoreUnavailable where nobody answers."""
    if address.backend == "sqlite":
        return sqlite_file.examine(address)
    with opened(address) as server:
        findings = [finding for fact in FACTS for finding in _asked(server, fact)]
        marked = _marked(server, findings)
        tried = _tried(server)
        locks = not isinstance(tried.get("advisory locks", ""), Exception)
        mode: Mode = "reduced" if marked or (marked is None and (address.reduced or not locks)) else "full"
        findings += [_judged(server, trial, tried[trial.name], mode) for trial in TRIALS if trial.name in tried]
        findings += [_no_store(server, tried[""])] if "" in tried else []
        return Diagnosis(address.shown, str(findings[0].seen), mode, findings)


def _asked(server: Server, fact: Callable[[Server], Iterator[Finding]]) -> list[Finding]:
    """A server that has no such setting or view says nothing of it, and the list does not ask for it."""
    try:
        return list(fact(server))
    except server.errors.Error:
        server.calm()
        return []


def _marked(server: Server, findings: list[Finding]) -> bool | None:
    """Whether the store there was made in the reduced mode; None: there is none."""
    try:
        notes: dict[str, str] = dict(server.rows("SELECT name, value FROM meta WHERE name IN ('schema', 'reduced')"))
    except server.errors.Error:
        server.calm()
        findings.append(
            Finding("store", "noted", "none is here yet", "`gateway serve` makes it, or `gateway store migrate`")
        )
        return None
    version = notes.get("schema", "0")
    well = version == str(VERSION)
    meaning = "" if well else f"this program needs version {VERSION}: `gateway store migrate`, or the newer program"
    mode = "the reduced" if "reduced" in notes else "the full"
    findings.append(
        Finding("store", "ok" if well else "noted", f"tables of version {version}, in {mode} mode", meaning)
    )
    return "reduced" in notes


def _tried(server: Server) -> dict[str, str | Exception]:
    """What came of each trial; under the empty name, why none could be made."""
    answers: dict[str, str | Exception] = {}
    try:
        for statement in MAKE:
            server.rows(statement)
        for trial in TRIALS:
            try:
                answers[trial.name] = trial.run(server)
            except (Lacking, server.errors.Error, ValueError) as error:
                answers[trial.name] = error
            server.calm()
    except server.errors.Error as error:
        answers[""] = error
    finally:
        server.calm()
        for statement in REMOVE:
            with suppress(server.errors.Error):
                server.rows(statement)
    return answers


def _judged(server: Server, trial: ServerTrial, answer: str | Exception, mode: Mode) -> Finding:
    if isinstance(answer, str):
        return Finding(trial.name, "ok", answer)
    needed = trial.needed in ("always", mode) and not isinstance(answer, Slower)
    grade: Grade = "missing" if needed else "noted"
    seen = str(answer) if isinstance(answer, Lacking) else server.explain(answer)
    return Finding(trial.name, grade, seen, trial.without)


def _no_store(server: Server, answer: str | Exception) -> Finding:
    seen = server.explain(answer) if isinstance(answer, Exception) else answer
    return Finding("tables", "missing", seen, "the gateway, and this, need a database in which they may make tables")
