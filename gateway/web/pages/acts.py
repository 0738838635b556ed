"""What a button does: one act on one thing, then back to the page, which says what became of it."""

from __future__ import annotations

from starlette.responses import Response

from gateway.admin.act_results import ManyDone, OneDone
from gateway.admin.requests import ReplayCommand
from gateway.errors import GatewayError
from gateway.model import FILE_COMPLETED
from gateway.web.api.request_reader import number_of
from gateway.web.pages.sentences import sentence
from gateway.web.pages.visit import Visit, local

CHOSEN_MAX = 200  # check marks of one page


def _back(visit: Visit, otherwise: str) -> str:
    return local(visit.form_field("back") or otherwise)


def _done(visit: Visit, answers: ManyDone | OneDone, link: str, text: str) -> Response:
    """Back, with what was done, or with why it was not."""
    done = answers.answers if isinstance(answers, ManyDone) else (answers,)
    missed = [one.text for one in done if not one.done]
    t = visit.words
    if not missed:
        return visit.done(link, text)
    shown = "; ".join(sentence(t, text) for text in missed[:3])
    if len(missed) == len(done):
        return visit.done(link, t("Not done: {why}", why=shown), "bad")
    count = len(done) - len(missed)
    return visit.done(
        link, t("Done: {done}. Not done: {missed} ({why})", done=count, missed=len(missed), why=shown), "bad"
    )


async def retry(visit: Visit) -> Response:
    """One delivery."""
    id = number_of(visit.request.path_params["number"])
    answers = await visit.service.retry([id], visit.actor)
    return _done(visit, answers, _back(visit, "/deliveries"), visit.words("It is tried again now."))


async def cancel(visit: Visit) -> Response:
    """One delivery."""
    id = number_of(visit.request.path_params["number"])
    answers = await visit.service.cancel([id], visit.actor)
    return _done(visit, answers, _back(visit, "/deliveries"), visit.words("It is cancelled, and not tried any more."))


async def retry_chosen(visit: Visit) -> Response:
    """The dead letters with a mark."""
    ids = [number_of(text) for text in visit.form.get("id", ())[:CHOSEN_MAX]]
    t = visit.words
    if not ids:
        return visit.done("/dead", t("Choose at least one."), "bad")
    answers = await visit.service.retry(ids, visit.actor)
    said = t.many("{count} delivery is tried again now.", "{count} deliveries are tried again now.", len(ids))
    return _done(visit, answers, "/dead", said)


async def replay(visit: Visit) -> Response:
    """One event, to where it went, to one sink, or by today's routes."""
    ref, to = visit.request.path_params["ref"], visit.form_field("to")
    command = ReplayCommand(to=None if to in ("", "*reroute") else [to[:256]], reroute=to == "*reroute")
    answers = await visit.service.replay([ref], command, visit.actor)
    return _done(visit, answers, _event(ref), visit.words("It is sent again."))


async def release(visit: Visit) -> Response:
    """One held event."""
    ref = visit.request.path_params["ref"]
    answers = await visit.service.release([ref], visit.actor)
    return _done(visit, answers, _event(ref), visit.words("It is released, and goes where today's routes lead."))


def _event(ref: str) -> str:
    from gateway.web.pages.render import ref_of

    return f"/events/{ref_of(ref)}"


async def pause(visit: Visit) -> Response:
    """One sink."""
    name = visit.request.path_params["name"]
    said = visit.words("{sink} is paused. What comes for it waits.", sink=name)
    return _done(visit, await visit.service.pause(name, visit.actor), f"/sinks/{name}", said)


async def resume(visit: Visit) -> Response:
    """One sink."""
    name = visit.request.path_params["name"]
    said = visit.words("{sink} goes on.", sink=name)
    return _done(visit, await visit.service.resume(name, visit.actor), f"/sinks/{name}", said)


async def test(visit: Visit) -> Response:
    """A test message through one sink."""
    name = visit.request.path_params["name"]
    t = visit.words
    owner = visit.form_field("owner")[:256] or None
    answer = await visit.service.test(name, visit.form_field("type")[:256] or FILE_COMPLETED, visit.actor, owner)
    took = visit.formats.seconds(answer.seconds)
    if answer.outcome == "delivered":
        return visit.done(f"/sinks/{name}", t("The test message was delivered in {time}.", time=took))
    return visit.done(f"/sinks/{name}", t("The test message was not delivered: {why}", why=answer.detail), "bad")


async def retry_refused(visit: Visit) -> Response:
    """One refused callback."""
    id = number_of(visit.request.path_params["number"])
    answers = await visit.service.retry_refused([id], visit.actor)
    taken = all(one.done for one in answers.answers)
    return _done(visit, answers, "/refused" if taken else f"/refused/{id}", visit.words("It is taken now."))


async def reload(visit: Visit) -> Response:
    """Run what the configuration file says now."""
    t = visit.words
    answer = await visit.service.reload(visit.actor)
    if answer.status == "unchanged":
        return visit.done("/config", t("The file says what runs already."))
    parts = [name for group in (answer.sources, answer.sinks) for names in group.values() for name in names]
    changed = t.list([*parts, *([t("routes")] if answer.routes else []), *answer.settings])
    return visit.done("/config", t("The new configuration runs. Changed: {what}", what=changed))


async def cancel_job(visit: Visit) -> Response:
    """One bulk act, before its next step."""
    id = number_of(visit.request.path_params["number"])
    try:
        await visit.service.cancel_job(id, visit.actor)
    except GatewayError as error:  # over meanwhile
        return visit.done(f"/jobs/{id}", sentence(visit.words, str(error)), "bad")
    return visit.done(f"/jobs/{id}", visit.words("It ends before its next step. What was done stays done."))
