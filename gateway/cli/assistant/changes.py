"""The changes that an assistant may make where it is allowed to: one id at a time, shown first, and then confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal, assert_never

from pydantic import Field

from gateway.admin.act_results import OneDone
from gateway.admin.allowance import Allowance
from gateway.admin.queries import FilterText, Ref
from gateway.admin.requests import ReplayCommand
from gateway.cli.assistant.confirmations import HOLDS_SECONDS, Confirmations
from gateway.cli.assistant.questions import Arguments, delivery_fields
from gateway.errors import Problem
from gateway.runtime.clock import Clock

if TYPE_CHECKING:
    from gateway.cli.invocation import StoreService

CHANGES_PER_MINUTE_MAX: Final = 10
Act = Literal["retry_delivery", "cancel_delivery", "replay_event", "pause_sink", "resume_sink"]


class PreviewChange(Arguments):
    """Which change."""

    act: Annotated[Act, Field(description="What to do.")]
    target: Annotated[Ref, Field(description="The id of one delivery, the ref of one event, or the name of one sink.")]
    to: Annotated[FilterText | None, Field(description="replay_event: only to this sink.")] = None


class MakeChange(PreviewChange):
    """Which change, and that it was shown."""

    confirmation: Annotated[
        str, Field(max_length=100, description="`confirmation` of preview_change for the same act.")
    ]


@dataclass(frozen=True, slots=True)
class PreviewedChange:
    """One act as it was shown: on what, what it will do, and the state of things that it was shown for."""

    act: Act
    target: str
    to: str | None
    will: str
    stood: tuple[object, ...]
    now: Mapping[str, object]

    @property
    def bound(self) -> tuple[object, ...]:
        """What a confirmation of it stands for."""
        return (self.act, self.target, self.to, self.will, self.stood)


class Changes:
    """`preview` shows and gives a confirmation, `make` does exactly that."""

    def __init__(self, clock: Clock) -> None:
        self._confirmations = Confirmations(clock)
        self._allowance = Allowance(CHANGES_PER_MINUTE_MAX, clock)

    def preview(self, service: StoreService, asked: PreviewChange) -> Mapping[str, object]:
        """What it would do. Raises GatewayError where it could not be done."""
        shown = _shown(service, asked)
        return {
            "act": shown.act,
            "target": shown.target,
            "to": shown.to,
            "will": shown.will,
            "now": shown.now,
            "confirmation": self._confirmations.give(shown.bound),
            "expires_in_seconds": round(HOLDS_SECONDS),
        }

    def make(self, service: StoreService, asked: MakeChange) -> Mapping[str, object]:
        """Do it. Raises NotConfirmed, GatewayError where it cannot be done."""
        shown = _shown(service, asked)
        self._confirmations.take_back(asked.confirmation, shown.bound)
        self._allowance.spend("assistant")
        done = _done(service, shown)
        return {"act": shown.act, "target": shown.target, "done": done.done, "text": done.text}


def _shown(service: StoreService, asked: PreviewChange) -> PreviewedChange:
    if asked.to is not None and asked.act != "replay_event":
        raise Problem(400, "unknown_value", "`to` goes with replay_event")
    if asked.act in ("retry_delivery", "cancel_delivery"):
        return _of_delivery(service, asked)
    return _of_event(service, asked) if asked.act == "replay_event" else _of_sink(service, asked)


def _of_delivery(service: StoreService, asked: PreviewChange) -> PreviewedChange:
    if not (asked.target.isascii() and asked.target.isdigit() and len(asked.target) <= 18):
        raise Problem(400, "unknown_value", "target: the id of a delivery is a number")
    delivery = service.delivery(int(asked.target))
    now = {"event_ref": delivery.event_ref, "subject": delivery.subject} | delivery_fields(delivery)
    if delivery.state == "sending":
        raise Problem(409, "not_possible", "it is being sent now: ask again when that has ended")
    if asked.act == "cancel_delivery":
        if delivery.state != "waiting":
            raise Problem(409, "not_possible", f"it is {delivery.state}: there is nothing to cancel")
        will = "end this delivery: it will be dead with the reason `cancelled`, and can be retried later"
    elif delivery.state == "waiting":
        will = "try this delivery now instead of later"
    else:
        again = " The sink has it already and will get it once more." if delivery.state == "delivered" else ""
        will = f"begin a new round of this delivery, which is {delivery.state}.{again}"
    stood = (delivery.state, delivery.round, delivery.attempts)
    return PreviewedChange(asked.act, str(delivery.id), None, will, stood, now)


def _of_event(service: StoreService, asked: PreviewChange) -> PreviewedChange:
    detail = service.event(asked.target)
    if detail.item.held is not None:
        raise Problem(409, "not_possible", "it is held: a person has to look at it and release it")
    if asked.to is not None:
        service.sink(asked.to)
    open_now = {one.sink for one in detail.deliveries if one.state in ("waiting", "sending")}
    targets = [asked.to] if asked.to is not None else list(dict.fromkeys(one.sink for one in detail.deliveries))
    sinks = [sink for sink in targets if sink not in open_now]
    if targets and not sinks:
        raise Problem(409, "not_possible", "it is still on its way there: there is nothing to replay")
    will = (
        "deliver this one event once more to the sinks in `now.sinks`; those where it is still on its way are left alone"
        if targets
        else "deliver this one event by today's routes, because no route targets it when it came"
    )
    now = {"item": detail.item.model_dump(mode="json"), "sinks": sinks}
    stood = tuple((one.id, one.state, one.round) for one in detail.deliveries)
    return PreviewedChange(asked.act, f"{detail.item.source}:{detail.item.ref}", asked.to, will, stood, now)


def _of_sink(service: StoreService, asked: PreviewChange) -> PreviewedChange:
    sink = service.sink(asked.target)
    paused = sink.state == "paused"
    if paused == (asked.act == "pause_sink"):
        raise Problem(409, "not_possible", "it is paused already" if paused else "it is not paused")
    will = (
        "hold everything for this sink until somebody resumes it; nothing is lost"
        if asked.act == "pause_sink"
        else "let this sink go on with everything that waits for it"
    )
    kept = ("name", "type", "state", "reason", "waiting", "sending", "dead", "oldest_waiting_at")
    fields = sink.model_dump(mode="json")
    return PreviewedChange(asked.act, sink.name, None, will, (sink.state,), {name: fields[name] for name in kept})


def _done(service: StoreService, shown: PreviewedChange) -> OneDone:
    match shown.act:
        case "retry_delivery":
            return service.retry(int(shown.target))
        case "cancel_delivery":
            return service.cancel(int(shown.target))
        case "replay_event":
            return service.replay(shown.target, ReplayCommand(to=None if shown.to is None else [shown.to]))
        case "pause_sink":
            return service.pause(shown.target)
        case "resume_sink":
            return service.resume(shown.target)
        case _:
            assert_never(shown.act)
