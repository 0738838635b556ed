"""The acts on one store: what is asked for becomes the store's change, with its row in the audit log."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import cast, get_args

from gateway.admin.access import Running
from gateway.admin.act_results import ManyDone, OneDone
from gateway.admin.filters import UnknownValue
from gateway.admin.own_command import Ran
from gateway.admin.requests import ReplayCommand
from gateway.admin.sink_results import PreviewAnswer, TestAnswer
from gateway.errors import GatewayError, NotFound, Problem
from gateway.intake.reverify import ids_of, reverifier_of, route_of
from gateway.states import TrialOutcome
from gateway.store.admin.admin import StoreAdmin
from gateway.store.admin.audit import Actor
from gateway.store.admin.bulk import Total
from gateway.text.redaction import redact
from gateway.text.suggest import suggestion


def _done(total: Total) -> ManyDone:
    return ManyDone(answers=[OneDone(target=one.item, done=one.well, text=one.text) for one in total.answers])


def retry(ids: Sequence[int], actor: Actor, admin: StoreAdmin) -> ManyDone:
    """A new round of each, or now."""
    return _done(admin.retry_many(ids, actor=actor))


def cancel(ids: Sequence[int], actor: Actor, admin: StoreAdmin) -> ManyDone:
    """An end to each."""
    return _done(admin.cancel_many(ids, actor=actor))


def replay(gateway: Running, refs: Sequence[str], asked: ReplayCommand, actor: Actor, admin: StoreAdmin) -> ManyDone:
    """Another round of each."""
    if asked.to and asked.reroute:
        raise Problem(400, "unknown_value", "`to` and `reroute` exclude each other")
    known = gateway.loaded.settings.sinks
    for name in asked.to or ():
        if name not in known:
            raise UnknownValue(f"no sink {name!r}{suggestion(name, known)}")
    route = route_of(gateway.loaded)
    return _done(admin.replay_many(refs, sinks=asked.to or None, route=route, reroute=asked.reroute, actor=actor))


def release(gateway: Running, refs: Sequence[str], actor: Actor, admin: StoreAdmin) -> ManyDone:
    """An end to the hold of each."""
    return _done(admin.release_many(refs, route=route_of(gateway.loaded), actor=actor))


def erase(gateway: Running, refs: Sequence[str], actor: Actor, admin: StoreAdmin) -> ManyDone:
    """An end to each event."""
    return _done(admin.erase(refs, ids=ids_of(gateway.loaded), actor=actor))


def retry_refused(gateway: Running, ids: Sequence[int], actor: Actor, admin: StoreAdmin) -> ManyDone:
    """Another look at refused callbacks."""
    return _done(admin.take_refused(ids, reverifier_of(gateway.loaded), actor=actor))


def pause(gateway: Running, sink: str, actor: Actor, admin: StoreAdmin) -> OneDone:
    """Hold everything for a sink."""
    _configured(gateway, sink)
    changed = admin.pause(sink, actor=actor)
    return OneDone(target=sink, done=changed, text="paused" if changed else "was paused already")


def resume(gateway: Running, sink: str, actor: Actor, admin: StoreAdmin) -> OneDone:
    """Let a sink go on."""
    _configured(gateway, sink)
    changed = admin.resume(sink, actor=actor)
    return OneDone(target=sink, done=changed, text="goes on" if changed else "was not paused")


def _configured(gateway: Running, sink: str) -> None:
    known = gateway.loaded.settings.sinks
    if sink not in known:
        raise NotFound(f"no sink {sink[:100]!r} is configured{suggestion(sink[:100], known)}")


def alone(many: ManyDone) -> OneDone:
    """The answer of the only one. Raises GatewayError where it could not be done."""
    (answer,) = many.answers
    if answer.done:
        return answer
    raise GatewayError(answer.text)


def must_be_configured(gateway: Running, sink: str) -> None:
    """Raises NotFound with a near miss."""
    _configured(gateway, sink)


def document(admin: StoreAdmin, ref: str) -> dict[str, object]:
    """The CloudEvents JSON of a stored event. Raises NotFound, Ambiguous."""
    body: dict[str, object] = json.loads(admin.event(ref).body)
    return body


def test_command(sink: str, type: str, owner: str | None) -> list[str]:
    """The command that sends it."""
    return ["sinks", "test", sink, "--type", type, *_to(owner)]


def preview_command(
    sink: str, event: dict[str, object] | None, type: str | None, owner: str | None
) -> tuple[list[str], str]:
    """The command that prints it, and what is its input."""
    if event is not None:
        return ["sinks", "preview", sink, "--event", "-", *_to(owner)], json.dumps(event)
    return ["sinks", "preview", sink, *(["--type", type] if type else []), *_to(owner)], ""


def _to(owner: str | None) -> list[str]:
    return [] if owner is None else [f"--owner={owner}"]  # in one word, because it may begin with a dash


def preview_answer(sink: str, ran: Ran) -> PreviewAnswer:
    """What it printed. Raises Problem where nothing would be sent."""
    if ran.code == 2:
        raise usage(ran.error)
    if ran.code:
        raise Problem(409, "nothing_sent", _error(ran.error))
    return PreviewAnswer(sink=sink, text=redact(ran.output.rstrip("\n")))


_TOLD = re.compile(
    r"^(?P<outcome>" + "|".join(get_args(TrialOutcome)) + r") in (?P<ms>[0-9]+) ms(?:: (?P<detail>.*))?$", re.DOTALL
)


def test_answer(sink: str, ran: Ran) -> TestAnswer:
    """What became of a test message."""
    text = (ran.output if ran.code == 0 else _error(ran.error)).strip().removeprefix(f"{sink}: ")
    parts = _TOLD.match(text)
    if parts is None:
        raise Problem(409, "not_tested", redact(text[-500:]) or "it could not be tried")
    detail = redact(parts["detail"] or "")
    return TestAnswer(
        sink=sink, outcome=cast("TrialOutcome", parts["outcome"]), seconds=int(parts["ms"]) / 1000, detail=detail
    )


def usage(error: str) -> Problem:
    """What the command could not understand."""
    return Problem(400, "unknown_value", redact(_error(error)[-500:]))


def _error(text: str) -> str:
    return text.rpartition("Error: ")[2].strip()
