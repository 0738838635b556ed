"""With `pytest --encrypted` every store of the tests is encrypted, also those of gateways in processes of their own."""

from __future__ import annotations

import os
from functools import wraps
from inspect import signature
from typing import Any, Final

NAME: Final = "PYTEST_ENCRYPTED"  # tells processes that this one starts
KEY: Final = bytes(range(32))


def encrypt_every_store() -> None:
    """From now on a store that is given no keys has this one."""
    from gateway.store.admin.connections import StoreConnections
    from gateway.store.postgres.session import PostgresSession
    from gateway.store.sqlite.session import SqliteSession
    from gateway.store.store import Store

    os.environ[NAME] = "1"
    for cls in (Store, StoreConnections):
        _give_a_key(cls)
    for session in (SqliteSession, PostgresSession):  # which tests open beside a store
        _open_with_the_key(session)


def _give_a_key(cls: type[Any]) -> None:
    real = cls.__init__
    if hasattr(real, "encrypts"):
        return
    arguments = signature(real)

    @wraps(real)
    def init(*given: Any, **named: Any) -> None:
        bound = arguments.bind(*given, **named)
        if bound.arguments.get("cipher") is None:
            bound.arguments["cipher"] = _cipher()
        real(*bound.args, **bound.kwargs)

    init.encrypts = True  # type: ignore[attr-defined]
    cls.__init__ = init


def _open_with_the_key(cls: type[Any]) -> None:
    real = cls.__init__
    if hasattr(real, "encrypts"):
        return

    @wraps(real)
    def init(self: Any, *given: Any, **named: Any) -> None:
        real(self, *given, **named)
        if getattr(self, "cipher", None) is None:
            self.cipher = _cipher()

    init.encrypts = True  # type: ignore[attr-defined]
    cls.__init__ = init


def _cipher() -> Any:
    from gateway.store.engine.cipher import Cipher

    return Cipher({"of-the-tests": KEY})
