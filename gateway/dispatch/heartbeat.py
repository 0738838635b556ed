"""What `delivery.alive()` does: the silence begins anew, the lease is lengthened, what the sink wants kept is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.dispatch.attempt import Nonsense, SinkAnswer
from gateway.dispatch.lane_context import Shared
from gateway.dispatch.leased_delivery import Dispatch, LeasedDelivery
from gateway.dispatch.memos import checked_memo
from gateway.dispatch.prober import Prober
from gateway.dispatch.slots import Slots
from gateway.errors import ItemRefused, Refused, Retry, Stopping, StoreError
from gateway.model import Progress
from gateway.runtime.lean_imports import import_structlog
from gateway.text.storable import mended

log = import_structlog().get_logger("gateway.dispatcher")

PROGRESS_SECONDS: Final = 2.0  # between two writes of a progress that brings no memo
RENEWED_SHARE: Final = 1 / 3  # of a lease that may pass before it is lengthened
STORE_RETRY_SECONDS: Final = 1.0  # until a store that is away is asked again
TEXT_CHARS_MAX: Final = 200  # of a progress


class HandedOver(Retry):
    """A sink ended because it was told to: whoever carries the delivery next goes on with its memo."""


def handed_over(member: LeasedDelivery, answer: SinkAnswer) -> SinkAnswer:
    """What a sink answered, or that the delivery is handed over: it ended because of Stopping, whatever it made of that."""
    if not isinstance(answer, BaseException) or isinstance(answer, Refused):
        return answer
    if member.lost:
        return HandedOver("its lease was lost while it was carried")
    if member.stopped:
        return HandedOver("handed over: the gateway stopped", memo=answer.memo if isinstance(answer, Retry) else None)
    if isinstance(answer, Stopping):
        return Nonsense("raised Stopping, though nobody asked it to stop")
    return answer


class Pulse:
    """One lane's."""

    def __init__(self, slots: Slots, prober: Prober, shared: Shared) -> None:
        self._slots = slots
        self._prober = prober
        self._shared = shared
        self._clock = shared.clock
        name = slots.sink.name
        self._alive = shared.metrics.alive.labels(name)
        self._bytes = shared.metrics.alive_bytes.labels(name)

    def ended(self, member: LeasedDelivery) -> None:
        """It is carried no more."""
        if member.alive:
            member.alive = False
            self._alive.dec()

    async def beat(
        self,
        dispatch: Dispatch,
        member: LeasedDelivery,
        memo: Mapping[str, object] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """What this delivery's sink calls. Raises Stopping, and ValueError for a memo or a progress that cannot be kept."""
        kept_memo = None if memo is None else checked_memo(memo)
        shown = None if progress is None else _checked(progress)
        if kept_memo is not None and not member.decided:
            # before anything is awaited, because whatever ends this attempt now is written with the memo of now
            member.lease = member.lease.replace(memo=kept_memo)
        self._go_on(dispatch, member)
        dispatch.hear()
        if not member.alive:
            member.alive = True
            self._alive.inc()
        if shown is not None:
            self._count(member, shown)
        now = self._clock.monotonic()
        tired = member.expires - now < self._slots.lease / 1000 * (1 - RENEWED_SHARE)
        if kept_memo is None and not tired and (shown is None or now < member.shown_at + PROGRESS_SECONDS):
            return
        member.shown_at = now
        await self._keep(dispatch, member, kept_memo, shown)
        if kept_memo is not None:
            await self._let_others_go(dispatch)
        dispatch.hear()
        self._go_on(dispatch, member)

    def _go_on(self, dispatch: Dispatch, member: LeasedDelivery) -> None:
        if member.lost or member.decided or dispatch.dropped:
            raise Stopping("this delivery is no longer carried here")
        if self._slots.stopping:
            member.stopped = True
            raise Stopping("the gateway is to stop")

    async def _keep(
        self,
        dispatch: Dispatch,
        member: LeasedDelivery,
        memo: Mapping[str, object] | None,
        progress: Progress | None,
    ) -> None:
        lease, logged = member.lease, False
        while True:
            asked = self._clock.monotonic()
            try:
                kept = await self._shared.store.keep_alive(
                    lease.delivery, lease.token, self._slots.lease, memo, progress
                )
                break
            except ItemRefused:
                raise ValueError("the database refuses this memo or progress") from None
            except StoreError as error:  # it goes on as long as its lease is surely its own
                if not logged:
                    log.warning("not_kept_alive", sink=lease.sink, delivery=lease.delivery, error=str(error))
                logged = True
                if asked >= member.expires:
                    kept = False
                    break
                dispatch.hear()  # that the store is away is not the sink's silence
                await self._clock.sleep(STORE_RETRY_SECONDS)
                self._go_on(dispatch, member)
        if not kept:
            member.lost = True
            raise Stopping("its lease is lost: another gateway may carry this delivery by now")
        expires = asked + self._slots.lease / 1000
        member.renewed += expires - member.expires
        member.expires = expires

    async def _let_others_go(self, dispatch: Dispatch) -> None:
        """It gets on, so nothing else waits for it: neither what was lost in flight with it, nor an open circuit."""
        if dispatch.lone:
            dispatch.lone = False
            self._shared.isolation.share()
        if dispatch.probe is not None:
            await self._prober.ended(dispatch, None)
            dispatch.probe = None

    def _count(self, member: LeasedDelivery, progress: Progress) -> None:
        done = progress.done or 0
        if member.done is not None and done > member.done:  # what an earlier attempt did is not done again
            self._bytes.inc(done - member.done)
        member.done = done


def _checked(progress: Progress) -> Progress:
    """The progress, if it can be shown. Raises ValueError."""
    if not isinstance(progress, Progress):
        raise ValueError(f"progress is a {type(progress).__name__}, not a gateway.Progress")
    for name in ("done", "total"):
        amount = getattr(progress, name)
        if amount is not None and (type(amount) is not int or not 0 <= amount < 2**63):
            raise ValueError(f"progress.{name} is {amount!r}, not a whole number of bytes")
    return progress.replace(text=mended(str(progress.text))[:TEXT_CHARS_MAX])
