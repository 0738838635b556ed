"""A mistake of the CEL library itself is an expression that fails."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gateway.where import WhereFailed, compile_where


def test_whoever_stops_the_program_is_heard_while_an_expression_is_compiled_or_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stopped(*_: object) -> object:
        raise KeyboardInterrupt

    where = compile_where("event.data.app == 'live'")
    monkeypatch.setattr(where, "_program", SimpleNamespace(execute=stopped))
    monkeypatch.setattr(where, "_context", stopped)
    monkeypatch.setattr("gateway.runtime.lean_imports.import_cel", lambda: SimpleNamespace(compile=stopped))
    for act in (lambda: where.value({}), lambda: where.prepare({}), lambda: compile_where("true")):
        with pytest.raises(KeyboardInterrupt):
            act()


class Panic(BaseException):
    """What a library written in Rust raises where it has a mistake of its own."""


def test_a_panic_of_the_library_fails_as_any_expression_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def panics(*_: object) -> object:
        raise Panic("attempt to divide with overflow")

    where = compile_where("event.data.app == 'live'")
    prepared = where.prepare({"data": {"app": "live"}})
    assert where.value(prepared) is True
    monkeypatch.setattr(where, "_program", SimpleNamespace(execute=panics))
    monkeypatch.setattr(where, "_context", panics)
    for fails in (lambda: where.value(prepared), lambda: where.matches({})):
        with pytest.raises(WhereFailed, match="Panic: attempt to divide"):
            fails()
