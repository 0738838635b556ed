"""What tests of consumers share: a gateway with pull sinks, and the calls of one who fetches from them."""

from __future__ import annotations

import json
from typing import Any

from tests.running import Player
from tests.web.admin_api import CONFIG, OPERATE, ask, post, run_in
from tests.web.doors import Served
from tests.web.raw_client import Client, Reply

PULL, OTHER = "p" * 40, "q" * 40
PULLING = CONFIG.replace(
    "{name: look,",
    f"{{name: worker, token: {PULL}, role: pull, sinks: [q]}}, {{name: other, token: {OTHER}, role: pull, sinks: [p]}}, {{name: look,",
).replace(
    "routes:\n  - {name: all, to: [file]}",
    "  q: {type: pull, delivery: {concurrency: 100, retry: {initial: 10ms}}}\n  p: {type: pull}\nroutes:\n  - {name: all, to: [q]}",
)


def whole(client: Client) -> Reply:
    """An answer in chunks."""
    reply = client.reply()
    if reply.header("transfer-encoding") != "chunked":
        return reply
    while not client._buffer.endswith(b"0\r\n\r\n"):
        assert client._more(), client._buffer
    rest, body = client._buffer, b""
    while rest != b"0\r\n\r\n":
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return Reply(reply.status, reply.headers, body)


def open_call(served: Served, verb: str, body: Any, token: str = PULL, sink: str = "q") -> Client:
    client = served.private()
    content = json.dumps(body).encode()
    head = f"POST /api/v1/pull/{sink}/{verb} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    return client.send(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)


def call(served: Served, verb: str, body: Any, **more: str) -> Reply:
    with open_call(served, verb, body, **more) as client:
        return whole(client)


def fetch(served: Served, **asked: Any) -> Any:
    reply = call(served, "lease", asked)
    assert reply.status == 200, reply
    return reply.json()


def tell(served: Served, verb: str, receipts: list[str], **more: Any) -> tuple[int, Any]:
    reply = call(served, verb, {"receipts": receipts, **more})
    return reply.status, reply.json()


def peek(served: Served) -> Any:
    return ask(served, "/pull/q", PULL).json()


def newest_body(served: Served) -> str:
    """The event as it is stored."""

    async def look() -> str:
        store: Any = served.behind.store  # type: ignore[attr-defined]
        rows = await store.ask(lambda session: session.rows("SELECT body FROM events ORDER BY seq DESC LIMIT 1"))
        return str(rows[0][0])

    return str(run_in(served, look()))


def signed_in(served: Served) -> str:
    """The cookie of somebody who may do everything."""
    reply = sign_in(served, OPERATE)
    assert reply.status == 303
    return (reply.header("set-cookie") or "").partition(";")[0]


def sign_in(served: Served, token: str) -> Reply:
    body = f"token={token}&next=/".encode()
    head = "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    with served.private() as client:
        return client.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body).reply()


def put(served: Served, count: int = 1) -> None:
    for _ in range(count):
        put.player = getattr(put, "player", Player())  # type: ignore[attr-defined]
        assert served.post(put.player.body()).status == 200  # type: ignore[attr-defined]


def leave_nothing(served: Served) -> None:
    """Acknowledge what a test left, and give up what waits for its next try: it would come in the middle of another test."""
    while items := fetch(served, max=100)["items"]:
        tell(served, "ack", [one["receipt"] for one in items])
    for one in ask(served, "/deliveries?sink=q&state=waiting&limit=200").json()["items"]:
        post(served, f"/deliveries/{one['id']}/cancel")
