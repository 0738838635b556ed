"""Fetches from a pull sink of a gateway, here or elsewhere: one delivery at a time, waited for, acknowledged or given back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.cli.remote_client import PREFIX, Remote, error_of_refusal, segment
from gateway.egress.via import DIRECT, Via
from gateway.errors import DeliveryFailed, GatewayError

if TYPE_CHECKING:
    from gateway.egress.answers import Answer
    from gateway.egress.client import Http

WAIT_SECONDS: Final = 30  # of one long poll
SPARE_SECONDS: Final = 15.0  # that its answer may take beyond that
ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024  # of one delivery
REASON_CHARS_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class PulledEvent:
    """One delivery that is ours until its lease ends."""

    receipt: str
    attempt: int
    replay: bool
    document: dict[str, object]


class PullClient:
    """Everything raises GatewayError: RefusedElsewhere with its status, or that nothing answered."""

    def __init__(self, remote: Remote, sink: str, http: Http) -> None:
        self._remote = remote
        self._http = http
        self._path = f"{PREFIX}/pull/{segment(sink)}/"
        uds = remote.url.startswith("unix:")
        self._via = Via(uds=Path(remote.url.removeprefix("unix://"))) if uds else DIRECT
        self._base = "http://localhost" if uds else remote.url

    async def fetch(self, seconds: float) -> tuple[PulledEvent | None, str]:
        """The next delivery, ours for `seconds`; None where none came in half a minute, and why."""
        answer = await self._ask("lease", {"max": 1, "wait": WAIT_SECONDS, "seconds": seconds})
        items = answer["items"]
        if not items:
            return None, str(answer["why"])
        item = items[0]
        return PulledEvent(item["receipt"], item["attempt"], item["replay"], item["event"]), ""

    async def ack(self, fetched: PulledEvent) -> None:
        """It arrived."""
        await self._ask("ack", {"receipts": [fetched.receipt]})

    async def nack(self, fetched: PulledEvent, reason: str) -> None:
        """It did not: it comes again, as the sink's `delivery.retry` says."""
        await self._ask("nack", {"receipts": [fetched.receipt], "reason": reason[:REASON_CHARS_MAX]})

    async def give_back(self, fetched: PulledEvent) -> None:
        """It was not tried: it is due at once, and no attempt is counted."""
        await self._ask("nack", {"receipts": [fetched.receipt], "outcome": "released"})

    async def _ask(self, verb: str, body: dict[str, object]) -> Any:
        try:
            answer = await self._http.request(
                "POST",
                self._base + self._path + verb,
                json=body,
                headers={"authorization": f"Bearer {self._remote.token}"},
                classify=_whatever,
                timeout=WAIT_SECONDS + SPARE_SECONDS,
                via=self._via,
                limit=ANSWER_BYTES_MAX,
            )
            content = json.loads(answer.body)
        except (DeliveryFailed, ValueError) as error:
            why = str(error) if isinstance(error, DeliveryFailed) else "its answer is no JSON"
            raise GatewayError(f"no answer from {self._remote.url}: {why}") from None
        if answer.status >= 400:
            raise error_of_refusal(content, answer.status, self._remote.url)
        return content


def _whatever(answer: Answer) -> None:
    """Its status is looked at here."""
