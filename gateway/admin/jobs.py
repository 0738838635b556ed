"""Does the bulk acts that were asked for, a step at a time and within their rates, until each has ended."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from gateway.admin.access import Running, StoreAccess
from gateway.config.loaded import Loaded
from gateway.errors import GatewayError, StoreUnavailable
from gateway.runtime.activity import Activity
from gateway.runtime.background import Bell, end_tasks
from gateway.runtime.clock import Clock
from gateway.runtime.duty import Duties
from gateway.runtime.lean_imports import import_structlog
from gateway.store.admin import free_jobs
from gateway.store.store import Store

if TYPE_CHECKING:
    from gateway.store.admin.admin import StoreAdmin
    from gateway.store.admin.job_rows import JobRow

LOOK_SECONDS: Final = 2.0  # between two looks for jobs that another gateway left, or that were asked for elsewhere
REST_SECONDS: Final = 5.0  # between two looks, in a long pause, whether it still is to be done
JOBS_AT_ONCE_MAX: Final = 4
STEP_SECONDS: Final = 1.0  # of work that one step does at most, at its rate

log = import_structlog().get_logger("gateway.admin")


def holder_of(token: str) -> str:
    """What is kept of the token that a job was asked with: a hash that says nothing of it."""
    return hashlib.sha256(b"job\0" + token.encode()).hexdigest()[:32]


def holders(loaded: Loaded) -> frozenset[str]:
    """Those that may operate now."""
    return frozenset(holder_of(one.token.reveal()) for one in loaded.settings.admin.all_tokens if one.role == "operate")


class JobRunner:
    """`start` and `close` once each. A job whose gateway died goes on here after half a minute, from where it stood."""

    def __init__(self, gateway: Running, store: Store, access: StoreAccess, activity: Activity, duties: Duties) -> None:
        """`store` is asked whether there is a job at all; what is done goes over `access`, whose connections open then."""
        self._gateway = gateway
        self._store = store
        self._access = access
        self._owner = store.owner
        self._activity = activity
        self._task: asyncio.Task[None] | None = None
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._duties = duties
        self._clock = Clock()  # the machine's, because what other gateways do does not follow ours
        self._bell = Bell(self._clock)
        self._left = False  # what a gateway held that is gone is free

    def start(self) -> None:
        """Begin."""
        self._task = self._duties.run_every("jobs", self._adopt, LOOK_SECONDS, bell=self._bell, clock=self._clock)

    def hurry(self) -> None:
        """A job was asked for."""
        self._bell.ring()

    async def close(self) -> None:
        """End after the steps that are under way; the rest is done when a gateway runs again."""
        await end_tasks(self._task, *self._under_way.values())
        if self._task is not None:
            with contextlib.suppress(GatewayError):
                await self._store.write(lambda session: free_jobs.leave(session, self._owner))

    async def _adopt(self) -> None:
        """Go on with what nobody goes on with, a few jobs at once."""
        if not self._left:
            # nobody else serves this store, so whoever held a job is gone
            owner = self._owner if self._store.shared else None
            await self._store.write(lambda session: free_jobs.leave(session, owner))
            self._left = True
        for id, task in list(self._under_way.items()):
            if task.done():
                del self._under_way[id]
        jobs: Sequence[int] = await self._store.ask(lambda session: free_jobs.free(session, self._owner))
        for id in jobs:
            if id not in self._under_way and len(self._under_way) < JOBS_AT_ONCE_MAX:
                self._under_way[id] = asyncio.create_task(self._carefully(id), name=f"job {id}")

    async def _carefully(self, id: int) -> None:
        try:
            await self._whole(id)
        except StoreUnavailable as error:
            log.warning("job_waits", job=id, error=str(error))
        except Exception:
            log.exception("job_failed", job=id)

    async def _whole(self, id: int) -> None:
        from gateway.store.admin.jobs import STEP_ROWS_MAX

        most = 1
        while True:
            try:
                before = await self._access.read(lambda admin: admin.job(id))
                job = await self._access.change(partial(self._step, id, most))
            except StoreUnavailable:
                raise
            except GatewayError as error:
                await self._access.change(partial(_fail, id, str(error)))
                return
            except Exception as error:
                log.exception("job_failed", job=id)
                await self._access.change(partial(_fail, id, f"{type(error).__name__}; the log says where"))
                return
            self._publish_job(job)
            acted = job.done + job.failed - before.done - before.failed
            if job.finished_at is not None or (job.at_row == before.at_row and not acted):
                return
            pause = job.pause_us / 1_000_000
            most = min(max(round(STEP_SECONDS / pause) if pause else STEP_ROWS_MAX, 1), STEP_ROWS_MAX)
            if not await self._rest(id, acted * pause):
                return

    async def _rest(self, id: int, seconds: float) -> bool:
        """Keep to its rate; False: it was ended meanwhile."""
        while seconds > 0:
            await self._gateway.clock.sleep(min(seconds, REST_SECONDS))
            seconds -= REST_SECONDS
            if seconds > 0:
                job = await self._access.change(lambda admin: admin.renew_job(id, self._owner))
                if job.finished_at is not None:
                    return False
        return True

    def _step(self, id: int, most: int, admin: StoreAdmin) -> JobRow:
        from gateway.intake.reverify import ids_of, route_of  # because most gateways never have such a job

        loaded = self._gateway.loaded
        route, ids = route_of(loaded), ids_of(loaded)
        return admin.step_job(id, most, owner=self._owner, holders=holders(loaded), route=route, ids=ids)

    def _publish_job(self, job: JobRow) -> None:
        body = {"job": job.id, "act": job.act, "state": job.state, "matched": job.matched}
        self._activity.publish("job", body | {"done": job.done, "failed": job.failed})


def _fail(id: int, why: str, admin: StoreAdmin) -> None:
    admin.fail_job(id, why)
