"""Keeps events until consumers fetch them: nothing is called, `POST /api/v1/pull/{sink}/lease` gives them out."""

from __future__ import annotations

from gateway import Delivery, Options, Refused, Sink, to_json


class PullOptions(Options):
    """Nothing: who may fetch is said in `admin.tokens`, how much and how often in `delivery`."""


class Pull(Sink):
    """A queue in the store. Order, limits, retries and dead letters are those of every sink."""

    type = "pull"
    Options = PullOptions
    options: PullOptions
    pulled = True

    async def deliver(self, delivery: Delivery) -> None:
        """Only a test message comes here. Raises Refused."""
        raise Refused(
            "nothing is called: consumers fetch from this sink (docs/api.md, Pull), so there is nothing to try"
        )

    async def preview(self, delivery: Delivery) -> str:
        """The event as a consumer is given it."""
        return to_json(delivery.event)

    async def connect(self) -> str:
        """There is nothing to reach."""
        return "waits for a consumer"
