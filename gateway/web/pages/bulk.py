"""Acts on many: first how many it would be, then, on purpose, a job that goes on by itself and can be watched."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from gateway.admin.act_results import BulkPreview
from gateway.admin.bulk import BulkCommand
from gateway.admin.queries import PageQuery
from gateway.admin.request_validation import validated
from gateway.web.api.request_reader import number_of
from gateway.web.pages.parameters import listing
from gateway.web.pages.visit import Visit, to

FILTERS: Final = ("sink", "reason", "state", "held", "source", "type", "stream", "since", "until")
_LIST_FILTERS: Final = frozenset({"sink", "source", "type", "stream"})


async def bulk(visit: Visit) -> Response:
    """Without `upto` the question whether it is meant, with it the job."""
    filters = {name: visit.form_field(name) for name in FILTERS if visit.form_field(name)}
    given: dict[str, object] = {name: [value] if name in _LIST_FILTERS else value for name, value in filters.items()}
    upto = visit.form_field("upto")
    members: dict[str, object] = {"act": visit.form_field("act"), "filter": given, "preview": not upto}
    if visit.form_field("rate"):
        members["rate"] = visit.form_field("rate")
    if upto:
        members["upto"] = number_of(upto)
    command = validated(BulkCommand, members)
    assert visit.token is not None  # else the form had not got here
    answer = await visit.service.bulk(command, visit.actor, visit.token.token.reveal())
    if isinstance(answer, BulkPreview):
        return await visit.page("bulk.html", asked=command, filters=filters, preview=answer)
    return to(f"/jobs/{answer.job}")


async def jobs(visit: Visit) -> Response:
    """Every bulk act, newest first."""
    return await listing(visit, "jobs.html", PageQuery, visit.service.jobs)


async def job(visit: Visit) -> Response:
    """One bulk act: how far it is."""
    item = await visit.service.job(number_of(visit.request.path_params["number"]))
    return await visit.page("job.html", job=item)
