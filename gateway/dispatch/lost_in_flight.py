"""What was in flight when a process died: it waits like a failed try, and what processes always die with is dead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from gateway.dispatch.attempt import Nonsense
from gateway.dispatch.lane_context import Shared
from gateway.dispatch.leased_delivery import Dispatch, LeasedDelivery
from gateway.dispatch.prober import Prober
from gateway.dispatch.retry import LONE_LOSSES_MAX, backoff, goes_alone
from gateway.dispatch.slots import Slots
from gateway.errors import StoreError
from gateway.runtime.lean_imports import import_structlog

log = import_structlog().get_logger("gateway.dispatcher")

RETRY_SECONDS: Final = (0.2, 1.0)  # until the next look, where one may not begin yet


class LostInFlight:
    """One lane's. `crashed` writes that a delivery is dead."""

    def __init__(
        self, slots: Slots, prober: Prober, shared: Shared, crashed: Callable[[LeasedDelivery, Nonsense], None]
    ) -> None:
        self._slots = slots
        self._prober = prober
        self._shared = shared
        self._crashed = crashed

    async def goes_beside_others(self, dispatch: Dispatch, send: Callable[[Dispatch], Awaitable[None]]) -> bool:
        """Whether it, with a suspect among it, goes beside others now; False: it went alone by `send`, or not yet."""
        self._put_off(dispatch)
        if not dispatch.suspected:
            return bool(dispatch.members)
        isolation = self._shared.isolation
        if not any(goes_alone(member.lease.losses, member.lease.suspects) for member in dispatch.members):
            await isolation.wait()
            if await self._note_sending(dispatch, False):
                return True
        elif not isolation.taken:
            dispatch.lone = True
            async with isolation.alone(partial(self._note_sending, dispatch)) as begun:
                if begun:
                    await send(dispatch)
                    return False
        # another one is alone now, or it could not be noted, and a death that is not counted could come again and again
        delay = self._shared.rng.uniform(*RETRY_SECONDS)
        for member in dispatch.members:
            member.again = delay
        self._slots.give_back(dispatch, round(delay * 1000))
        return False

    def _put_off(self, dispatch: Dispatch) -> None:
        """What the process before died with waits like a failed try; what it always dies with is dead."""
        lost = [member for member in dispatch.members if member.lease.losses and member.lease.lost]
        if not lost:
            return
        dispatch.members = [member for member in dispatch.members if member not in lost]
        if not dispatch.members:
            self._slots.untoken(dispatch)
            self._prober.dropped(dispatch)
        for member in lost:
            lease = member.lease
            facts = {
                "sink": self._slots.sink.name,
                "id": lease.event.id,
                "delivery": lease.delivery,
                "losses": lease.losses,
            }
            if lease.lone_losses >= LONE_LOSSES_MAX:
                why = Nonsense(f"the process died {lease.lone_losses} times while this alone was in flight")
                self._crashed(member, why)
                continue
            delay = backoff(lease.losses, self._slots.policy.retry, self._shared.rng)
            log.warning("lost_in_flight", **facts, next_try_in=round(delay, 3))
            member.again = delay
            self._shared.settler.release(member, round(delay * 1000), self._slots.settled)

    async def tell_survived(self, members: Sequence[LeasedDelivery]) -> None:
        """A try of these came to its end, so that the suspects among them are not what the process died of."""
        try:
            await self._shared.store.survived([member.lease.delivery for member in members if member.lease.losses])
        except StoreError as error:  # it is counted a little wrong, and nothing else
            self._not_noted(error)

    async def _note_sending(self, dispatch: Dispatch, alone: bool) -> bool:
        """Note that these are about to be sent, or are no longer alone; False: that could not be noted."""
        leases = [(member.lease.delivery, member.lease.token) for member in dispatch.members if member.lease.losses]
        try:
            return await self._shared.store.begin_suspected(leases, alone=alone)
        except StoreError as error:
            self._not_noted(error)
            return False

    def _not_noted(self, error: StoreError) -> None:
        log.warning("loss_not_noted", sink=self._slots.sink.name, error=str(error))
