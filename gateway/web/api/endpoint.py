"""One operation of the API as a value: routes, rights, the check of what comes in and OpenAPI are all read from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypedDict, TypeVar, Unpack

from pydantic import BaseModel

from gateway.admin.act_results import JobStarted, ManyDone, OneDone
from gateway.admin.acts import alone
from gateway.admin.service import AdminService
from gateway.store.admin.audit import Actor
from gateway.web.tokens import TokenRole

# The codes of refusals that an operation has beyond those of every operation, by status.
NOT_FOUND: Final = {404: "not_found"}
NAMED: Final = {404: "not_found", 409: "ambiguous"}
CHANGED: Final = {404: "not_found", 409: "ambiguous, not_possible, not_done"}


class NothingAsked(BaseModel):
    """Of an operation that takes neither a query nor a body."""


AskedT = TypeVar("AskedT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call(Generic[AskedT]):
    """One request after every check. `asked`: its query or its body, by the operation's model. `whole`: its token may see
    credentials and the queries of URLs. `token` is the token itself, `session` the page's where it
    came from one, `may` asks whether the token still holds."""

    service: AdminService
    actor: Actor
    role: TokenRole
    token: str
    session: str | None
    may: Callable[[], bool]
    path: Mapping[str, str]
    asked: AskedT
    last_event_id: str | None = None

    @property
    def whole(self) -> bool:
        return self.role == "operate"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Endpoint:
    """`path` is below /api/v1, with `{name}` for a segment; one in `integers` is a number. `problems` are the codes of
    refusals beyond those that every operation has, by status."""

    method: str
    path: str
    name: str
    summary: str
    role: TokenRole
    run: Callable[[Call[Any]], Awaitable[object]]  # checked against its model where it is declared, below
    answer: object
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    integers: frozenset[str] = frozenset({"number"})
    status: int = 200
    problems: Mapping[int, str] = field(default_factory=dict)
    media_type: str = "application/json"

    @property
    def is_once(self) -> bool:
        """Whether it heeds an Idempotency-Key. What a reader may do changes nothing, so its answer is kept nowhere: a
        preview holds an event whole. A consumer's word is one word however often it is said: its receipt sees to that."""
        return self.method != "GET" and self.role == "operate"

    def status_of(self, result: object) -> int:
        """202 where it only began."""
        return 202 if isinstance(result, JobStarted) else self.status


RunOperation = Callable[[Call[AskedT]], Awaitable[object]]


class EndpointParts(TypedDict, total=False):
    """What an operation may have besides."""

    integers: frozenset[str]
    status: int
    problems: Mapping[int, str]
    media_type: str


def reading(
    path: str,
    name: str,
    summary: str,
    run: RunOperation[AskedT],
    answer: object,
    role: TokenRole = "read",
    query: type[AskedT] | None = None,
    **more: Unpack[EndpointParts],
) -> Endpoint:
    """An operation that changes nothing, for whoever may read."""
    return Endpoint(
        method="GET", path=path, name=name, summary=summary, role=role, run=run, answer=answer, query=query, **more
    )


def acting(
    path: str,
    name: str,
    summary: str,
    run: RunOperation[AskedT],
    answer: object,
    role: TokenRole = "operate",
    body: type[AskedT] | None = None,
    **more: Unpack[EndpointParts],
) -> Endpoint:
    """An operation that takes a body or changes something, for whoever may operate."""
    return Endpoint(
        method="POST", path=path, name=name, summary=summary, role=role, run=run, answer=answer, body=body, **more
    )


async def the_one(acted: Awaitable[ManyDone]) -> OneDone:
    """The answer of an act on a few that was asked for one."""
    return alone(await acted)
