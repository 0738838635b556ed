"""The words of which there are a few and no others: states, reasons, codes. They are what the database, the API and the
command line show, so a `Literal` of each rather than an enumeration beside it."""

from __future__ import annotations

from typing import Final, Literal, get_args

DeliveryState = Literal["waiting", "sending", "delivered", "dead"]
WaitsFor = Literal["retry", "circuit", "paused", "orphaned", "order", "owner", "last", "rate", "batch", "consumer"]
"""What a waiting delivery waits for."""
PullWait = Literal["empty", "paused", "concurrency", "rate", "stopping", "store_unavailable"]
"""Why a consumer of a pull sink is given nothing."""
OutcomeName = Literal["delivered", "retry", "refused", "unavailable", "lost"]
TrialOutcome = Literal["delivered", "not delivered", "refused", "unavailable", "failed"]  # of a test message
DeadReason = Literal["refused", "expired", "cancelled", "crashed", "no_owner"]
HoldReason = Literal["conflict", "quarantined"]
"""Why an event is held; `store.records.Held` in the core."""
TrustName = Literal["none", "timestamp", "fields", "body"]
SinkState = Literal["ready", "paused", "circuit open", "waits for a consumer", "not configured"]
JobState = Literal["waiting", "running", "done", "cancelled", "stopped", "failed"]
AlarmType = Literal[
    "gateway.sink.down",
    "gateway.sink.up",
    "gateway.delivery.dead",
    "gateway.source.silent",
    "gateway.source.back",
    "gateway.refusals",
    "gateway.store.limit",
    "gateway.store.ok",
    "gateway.reload.refused",
    "gateway.event.held",
    "gateway.key.expiring",
]
RecordingState = Literal["open", "ended", "failed", "overdue"]
"""What is known of the end of a recording; `overdue`: it is open, and a watch told of what did not come."""
WatchState = Literal["waiting", "overdue", "met", "back", "over"]
"""What became of what a watch expects; `overdue`: told as missing, `back`: it came after all and that is to be told,
`over`: nothing more is to be told."""
BulkAct = Literal["retry", "replay", "cancel", "release", "erase", "move"]
AuditAct = Literal[
    "deliveries retry",
    "deliveries cancel",
    "deliveries move",
    "sinks pause",
    "sinks resume",
    "sinks test",
    "sources reconcile",
    "sources doctor",
    "events replay",
    "events release",
    "events erase",
    "events reveal",
    "refused reveal",
    "refused retry",
    "jobs cancel",
    "bulk retry",
    "bulk replay",
    "bulk cancel",
    "bulk release",
    "bulk erase",
    "bulk move",
    "store migrate",
    "store import",
    "store copy",
    "store reencrypt",
    "reload",
]
"""What is written into the audit log: the command that does it."""

RefusalCode = Literal[
    "signature_missing",
    "signature_mismatch",
    "signature_expired",
    "validity_too_long",
    "domain_not_allowed",
    "trust_too_low",  # the core's, by `min_trust`
    "source_failed",  # the core's, where a plugin failed
]
"""Why a source trusts a callback not: the code of an `Untrusted`."""
IntakeCode = (
    RefusalCode
    | Literal[
        "body_timeout",
        "body_too_large",
        "head_timeout",
        "head_too_large",
        "internal_error",
        "malformed_body",
        "malformed_request",
        "method_not_allowed",
        "misdirected_request",
        "not_found",
        "over_limits",
        "peer_not_allowed",
        "stopping",
        "store_unavailable",
        "too_many_connections",
        "too_many_contents",
        "unknown_source",
        "unsupported_media_type",
        "unverified_budget",
    ]
)
"""Why a request at the public listener is refused."""
ReloadCode = Literal["restart_needed", "reload_failed", "stopping", "sink_not_opened", "configuration_invalid"]
ApiCode = Literal[
    "ambiguous",
    "csrf",
    "erased",
    "forbidden",
    "idempotency_key_reused",
    "in_progress",
    "invalid_cursor",
    "invalid_idempotency_key",
    "not_done",
    "not_possible",
    "not_tested",
    "nothing_sent",
    "preview_first",
    "lease_lost",
    "quarantined",
    "receipt_invalid",
    "token_in_query",
    "too_many_attempts",
    "too_many_consumers",
    "too_many_requests",
    "too_many_streams",
    "took_too_long",
    "unauthorized",
    "unknown_field",
    "unknown_filter",
    "unknown_value",
]
ProblemCode = IntakeCode | ReloadCode | ApiCode
"""The `code` of a problem document: a promise, so none is made up where it is raised."""

DELIVERY_STATES: Final[tuple[DeliveryState, ...]] = get_args(DeliveryState)
DEAD_REASONS: Final[tuple[DeadReason, ...]] = get_args(DeadReason)
TRUST_NAMES: Final[tuple[TrustName, ...]] = get_args(TrustName)  # as `model.Trust` has them, in its order
WAITS_FOR: Final[tuple[WaitsFor, ...]] = get_args(WaitsFor)
HOLD_REASONS: Final[tuple[HoldReason, ...]] = get_args(HoldReason)
REFUSAL_CODES: Final = frozenset(get_args(RefusalCode))
JOB_STATES: Final[tuple[JobState, ...]] = get_args(JobState)
WATCH_STATES: Final[tuple[WatchState, ...]] = get_args(WatchState)
AUDIT_ACTS: Final[tuple[AuditAct, ...]] = get_args(AuditAct)
RECORDING_STATES: Final[tuple[RecordingState, ...]] = get_args(RecordingState)
