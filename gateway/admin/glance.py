"""The gateway at a glance for who looks beside its store: one question, and nothing imported of what acts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from gateway.admin.overview import overview
from gateway.admin.store_opener import store_reader
from gateway.runtime.clock import Clock

if TYPE_CHECKING:
    from gateway.admin.overview_results import Overview
    from gateway.admin.window_counts import Window
    from gateway.config.loaded import Loaded
    from gateway.store.admin.audit import Actor


@dataclass(frozen=True, slots=True)
class NotRunning:
    """What the functions of the admin side ask of a gateway, of one that is only configured."""

    loaded: Loaded
    clock: Clock

    async def reload(self, actor: Actor) -> NoReturn:
        """There is nothing that could."""
        raise NotImplementedError


class Glance:
    """One configuration's store, looked at as a whole. Use it in a `with`. Raises what StoreQueries raises."""

    def __init__(self, loaded: Loaded) -> None:
        self._gateway = NotRunning(loaded, Clock())
        self._store = store_reader(loaded.settings)

    def __enter__(self) -> Glance:
        return self

    def __exit__(self, *exc: object) -> None:
        self._store.close()

    def overview(self, window: Window = "24h") -> Overview:
        """The gateway at a glance, with the paths of its sources."""
        return overview(self._gateway, window, None, False, self._store)
