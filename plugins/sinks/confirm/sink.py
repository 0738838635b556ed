"""The sink `confirm`: one request for each file of an event, and what was seen follows as `recording.confirmed` or
`recording.missing`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from ipaddress import ip_network

from gateway import (
    RECORDING_CONFIRMED,
    RECORDING_MISSING,
    AddressGuard,
    Answer,
    Delivery,
    Done,
    File,
    FollowUp,
    Measured,
    Retry,
    Sink,
    Trust,
    Via,
    redact,
)
from plugins.sinks.confirm.look import LOOK_BYTES_MAX, RANGE, Look, look_of, unreached
from plugins.sinks.confirm.options import ConfirmOptions
from plugins.sinks.holders import ADDRESSES, holders_of
from plugins.sinks.min_trust import too_little_trust


class Confirm(Sink):
    """Looks, and fetches no more than a byte; every address goes through the guard, and no redirect is followed."""

    type = "confirm"
    Options = ConfirmOptions
    options: ConfirmOptions

    async def deliver(self, delivery: Delivery) -> str | Done:
        """What was seen of its files. Raises Refused for too little trust or an address that may not be called, Retry
        while nobody can say, and, until `missing_after`, while a file is not there."""
        self._check(delivery)
        there: list[File] = []
        missing: list[File] = []
        looks: dict[str, Look] = {}
        for file in delivery.event.files:
            if url := file.address:
                if url not in looks:
                    looks[url] = await self._ask_for_a_byte(url)
                    await delivery.alive()  # so that `delivery.timeout` bounds one look, however many files there are
                look = looks[url]
                (there if look.there else missing).append(self._seen(file, url, look))
        if not there and not missing:
            return "nothing to look at: no file with an address"
        patience = self.options.missing_after
        if missing and patience and self.http.clock.now() < delivery.first_attempt_at + patience:
            raise Retry(f"not there yet: {len(missing)} of {len(there) + len(missing)} files")
        parts = ((RECORDING_CONFIRMED, there, "there"), (RECORDING_MISSING, missing, "missing"))
        return Done(
            ", ".join(f"{len(files)} {word}" for _, files, word in parts if files),
            [FollowUp(type, files=files) for type, files, _ in parts if files],
        )

    async def preview(self, delivery: Delivery) -> str:
        """The requests, without what is secret in their addresses."""
        self._check(delivery)
        addresses = [url for file in delivery.event.files if (url := file.address)]
        return "\n".join([f"GET {redact(url)}\nrange: {RANGE}" for url in addresses]) or "nothing to look at"

    @property
    def wanted_fields(self) -> Sequence[str]:
        return ADDRESSES

    @property
    def wanted_trust(self) -> Trust:
        return self.options.min_trust

    def _check(self, delivery: Delivery) -> None:
        if refusal := too_little_trust(delivery, self.options.min_trust, f"the sink {self.name} calls an address"):
            raise refusal

    async def _ask_for_a_byte(self, url: str) -> Look:
        try:
            answer: Answer = await self.http.get(
                url, headers={"range": RANGE}, via=self._via, classify=_unjudged, limit=LOOK_BYTES_MAX
            )
        except Retry as failure:
            raise unreached(failure) from None
        return look_of(answer)

    def _seen(self, file: File, url: str, look: Look) -> File:
        """The file with what was measured; `confirmed` only where the operator answers for who holds it, because the
        holder of a weak signature can name a host of his own."""
        measured = Measured(
            at=self.http.clock.now(),
            by=self.name,
            size_bytes=look.size_bytes,
            etag=look.etag,
            media_type=look.media_type,
        )
        answered_for = look.there and not holders_of(url).isdisjoint(self.options.confirm.allow)
        return file.replace(measured=measured, confirmed=measured if answered_for else None)

    @functools.cached_property
    def _via(self) -> Via:
        return Via(ca=self.options.ca, guard=AddressGuard(tuple(map(ip_network, self.options.allow))))


def _unjudged(answer: Answer) -> None:
    """Every status says something here."""
