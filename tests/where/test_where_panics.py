"""A mistake of the CEL library itself is an expression that fails."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gateway.where import WhereFailed, compile_where


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
