"""The store of a gateway elsewhere, changed through its admin API: the acts of StoreAdmin beside the questions of RemoteQueries."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from gateway.cli.remote_client import RefusedElsewhere, segment
from gateway.cli.remote_queries import ITEMS_A_REQUEST_MAX, Chosen, RemoteQueries, api_filter
from gateway.cli.remote_rows import JsonItem, item_result
from gateway.states import BulkAct
from gateway.store.admin.bulk import ItemResult, Total, Watcher
from gateway.store.admin.delivery_filter import DeliveryFilter

POLL_SECONDS: Final = 0.2
RATE: Final = "1000/s"
WATCHER: Final = Watcher()


class RemoteAdmin(RemoteQueries):
    """See StoreAdmin for what each method says."""

    def pause(self, sink: str) -> bool:
        return bool(self._remote.post(f"/sinks/{segment(sink)}/pause")["done"])

    def resume(self, sink: str) -> bool:
        return bool(self._remote.post(f"/sinks/{segment(sink)}/resume")["done"])

    # -- many

    def retry_many(
        self, deliveries: Sequence[int], *, filter: DeliveryFilter | None = None, watcher: Watcher = WATCHER
    ) -> Total:
        return self._deliveries("retry", deliveries, watcher)

    def cancel_many(
        self, deliveries: Sequence[int], *, filter: DeliveryFilter | None = None, watcher: Watcher = WATCHER
    ) -> Total:
        return self._deliveries("cancel", deliveries, watcher)

    def move(self, sink: str, to: str, *, deliveries: Sequence[int], watcher: Watcher = WATCHER) -> Total:
        assert isinstance(deliveries, Chosen)
        there = self.already_there(deliveries, to)
        total = self._job("move", deliveries, watcher, to=[to])
        texts = ["cancelled"] * there + ["moved"] * max(len(total.answers) - there, 0)
        answers = [ItemResult(item.item, text, item.well) for item, text in zip(total.answers, texts, strict=False)]
        return Total(matched=total.matched, answers=answers, stopped=total.stopped)

    def replay_many(
        self,
        refs: Sequence[str],
        *,
        sinks: Sequence[str] | None = None,
        route: object = None,
        reroute: bool = False,
        watcher: Watcher = WATCHER,
    ) -> Total:
        return self._few("/events/replay", "refs", refs, watcher, to=sinks, reroute=reroute)

    def release_many(self, refs: Sequence[str], *, route: object = None, watcher: Watcher = WATCHER) -> Total:
        return self._few("/events/release", "refs", refs, watcher)

    def erase(
        self, refs: Sequence[str], *, ids: object = None, asked: object = None, watcher: Watcher = WATCHER
    ) -> Total:
        return self._few("/events/erase", "refs", refs, watcher)

    def scrub(self) -> bool:
        return True  # the gateway there empties its log by itself

    def take_refused(
        self, refused: Sequence[int], judge: object, *, source: str | None = None, watcher: Watcher = WATCHER
    ) -> Total:
        return self._few("/refused/retry", "ids", refused, watcher)

    def _deliveries(self, act: BulkAct, deliveries: Sequence[int], watcher: Watcher) -> Total:
        if isinstance(deliveries, Chosen):
            return self._job(act, deliveries, watcher)
        return self._few(f"/deliveries/{act}", "ids", deliveries, watcher)

    def _few(self, path: str, key: str, items: Sequence[object], watcher: Watcher, **more: object) -> Total:
        answers: list[ItemResult] = []
        for at in range(0, len(items), ITEMS_A_REQUEST_MAX):
            if watcher.stopping():
                return Total(matched=len(items), answers=answers, stopped=True)
            body = {
                key: list(items[at : at + ITEMS_A_REQUEST_MAX]),
                **{name: value for name, value in more.items() if value},
            }
            batch = [item_result(item) for item in self._remote.post(path, body)["answers"]]
            answers += batch
            watcher.committed(batch)
        return Total(matched=len(items), answers=answers)

    def _job(self, act: BulkAct, chosen: Chosen, watcher: Watcher, **more: object) -> Total:
        body = {"act": act, "filter": api_filter(chosen.filter.criteria()), "upto": chosen.upto, "rate": RATE, **more}
        job = self._remote.post("/bulk", body)["job"]
        answers: list[ItemResult] = []
        while True:
            answer = self._remote.get(f"/jobs/{job}")
            answers += (batch := _new(answer, len(answers)))
            if batch:
                watcher.committed(batch)
            if answer["finished_at"] is not None:
                return Total(matched=answer["matched"], answers=answers, stopped=answer["state"] != "done")
            if watcher.stopping():
                self._cancel_job(job)
            time.sleep(POLL_SECONDS)

    def _cancel_job(self, job: int) -> None:
        try:
            self._remote.post(f"/jobs/{job}/cancel")
        except RefusedElsewhere as error:
            if error.status != 409:  # it has ended meanwhile, which the next look says
                raise


def _new(job: JsonItem, known: int) -> list[ItemResult]:
    """What was done since: the first by name, the others as numbers, those that could not be among the last."""
    ended = job["done"] + job["failed"]
    named = [item_result(item) for item in job["answers"]][known:ended]
    rest = ended - known - len(named)
    failed = max(job["failed"] - sum(not item["done"] for item in job["answers"]), 0)
    well = [ItemResult("", "done") for _ in range(max(rest - failed, 0))]
    return [*named, *well, *(ItemResult("", "it could not be", well=False) for _ in range(rest - len(well)))]
