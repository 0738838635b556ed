"""Answers of the API: JSON of results, problem documents of whatever is raised."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Final

from pydantic import TypeAdapter
from starlette.responses import Response

from gateway.admin.filters import UnknownValue
from gateway.config.document.diagnostics import ConfigError
from gateway.errors import (
    Ambiguous,
    GatewayError,
    NotFound,
    Problem,
    SinkNotOpened,
    StoreBusy,
    StoreError,
    StoreUnavailable,
)
from gateway.reload import ReloadRefused
from gateway.web import problems

_ANYTHING: Final[TypeAdapter[object]] = TypeAdapter(object)


async def answered(status: int, result: object) -> Response:
    """A result as JSON, written in a thread, because one event with many files takes long."""
    content = await asyncio.to_thread(_written, result)
    return Response(content, status, media_type="application/json")


def _written(result: object) -> bytes:
    return _ANYTHING.dump_json(result, by_alias=True)


def problem_document(problem: Problem, headers: Mapping[str, str] | None = None, **more: object) -> Response:
    """A problem document; `more` are further members."""
    members = {**json.loads(problems.body(problem)), **more}
    response = Response(json.dumps(members), problem.status, headers, media_type=problems.MEDIA_TYPE.decode())
    if problem.retry_after is not None:
        response.headers["retry-after"] = str(problem.retry_after)
    if problem.status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response


def refusal(error: GatewayError) -> Response:
    """What was raised on purpose, as a problem document with a stable code."""
    if isinstance(error, Problem):
        return problem_document(error)
    if isinstance(error, Ambiguous):
        return problem_document(Problem(409, error.code, str(error)), candidates=list(error.candidates))
    if isinstance(error, NotFound):
        return problem_document(Problem(404, "not_found", str(error)))
    if isinstance(error, UnknownValue):
        return problem_document(Problem(400, "unknown_value", str(error)))
    if isinstance(error, ConfigError):
        problem = Problem(422, "configuration_invalid", "the configuration has mistakes; the running one stays")
        return problem_document(problem, problems=[one.as_dict() for one in error.problems])
    if isinstance(error, ReloadRefused):
        return problem_document(Problem(409, error.code, error.detail))
    if isinstance(error, SinkNotOpened):
        return problem_document(Problem(409, "sink_not_opened", str(error)))
    if isinstance(error, StoreBusy):
        return problem_document(Problem(503, "store_unavailable", str(error), retry_after=error.retry_after))
    if isinstance(error, StoreUnavailable):
        return problem_document(Problem(503, "store_unavailable", str(error), retry_after=5))
    if isinstance(error, StoreError):
        return problem_document(Problem(409, "not_possible", str(error)))
    return problem_document(Problem(409, "not_done", str(error)))
