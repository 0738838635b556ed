"""What one attempt's result means: the row to write, the attempt people see, the line in the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from gateway.dispatch.attempt import AttemptResult, Nonsense
from gateway.dispatch.memos import checked_memo
from gateway.dispatch.retry import RetryDecision
from gateway.errors import DeliveryFailed, Retry
from gateway.events.link_life import ended_at
from gateway.events.times import format_time
from gateway.model import Attempt, Outcome
from gateway.store.records import Lease, Settlement
from gateway.text.redaction import redact_start

DETAIL_CHARS_MAX: Final = 500  # characters
READ_CHARS_MAX: Final = 20_000  # characters of a text that are looked at, because masking costs by the length
OWNER_CHARS_MAX: Final = 100  # of a detail that say to whom it went
PROBLEMS_CHARS_MAX: Final = 300  # of a detail that say which follow-ups are not stored; the log has all
_WORDED: Final = (str, DeliveryFailed, Nonsense)  # a tuple, because a union is made anew at each look
_FAILED: Final = frozenset({Outcome.RETRY, Outcome.REFUSED, Outcome.UNAVAILABLE})
STATUSES_END: Final = 1000  # of HTTP, and of SMTP, they have three digits
PLAIN_RECEIPTS: Final = frozenset(
    f"HTTP {status}" for status in range(200, 300)
)  # nearly every one: nothing to look for


class AttemptRecord(NamedTuple):
    """One attempt, decided: `settlement` for the store, `attempt` for those who watch."""

    settlement: Settlement
    attempt: Attempt
    trouble: str | None = None  # a mistake of the plugin that did not change the outcome


def attempt_record(
    lease: Lease,
    result: AttemptResult,
    decision: RetryDecision,
    *,
    started_at: int,
    seconds: float,
    problems: Sequence[str] = (),
    owner: str = "",
) -> AttemptRecord:
    """Put together what is written. `started_at` is in ms since 1970, `seconds` how long the attempt took; `problems` say
    which follow-ups are not stored, and why; `owner` is whose it was, where the sink has a directory."""
    detail = describe(result)
    if owner:
        detail = _to_owner(owner, detail)
    if decision.outcome in _FAILED and (end := ended_at(lease.event, _moment(started_at + seconds * 1000))):
        said = f"the link ended at {format_time(end)}"
        detail = detail if said in detail else _with(detail, said)  # the sink may have looked at it too
    if problems:
        said = describe(f"follow-ups not stored: {'; '.join(dict.fromkeys(problems))}")[:PROBLEMS_CHARS_MAX]
        detail = _with(detail, said)
    status = _status(result)
    memo, trouble = _memo(lease, result)
    settlement = Settlement(
        delivery=lease.delivery,
        token=lease.token,
        state=decision.state,
        outcome=decision.outcome,
        started_at=started_at,
        took_ms=round(seconds * 1000),
        detail=detail,
        status=status,
        delay=-int(-decision.delay * 1000 // 1),  # up: a last try a millisecond early would not be the last
        burnt=decision.burnt,
        reason=decision.reason,
        memo=memo,
    )
    attempt = Attempt(
        number=lease.attempt,
        started_at=_moment(started_at),
        seconds=seconds,
        outcome=decision.outcome,
        detail=detail,
        status=status,
    )
    return AttemptRecord(settlement, attempt, trouble)


def _status(result: AttemptResult) -> int | None:
    """The status behind a failure; what a plugin says that is none would let no database take the outcome."""
    status: object = result.status if isinstance(result, DeliveryFailed) else None
    return int(status) if isinstance(status, int) and 0 <= status < STATUSES_END else None


def _with(detail: str, more: str) -> str:
    """Both, in as much room as there is; what is added is whole."""
    return f"{detail[: max(DETAIL_CHARS_MAX - len(more) - 2, 0)]}; {more}".removeprefix("; ")[:DETAIL_CHARS_MAX]


def _to_owner(owner: str, detail: str) -> str:
    said = f"to {_clean(owner[:OWNER_CHARS_MAX])}"
    return f"{said}: {detail}"[:DETAIL_CHARS_MAX] if detail else said


def _moment(ms: float) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def describe(result: AttemptResult) -> str:
    """A receipt or a failure in at most 500 characters, without secrets and without what a database refuses."""
    if result is None:
        return ""
    if type(result) is str and result in PLAIN_RECEIPTS:
        return result
    if isinstance(result, _WORDED):
        text = _text_of_failure(result)
    else:
        said = _text_of_failure(result)
        text = f"{type(result).__name__}: {said}" if said else type(result).__name__
    return _clean(redact_start(text, READ_CHARS_MAX))[:DETAIL_CHARS_MAX]


def _text_of_failure(value: object) -> str:
    """Its text; a plugin's exception may have a `__str__` that fails, or one without an end."""
    try:
        return str(value)[: READ_CHARS_MAX + 1]
    except Exception:
        return ""


def _clean(text: str) -> str:
    if "\0" in text:  # PostgreSQL has no NUL
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates have no UTF-8
        text = text.encode("utf-8", "replace").decode()
    return text


def _memo(lease: Lease, result: AttemptResult) -> tuple[Mapping[str, object] | None, str | None]:
    """What the next attempt is to know: the sink's new memo, else the one it had, because a timeout brings none."""
    kept = lease.memo or None
    given: object = result.memo if isinstance(result, Retry) else None
    if given is None:
        return kept, None
    try:
        return checked_memo(given), None
    except ValueError as error:
        return kept, f"{error}; the one before is kept"
