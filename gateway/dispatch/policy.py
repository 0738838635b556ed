"""How one sink's deliveries are to be carried, as a lane takes it: `gateway/assembly` makes it of `delivery`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from gateway.fields import Rate
from gateway.model import Value

if TYPE_CHECKING:
    from gateway.owners.directory import Directory


class RetryPolicy(Value, frozen=True, kw_only=True):
    """When a failed delivery is tried again: `initial` doubled up to `max`, until `give_up_after` from the first attempt."""

    initial: timedelta
    max: timedelta
    give_up_after: timedelta
    max_retry_after: timedelta  # the longest wait that a target can ask for


class BatchPolicy(Value, frozen=True, kw_only=True):
    """Several deliveries in one call: so many at most, and how long the first waits for them."""

    max: int
    window: timedelta
    group_by: tuple[str, ...] = ()  # fields of an event: a batch never mixes two groups


class OwnerPolicy(Value, frozen=True, kw_only=True):
    """Whose the events are, and how much one owner may take. No `rate`: as many as come, `concurrency` at once."""

    directory: Directory
    concurrency: int
    rate: Rate | None = None


class DeliveryPolicy(Value, frozen=True, kw_only=True):
    """How fast, how many at once, in which order, and when again. `timeout` is of one attempt; no `rate`: as many as come."""

    timeout: timedelta
    concurrency: int
    retry: RetryPolicy
    rate: Rate | None = None
    order: Literal["none", "stream"] = "none"
    batch: BatchPolicy | None = None
    owners: OwnerPolicy | None = None
