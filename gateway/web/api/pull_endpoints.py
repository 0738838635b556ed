"""The API's operations of consumers, who fetch from pull sinks: lease, ack, nack, extend, and a look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from gateway.admin import consumers, pull_messages
from gateway.web.api.endpoint import AskedT, Call, Endpoint, RunOperation, acting, reading
from gateway.web.api.long_answer import LongAnswer

_PROBLEMS: Final = {
    403: "forbidden: the token is no consumer's, or does not list this sink",
    404: "not_found",
    409: "not_possible",
}
_RECEIPTS: Final = {**_PROBLEMS, 400: "receipt_invalid", 409: "not_possible, lease_lost"}


async def _lease(call: Call[pull_messages.LeaseCommand]) -> object:
    asked, sink, pull = call.asked, call.path["sink"], call.service.pull
    lane = pull.lane(sink)
    length = consumers.length_of(lane, asked.seconds)
    await lane.outcomes.receipts()  # first, because without them nothing could be handed over
    given = await lane.give(asked.max, length)
    if given.leases or not asked.wait or given.why == "stopping":
        return LongAnswer.at_once(lane, given, length)
    return LongAnswer.later(pull.place(sink), lane, asked, length, call.may)


async def _ack(call: Call[pull_messages.AckCommand]) -> object:
    return await call.service.pull.ack(call.path["sink"], call.asked.receipts, call.actor.name)


async def _nack(call: Call[pull_messages.NackCommand]) -> object:
    return await call.service.pull.nack(call.path["sink"], call.asked, call.actor.name)


async def _extend(call: Call[pull_messages.ExtendCommand]) -> object:
    return await call.service.pull.extend(call.path["sink"], call.asked.receipts, call.asked.seconds)


async def _peek(call: Call[pull_messages.PeekQuery]) -> object:
    name = call.path["sink"]
    lane = call.service.pull.lane(name)
    item = await call.service.sink(name)
    content = consumers.peek_answer(item, await lane.peek(call.asked.limit))
    return Response(content, media_type="application/json")


def _fetching(
    verb: str,
    summary: str,
    run: RunOperation[AskedT],
    answer: object,
    body: type[AskedT],
    problems: Mapping[int, str] = _RECEIPTS,
) -> Endpoint:
    path = f"/pull/{{sink}}/{verb}"
    return acting(path, f"pull_{verb}", summary, run, answer, role="pull", body=body, problems=problems)


PULL_ENDPOINTS: Final = (
    reading(
        "/pull/{sink}",
        "pull_peek",
        "A pull sink, and what would be handed out now. Nothing is leased.",
        _peek,
        pull_messages.PeekAnswer,
        role="pull",
        query=pull_messages.PeekQuery,
        problems=_PROBLEMS,
    ),
    _fetching(
        "lease",
        "Fetch what is due, or wait for it: it is the caller's until its lease ends.",
        _lease,
        pull_messages.LeaseAnswer,
        body=pull_messages.LeaseCommand,
        problems={**_PROBLEMS, 429: "too_many_consumers"},
    ),
    _fetching(
        "ack",
        "What was fetched is done.",
        _ack,
        pull_messages.EndedAnswer,
        body=pull_messages.AckCommand,
    ),
    _fetching(
        "nack",
        "What was fetched is not done: try it again, refuse it for good, or give it back untouched.",
        _nack,
        pull_messages.EndedAnswer,
        body=pull_messages.NackCommand,
    ),
    _fetching(
        "extend",
        "What was fetched takes longer.",
        _extend,
        pull_messages.ExtendAnswer,
        body=pull_messages.ExtendCommand,
    ),
)
