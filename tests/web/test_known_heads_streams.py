"""Whatever comes, and wherever it is cut: with known heads a listener does what it does without them."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any, Final

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.plugin import Callback
from gateway.web.budget import Budget
from gateway.web.deadlines import Phase
from gateway.web.known_heads import KnownHeads
from tests.web.doors import CALLBACK, Entry, networks, post
from tests.web.test_known_heads import LOOKS_LIKE_IT, LOWER, TITLED, Door

OFFERS: Final = (  # as Java's client does with every request
    b"POST /hooks/live HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nContent-Length: 11\r\nHost: x\r\n"
    b"HTTP2-Settings: AAEAAEAAAAIAAAAB\r\nUpgrade: h2c\r\n\r\n" + CALLBACK
)
ELSEWHERE: Final = (
    b"POST /hooks/typed HTTP/1.1\r\nContent-Type: application/json\r\nX-A: "  # the head ends with the next
)
IN_THE_BODY: Final = b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nCONTENT-LENGTH: 40\r\n\r\n"

REQUESTS: Final = (
    TITLED,
    LOWER % len(CALLBACK) + CALLBACK,
    LOOKS_LIKE_IT % 3 + CALLBACK,
    OFFERS,
    ELSEWHERE,
    post(b""),
    post(b"{" * 11),
    post(b" " * 1001),
    post(path="/hooks/typed"),
    post(path="/hooks/typed", more="Content-Type: application/json\r\n"),
    post(more="Content-Type: a/b\r\nContent-Type: c/d\r\n"),
    post(more="traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"),
    post(path="/hooks/none"),
    post(path="/hooks/l%69ve?a=b"),
    post(path="/hooks/..%2flive"),
    post(more="X-Forwarded-For: 203.0.113.9\r\n"),
    post(b"", more="X-Forwarded-For: 203.0.113.8\r\n"),
    post(more="X-Forwarded-For: 203.0.113.8, 192.0.2.9\r\n"),
    post(more="Connection: close\r\n"),
    post(more="Connection: keep-alive\r\n"),
    post(more="Expect: 100-continue\r\n"),
    post(more="Transfer-Encoding: chunked\r\n"),
    post(more="Content-Encoding: gzip\r\n"),
    TITLED.replace(b"HTTP/1.1", b"HTTP/1.0"),
    TITLED.replace(b"POST", b"PUT"),
    b"GET /hooks/live HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n" + CALLBACK + b"\r\n0\r\n\r\n",
    IN_THE_BODY + b"x\r\nContent-Length: 40\r\n\r\n".ljust(40, b"y"),
    b"\r\n",
)
CHANGES: Final = (b"", b"\0", b"\n", b"\r", b"\r\n", b" ", b"+", b"0", b"1_", b":", b"\xff", b"c", b"C", b"POST ")


@st.composite
def streams(draw: st.DrawFn) -> list[list[bytes]]:
    """Segments of some connections, on which few requests come often."""
    few = draw(st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=3))
    connections = []
    for _ in range(draw(st.integers(2, 5))):
        requests = draw(st.lists(st.sampled_from(few), min_size=1, max_size=4))
        stream, ends = b"".join(requests), []
        for request in requests:
            ends.append(len(request) + (ends[-1] if ends else 0))
        cuts = {end for end in ends if draw(st.integers(0, 4))}
        if draw(st.booleans()):
            cuts |= draw(st.sets(st.integers(1, max(len(stream) - 1, 1)), max_size=2))
        if not draw(st.integers(0, 3)):  # one place is changed
            at = draw(st.integers(0, len(stream)))
            stream = stream[:at] + draw(st.sampled_from(CHANGES)) + stream[at + draw(st.integers(0, 2)) :]
        places = [0, *sorted(cuts), len(stream)]
        segments = [stream[begin:end] for begin, end in pairwise(places)]
        connections.append([segment for segment in segments if segment])
    return connections


CONFIGURED: Final[dict[str, dict[str, Any]]] = {
    "as before": {},
    "elsewhere": {"path": "other"},
    "for nobody": {"allow_from": tuple(networks("10.0.0.0/8"))},
    "for those behind the proxy": {"allow_from": tuple(networks("203.0.113.0/24"))},
    "of a type": {"media_types": ("application/json",)},
}
ENDS: Final = ("its caller leaves", "it says no more", "the listener stops")


def reload(door: Door, how: str) -> None:
    changes = dict(CONFIGURED[how])
    sources = door.behind.sources_by_path
    for path in ("live", "other"):
        sources.pop(path, None)
    path = changes.pop("path", "live")
    sources[path] = Entry("live", **changes)


async def outcome(
    connections: list[list[bytes]], *, known: bool, waits: bool, behind_proxy: bool, reloads: list[str], end: str
) -> tuple[Any, ...]:
    """All that can be seen of a listener to which these came, and how many heads it did not parse. Before each connection
    its source is configured anew; `end` is how each ends, with the last answer still due."""
    budget = Budget(10_000)
    door = Door(budget=budget, trusted=networks("192.0.2.0/24") if behind_proxy else ())
    if not known:
        door.protocol.heads = KnownHeads(0)
    seen: list[object] = []
    for number, segments in enumerate(connections):
        if reloads:
            reload(door, reloads[number % len(reloads)])
        connection, wire = door.connect()
        for left, segment in zip(reversed(range(len(segments))), segments, strict=True):
            if wire.closing:
                break
            connection.data_received(segment)
            if not left and end != ENDS[0]:
                seen.append(connection.eof_received() if end == ENDS[1] else connection.shutdown())
            if waits or not left:
                for _ in range(40):
                    await asyncio.sleep(0)
                held = {peer: list(map(mine.get, mine)) for peer, mine in budget._peers.items()}
                seen.append((wire.written, connection._phase, connection._owed, list(connection._bodies), held))
        seen.append(
            (wire.written, wire.closing, connection._phase is Phase.OVER, connection in door.protocol.incomplete)
        )
        connection.connection_lost(None)
        assert not budget._peers
        assert not budget.occupied_bytes
    taken: list[Callback] = door.behind.taken
    calls = [(one.path, one.peer, one.headers.raw, one.body, one.media_type, one.trace) for one in taken]
    refused = [(source, problem.code) for source, problem in door.behind.refused]
    return (seen, calls, refused, len(door.behind.unknown), door.state.total_requests), door.known


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    connections=streams(),
    waits=st.booleans(),
    behind_proxy=st.booleans(),
    reloads=st.lists(st.sampled_from(sorted(CONFIGURED)), max_size=3),
    end=st.sampled_from(ENDS),
)
@example(connections=[[ELSEWHERE, OFFERS]] * 2 + [[OFFERS]], waits=True, behind_proxy=False, reloads=[], end=ENDS[0])
@example(
    connections=[[TITLED[:2], TITLED[2:]]] * 2 + [[TITLED[2:]]], waits=True, behind_proxy=False, reloads=[], end=ENDS[0]
)
@example(connections=[[post(b"")] * 3] * 2, waits=True, behind_proxy=True, reloads=[], end=ENDS[0])
@example(connections=[[TITLED]] * 4, waits=False, behind_proxy=False, reloads=[], end=ENDS[2])
@example(connections=[[TITLED]] * 8, waits=True, behind_proxy=False, reloads=list(CONFIGURED), end=ENDS[1])
def test_known_heads_change_nothing(connections: list[list[bytes]], **how: Any) -> None:
    with_them, _ = asyncio.run(outcome(connections, known=True, **how))
    without, parsed = asyncio.run(outcome(connections, known=False, **how))
    assert parsed == 0
    assert with_them == without
