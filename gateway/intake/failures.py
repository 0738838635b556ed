"""What a callback is answered that a stage did not let through: one `Problem`, counted, and kept where it can be tried again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from gateway.errors import ItemRefused, Malformed, Problem, StoreBusy, StoreError, StoreFull, Untrusted
from gateway.intake.rejections import Refusals
from gateway.intake.reporter import Journal
from gateway.intake.under_way import CallbackUnderWay, SourceEndpoint
from gateway.states import ProblemCode
from gateway.store.outbox.contents import CONTENTS_MAX
from gateway.store.records import Accepted

VERIFIED_CODES: Final = frozenset({"signature_expired", "validity_too_long", "trust_too_low", "domain_not_allowed"})
"""Said only after the signature was found right: such a callback comes from the vendor, and can be had back."""
_NO_JSON: Final = (AttributeError, RecursionError, TypeError, ValueError)  # of an event that no JSON can hold


class Failures:
    """One a gateway's intake. Each method gives the answer; what is none of its errors comes back as it is: a bug of ours."""

    def __init__(self, journal: Journal, refusals: Refusals) -> None:
        self._journal = journal
        self._refusals = refusals

    def of_verify(self, work: CallbackUnderWay, error: BaseException) -> Problem:
        """Its sender is not known, or `verify` has a bug."""
        if not _is_worded(error):
            return self._broken(work, "verify", error)
        if isinstance(error, Untrusted):
            refused = Problem(401, error.code, error.detail, answer=error.answer)
            return self._kept(work, refused, verified=error.code in VERIFIED_CODES)
        if isinstance(error, Malformed):
            return self._kept(work, Problem(400, "malformed_body", error.detail))
        return self._broken(work, "verify", error)

    def of_normalise(self, work: CallbackUnderWay, error: BaseException) -> Problem:
        """It says nothing that can be read, or `normalise` has a bug."""
        if isinstance(error, Malformed) and _is_worded(error):
            return self._kept(work, Problem(400, "malformed_body", error.detail), verified=True)
        return self._broken(work, "normalise", error)

    def of_writing(self, work: CallbackUnderWay, error: BaseException) -> BaseException:
        """No document or row could be made of its events."""
        return self._broken(work, "normalise", error) if isinstance(error, _NO_JSON) else error

    def of_store(self, endpoint: SourceEndpoint, error: BaseException) -> BaseException:
        """The store did not take it."""
        if isinstance(error, StoreBusy):
            return self._unstored(endpoint, "store_unavailable", "the store is busy", error.retry_after, error)
        if isinstance(error, StoreFull):
            return self._unstored(endpoint, "over_limits", str(error), 30, error)
        if not isinstance(error, StoreError):
            return error
        if isinstance(error, ItemRefused):
            self._journal.refused_by_the_database(endpoint.name, error)
        pause = random.randint(1, 5)  # noqa: S311  jitter, not a secret
        return self._unstored(endpoint, "store_unavailable", "the store cannot commit now", pause, error)

    def full(self, work: CallbackUnderWay, accepted: Sequence[Accepted]) -> Problem:
        """Nothing is answered 2xx that a person cannot find: a content was not stored under its id, so it is refused."""
        ids = ", ".join(one.id for one in accepted if one.full)
        problem = Problem(
            503,
            "too_many_contents",
            f"{CONTENTS_MAX} other contents are kept under {ids} already; a person looks at them with `gateway events list --held`",
            retry_after=60,
        )
        return self._kept(work, problem, verified=True)

    def _kept(self, work: CallbackUnderWay, problem: Problem, *, verified: bool = False) -> Problem:
        endpoint = work.endpoint
        self._refusals.keep(endpoint.name, problem, work.callback, verified=verified, body=endpoint.redaction is None)
        return problem

    def _broken(self, work: CallbackUnderWay, step: str, error: BaseException) -> Problem:
        """A source plugin's own bug: not acknowledged, kept for `refused retry`, and the plugin is named."""
        source = work.endpoint.source
        self._journal.broken(source, step, error, redacted=work.endpoint.redaction is not None)
        problem = Problem(
            500,
            "source_failed",
            f"the source plugin {source.type} failed in {step}; the callback was kept",
            retry_after=60,
        )
        return self._kept(work, problem, verified=step != "verify")

    def _unstored(
        self, endpoint: SourceEndpoint, code: ProblemCode, detail: str, retry_after: int, error: BaseException
    ) -> Problem:
        problem = Problem(503, code, detail, retry_after=retry_after)
        problem.__cause__ = error
        self._refusals.count(endpoint.name, problem)
        return problem


def _is_worded(error: BaseException) -> bool:
    """Whether a refusal is made of texts: one that a plugin made of anything else is a bug of it."""
    said: Sequence[object] = ()
    if isinstance(error, Untrusted):
        code = getattr(error, "code", None)
        if not (isinstance(code, str) and code.isprintable()):  # it names what is counted
            return False
        said = (getattr(error, "detail", None), getattr(error, "answer", "") or "")
    elif isinstance(error, Malformed):
        said = (getattr(error, "detail", None),)
    return all(isinstance(one, str) for one in said)
