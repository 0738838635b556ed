"""The API's operations on events: listing, one with everything, its bytes, replay, release, erase."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from gateway.admin import act_results, queries, requests, results
from gateway.web.api.endpoint import CHANGED, NAMED, Call, NothingAsked, acting, reading, the_one

OCTETS: Final = "application/octet-stream"


async def _raw(call: Call[NothingAsked]) -> object:
    raw = await call.service.raw(call.path["ref"], call.actor)
    name = "".join(letter for letter in raw.name if letter.isascii() and (letter.isalnum() or letter in "~._-"))[:100]
    headers = {"content-disposition": f'attachment; filename="{name}.bin"', "content-security-policy": "sandbox"}
    return Response(raw.content, 200, headers, media_type=OCTETS)


async def _replay_few(call: Call[requests.FewReplays]) -> object:
    asked = requests.ReplayCommand(to=call.asked.to, reroute=call.asked.reroute)
    return await call.service.replay(call.asked.refs, asked, call.actor)


EVENT_ENDPOINTS: Final = (
    reading(
        "/events",
        "events",
        "Events, newest first.",
        lambda call: call.service.events(call.asked),
        results.Page[results.EventItem],
        query=queries.EventQuery,
    ),
    acting(
        "/events/replay",
        "replay_events",
        "Another round of each of a few events.",
        _replay_few,
        act_results.ManyDone,
        body=requests.FewReplays,
    ),
    acting(
        "/events/release",
        "release_events",
        "End the hold of each of a few events.",
        lambda call: call.service.release(call.asked.refs, call.actor),
        act_results.ManyDone,
        body=requests.FewEvents,
    ),
    acting(
        "/events/erase",
        "erase_events",
        "Delete each of a few events for ever.",
        lambda call: call.service.erase(call.asked.refs, call.actor),
        act_results.ManyDone,
        body=requests.FewEvents,
    ),
    reading(
        "/events/{ref}",
        "event",
        "One event with everything that is kept of it.",
        lambda call: call.service.event(call.path["ref"], whole=call.whole and not call.asked.masked, actor=call.actor),
        results.EventDetail,
        query=queries.Masking,
        problems=NAMED,
    ),
    reading(
        "/events/{ref}/raw",
        "raw",
        "The vendor's bytes as they came.",
        _raw,
        bytes,
        role="operate",
        problems=NAMED,
        media_type=OCTETS,
    ),
    acting(
        "/events/{ref}/replay",
        "replay",
        "Deliver an event once more.",
        lambda call: the_one(call.service.replay([call.path["ref"]], call.asked, call.actor)),
        act_results.OneDone,
        body=requests.ReplayCommand,
        problems=CHANGED,
    ),
    acting(
        "/events/{ref}/release",
        "release",
        "Deliver a held event after all.",
        lambda call: the_one(call.service.release([call.path["ref"]], call.actor)),
        act_results.OneDone,
        problems=CHANGED,
    ),
    acting(
        "/events/{ref}/erase",
        "erase",
        "Delete an event with everything that was kept of it.",
        lambda call: the_one(call.service.erase([call.path["ref"]], call.actor)),
        act_results.OneDone,
        problems=CHANGED,
    ),
    acting(
        "/names",
        "names",
        "The shortest names of events.",
        lambda call: call.service.names(call.asked),
        act_results.Names,
        role="read",
        body=requests.EventNames,
    ),
)
