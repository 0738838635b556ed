"""A sink for tests: it remembers what it was given and answers what it was told."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from gateway.model import Delivery
from gateway.plugin import Sink

Answered = str | None | Exception


class Recorder(Sink):
    """The type `recorder`, which every gateway of `gateway.testing.running` knows.

    `seen` are all deliveries it was given. `answers` are given one after another, then `otherwise` for ever: a receipt,
    None, or an exception to raise.
    """

    type = "recorder"
    otherwise: Answered = None

    @functools.cached_property
    def seen(self) -> list[Delivery]:
        return []

    @functools.cached_property
    def batches(self) -> list[Sequence[Delivery]]:
        """The deliveries of each call, one or several."""
        return []

    @functools.cached_property
    def answers(self) -> list[Answered]:
        return []

    async def deliver(self, delivery: Delivery) -> str | None:
        self.batches.append([delivery])
        answer = self._answer(delivery)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def deliver_batch(self, deliveries: Sequence[Delivery]) -> Sequence[Answered]:
        self.batches.append(deliveries)
        return [self._answer(delivery) for delivery in deliveries]

    def _answer(self, delivery: Delivery) -> Answered:
        self.seen.append(delivery)
        return self.answers.pop(0) if self.answers else self.otherwise
