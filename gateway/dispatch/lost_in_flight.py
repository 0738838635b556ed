"""What was in flight when a process died: it waits like a failed try, and what processes always die with is dead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from gateway.dispatch.attempt import Nonsense
from gateway.dispatch.lane_context import Shared
from gateway.dispatch.leased import Dispatch, LeasedDelivery
from gateway.dispatch.prober import Prober
from gateway.dispatch.retry import LONE_LOSSES_MAX, backoff
from gateway.dispatch.slots import Slots
from gateway.errors import StoreError
from gateway.runtime.lean_imports import import_structlog

log = import_structlog().get_logger("gateway.dispatcher")


class LostInFlight:
    """One lane's. `crashed` writes that a delivery is dead."""

    def __init__(
        self, slots: Slots, prober: Prober, shared: Shared, crashed: Callable[[LeasedDelivery, Nonsense], None]
    ) -> None:
        self._slots = slots
        self._prober = prober
        self._shared = shared
        self._crashed = crashed

    def put_off(self, dispatch: Dispatch) -> None:
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

    async def mark_alone(self, dispatch: Dispatch, alone: bool) -> None:
        """Nothing else is in flight beside these, or no longer."""
        for member in dispatch.members:
            await self._tell_store(self._shared.store.alone, member.lease.delivery, member.lease.token, alone)

    async def tell_survived(self, deliveries: Sequence[int]) -> None:
        """A try of these came to its end, so that they are not what the process died of."""
        await self._tell_store(self._shared.store.survived, deliveries)

    async def _tell_store(self, tell: Callable[..., Awaitable[object]], *arguments: object) -> None:
        try:
            await tell(*arguments)
        except StoreError as error:  # it is counted a little wrong, and nothing else
            log.warning("loss_not_noted", sink=self._slots.sink.name, error=str(error))
