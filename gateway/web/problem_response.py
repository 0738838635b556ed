"""A refusal as a response of Starlette's, in the one form that all refusals have."""

from __future__ import annotations

from starlette.responses import Response

from gateway.errors import Problem
from gateway.web import problems


class ProblemResponse(Response):
    """application/problem+json; `extra` are further header fields, such as Allow."""

    def __init__(self, problem: Problem, *extra: tuple[bytes, bytes]) -> None:
        super().__init__(problems.body(problem), problem.status)
        self.raw_headers = problems.headers(problem, bytes(self.body), extra)
