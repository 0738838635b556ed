"""Runs a reload and tells of it: one at a time, with its row in the audit log, its alarm, its metrics and its log line."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from gateway.alarms.raiser import CONFIGURATION, AlarmRaiser
from gateway.config.document.diagnostics import ConfigError
from gateway.errors import GatewayError, StoreError
from gateway.model import RELOAD_REFUSED
from gateway.plugin.own_code import own_code
from gateway.reload import Reloaded, ReloadRefused
from gateway.runtime.duty import Duties
from gateway.runtime.file_watch import LOOK_SECONDS, FileWatch
from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.metrics import Metrics
from gateway.store.admin.audit import Actor, AuditEntry
from gateway.store.store import Store
from gateway.text.redaction import redact

log = import_structlog().get_logger("gateway.app")  # the gateway's own lines, wherever in it they are written

AUDIT_SECONDS: Final = 2.0  # how long a reload waits for its row in the audit log


class Reloader:
    """What a reload of the file at `path` does beside `swap`, which changes what runs: all of it, or nothing. `files` are
    watched: it, and what it names."""

    def __init__(
        self,
        swap: Callable[[], Awaitable[Reloaded]],
        *,
        path: Path,
        files: Callable[[], Sequence[Path]],
        store: Store,
        alarms: AlarmRaiser,
        metrics: Metrics,
        duties: Duties,
    ) -> None:
        self._swap, self._path, self._files = swap, path, files
        self._store, self._alarms, self._metrics, self._duties = store, alarms, metrics, duties
        self._turn = asyncio.Lock()
        self.file_state = "ok"  # for readiness: whether the file is what runs

    async def reload(self, actor: Actor) -> Reloaded:
        """As `Gateway.reload`."""
        async with self._turn:
            try:
                with own_code():
                    done = await self._swap()
            except GatewayError as error:
                self._tell_refused(error)
                await self._write_down(actor, f"refused: {getattr(error, 'code', None) or type(error).__name__}")
                raise
            except Exception as error:  # a plugin's own bug, before anything was changed
                log.exception("reload_failed")
                refused = ReloadRefused("reload_failed", f"{type(error).__name__}; the log says where")
                self._tell_refused(refused)
                await self._write_down(actor, "refused: reload_failed")
                raise refused from error
            self.file_state = "ok"
            self._alarms.see(RELOAD_REFUSED, CONFIGURATION, False)
            self._metrics.config_reloads.labels("done").inc()
            self._metrics.config_current.set(1)
            changed = {"sources": dict(done.sources), "sinks": dict(done.sinks), "routes": done.routes}
            log.info("reloaded", **changed, settings=list(done.settings))
            await self._write_down(actor, "unchanged" if done.nothing else "reloaded")
            return done

    async def watch(self) -> None:
        """Reload whenever the configuration file, or one that it names, became another one, until cancelled."""

        async def changed() -> None:
            with contextlib.suppress(GatewayError):  # it was said already
                await self.reload(Actor("file watch", socket.gethostname()))

        duty = self._duties.add("file watch", FileWatch(self._files, changed).turn, LOOK_SECONDS)
        try:
            await duty.do_until_cancelled(LOOK_SECONDS)
        finally:
            self._duties.remove(duty)

    def _tell_refused(self, error: GatewayError) -> None:
        self.file_state = "not what runs: the last reload was refused"
        self._metrics.config_reloads.labels("refused").inc()
        self._metrics.config_current.set(0)
        problems = [one.sentence for one in error.problems] if isinstance(error, ConfigError) else [str(error)]
        log.error("reload_refused", problems=problems)
        self._alarms.see(RELOAD_REFUSED, CONFIGURATION, True, redact("; ".join(problems)))

    async def _write_down(self, actor: Actor, result: str) -> None:
        """A row of the audit log; a store that is away does not undo the reload, nor hold it up for long."""
        entry = AuditEntry(actor=actor, act="reload", target=str(self._path))
        with contextlib.suppress(StoreError, TimeoutError):
            async with asyncio.timeout(AUDIT_SECONDS):
                await self._store.audit(entry, int(not result.startswith("refused")), result)
