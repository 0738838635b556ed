"""The admin API of a gateway elsewhere, with the questions and answers that BesideStore has here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.admin.act_results import OneDone
from gateway.admin.overview_results import Overview, RouteAnswer
from gateway.admin.queries import DeliveryQuery, EventQuery, RefusedQuery
from gateway.admin.recording_reads import RecordingItem, RecordingQuery
from gateway.admin.requests import ReplayCommand
from gateway.admin.results import DeliveryDetail, DeliveryItem, EventDetail, EventItem, Page
from gateway.admin.sink_results import RefusedDetail, RefusedItem, SinkItem, SourceItem
from gateway.admin.window_counts import Window
from gateway.cli.remote_client import Remote, segment
from gateway.errors import GatewayError

M = TypeVar("M", bound=BaseModel)


class RemoteService:
    """See BesideStore for what each method says. `masked`: without credentials, whatever the token may see."""

    def __init__(self, remote: Remote, *, masked: bool = False) -> None:
        self._remote = remote
        self._masked = masked

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def overview(self, window: Window = "24h") -> Overview:
        return self._get(Overview, "/overview", {"window": window})

    def events(self, asked: EventQuery) -> Page[EventItem]:
        return self._get(Page[EventItem], "/events", _query(asked))

    def event(self, ref: str) -> EventDetail:
        return self._get(EventDetail, f"/events/{segment(ref)}", {"masked": "true"} if self._masked else None)

    def deliveries(self, asked: DeliveryQuery) -> Page[DeliveryItem]:
        return self._get(Page[DeliveryItem], "/deliveries", _query(asked))

    def delivery(self, id: int) -> DeliveryDetail:
        return self._get(DeliveryDetail, f"/deliveries/{id}")

    def sinks(self) -> Page[SinkItem]:
        return self._get(Page[SinkItem], "/sinks")

    def sink(self, name: str) -> SinkItem:
        return self._get(SinkItem, f"/sinks/{segment(name)}")

    def sources(self) -> Page[SourceItem]:
        return self._get(Page[SourceItem], "/sources")

    def refused(self, asked: RefusedQuery) -> Page[RefusedItem]:
        return self._get(Page[RefusedItem], "/refused", _query(asked))

    def refusal(self, id: int) -> RefusedDetail:
        return self._get(RefusedDetail, f"/refused/{id}", {"masked": "true"} if self._masked else None)

    def recordings(self, asked: RecordingQuery) -> Page[RecordingItem]:
        return self._get(Page[RecordingItem], "/recordings", _query(asked))

    def recording(self, id: int) -> RecordingItem:
        return self._get(RecordingItem, f"/recordings/{id}")

    def route(self, event: dict[str, object], config: str | None) -> RouteAnswer:
        body = {"event": event} | ({} if config is None else {"config": config})
        return self._model(RouteAnswer, self._remote.post("/route", body))

    def retry(self, id: int) -> OneDone:
        return self._post(f"/deliveries/{id}/retry")

    def cancel(self, id: int) -> OneDone:
        return self._post(f"/deliveries/{id}/cancel")

    def replay(self, ref: str, asked: ReplayCommand) -> OneDone:
        return self._post(f"/events/{segment(ref)}/replay", asked.model_dump(mode="json", exclude_defaults=True))

    def pause(self, sink: str) -> OneDone:
        return self._post(f"/sinks/{segment(sink)}/pause")

    def resume(self, sink: str) -> OneDone:
        return self._post(f"/sinks/{segment(sink)}/resume")

    def _get(self, model: type[M], path: str, query: Mapping[str, object] | None = None) -> M:
        return self._model(model, self._remote.get(path, **(query or {})))

    def _post(self, path: str, body: Mapping[str, object] | None = None) -> OneDone:
        return self._model(OneDone, self._remote.post(path, body))

    def _model(self, model: type[M], answer: object) -> M:
        try:
            return model.model_validate(answer)
        except ValidationError:
            raise GatewayError(
                f"{self._remote.url} answers in a form that this program does not read: use the same version as there"
            ) from None


def _query(asked: BaseModel) -> dict[str, object]:
    """The parameters as a URL has them."""
    values = asked.model_dump(mode="json", exclude_defaults=True)
    return {name: _written(value) for name, value in values.items() if value is not None}


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, list) else str(value)
