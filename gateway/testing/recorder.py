"""A sink for tests: it remembers what it was given and answers what it was told."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from gateway.follow_up import DeliveryResult, Done
from gateway.model import Delivery
from gateway.plugin import Sink


class Recorder(Sink):
    """The type `recorder`, which every gateway of `gateway.testing.running` knows.

    `seen` are all deliveries it was given. `answers` are given one after another, then `otherwise` for ever: a receipt,
    None, or an exception to raise.
    """

    type = "recorder"
    otherwise: DeliveryResult = None

    @functools.cached_property
    def seen(self) -> list[Delivery]:
        return []

    @functools.cached_property
    def batches(self) -> list[Sequence[Delivery]]:
        """The deliveries of each call, one or several."""
        return []

    @functools.cached_property
    def answers(self) -> list[DeliveryResult]:
        return []

    async def deliver(self, delivery: Delivery) -> str | Done | None:
        self.batches.append([delivery])
        answer = self._answer(delivery)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def deliver_batch(self, deliveries: Sequence[Delivery]) -> Sequence[DeliveryResult]:
        self.batches.append(deliveries)
        return [self._answer(delivery) for delivery in deliveries]

    def _answer(self, delivery: Delivery) -> DeliveryResult:
        self.seen.append(delivery)
        return self.answers.pop(0) if self.answers else self.otherwise
