"""What consumers of a pull sink send, and what they are answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from gateway.admin.queries import Query
from gateway.admin.requests import Command
from gateway.admin.results import Result, Time
from gateway.dispatch.receipts import RECEIPT_CHARS_MAX
from gateway.states import PullWait, SinkState
from gateway.store.pulled_rows import PULL_ROWS_MAX

LEASE_SECONDS_MAX = 12 * 3600
WAIT_SECONDS_MAX = 60  # seconds of one long poll, because proxies cut what is silent for longer
DELAY_SECONDS_MAX = 30 * 86400  # what `retry.max_retry_after` may be at most
REASON_CHARS_MAX = 500
PEEK_ROWS_MAX = 50

ReceiptText = Annotated[str, Field(min_length=1, max_length=RECEIPT_CHARS_MAX)]
ReceiptTexts = Annotated[
    Sequence[ReceiptText], Field(min_length=1, max_length=PULL_ROWS_MAX, description="As the lease gave them.")
]
Seconds = Annotated[float, Field(ge=1, le=LEASE_SECONDS_MAX, allow_inf_nan=False)]


class LeaseCommand(Command):
    """How many deliveries, how long to wait for the first, and for how long they are the caller's."""

    max: Annotated[int, Field(ge=1, le=PULL_ROWS_MAX, description="Most deliveries.")] = 10
    wait: Annotated[
        float,
        Field(
            ge=0,
            le=WAIT_SECONDS_MAX,
            allow_inf_nan=False,
            description="Seconds to wait until there is one; 0: not at all.",
        ),
    ] = 0
    seconds: Annotated[
        Seconds | None, Field(description="Seconds until the lease ends. Default: `delivery.timeout` of the sink.")
    ] = None


class AckCommand(Command):
    """What is done."""

    receipts: ReceiptTexts


class NackCommand(Command):
    """What is not done, and what is to become of it."""

    receipts: ReceiptTexts
    reason: Annotated[str, Field(max_length=REASON_CHARS_MAX, description="Why, for people.")] = ""
    outcome: Annotated[
        Literal["retry", "refused", "released"],
        Field(
            description="`retry`: a failed attempt, tried again by `delivery.retry`; `refused`: never again, it is dead; "
            "`released`: it was not begun, so no attempt is counted and it is due at once."
        ),
    ] = "retry"
    delay: Annotated[
        float | None,
        Field(
            ge=0,
            le=DELAY_SECONDS_MAX,
            allow_inf_nan=False,
            description="With `retry`: at least so many seconds, up to `retry.max_retry_after`; it can only lengthen the "
            "sink's schedule.",
        ),
    ] = None


class ExtendCommand(Command):
    """What takes longer, and for how long from now."""

    receipts: ReceiptTexts
    seconds: Annotated[
        Seconds | None, Field(description="Seconds from now. Default: `delivery.timeout` of the sink.")
    ] = None


class PeekQuery(Query):
    """How much to look at."""

    limit: Annotated[int, Field(ge=1, le=PEEK_ROWS_MAX, description="At most so many.")] = 10


class LeasedItem(Result):
    """One delivery that is the caller's until `leased_until`. `event` is the CloudEvent, byte for byte as `forward` sends it."""

    delivery: int
    attempt: Annotated[int, Field(description="From 1, of this round.")]
    replay: bool
    receipt: str
    leased_until: Time
    traceparent: Annotated[str | None, Field(description="The trace that it belongs to, for your own requests.")]
    event: dict[str, object]


class LeaseAnswer(Result):
    """What the caller has now; `why` says why it is nothing."""

    items: Sequence[LeasedItem]
    why: Annotated[PullWait | None, Field(description="null where there are items.")]


class PeekedItem(Result):
    """A delivery that would be handed out now. Nobody has it yet."""

    delivery: int
    attempts: Annotated[int, Field(description="Tries that it had in this round.")]
    event: dict[str, object]


class PeekAnswer(Result):
    """A pull sink as its consumers see it, and what they would be given."""

    sink: str
    state: SinkState
    waiting: int
    leased: int
    oldest_waiting_at: Time | None
    items: Sequence[PeekedItem]


class EndedAnswer(Result):
    """How many leases were ended as asked; `lost` are the receipts of those that had ended before."""

    done: int
    lost: Sequence[str]


class ExtendedItem(Result):
    """Until when a delivery is the caller's now."""

    receipt: str
    leased_until: Time


class ExtendAnswer(Result):
    """Which leases last longer; `lost` are the receipts of those that had ended before."""

    items: Sequence[ExtendedItem]
    lost: Sequence[str]
