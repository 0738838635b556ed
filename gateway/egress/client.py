"""The HTTP client that sinks are handed: bounded in time and size, follows nothing, and says what went wrong safely."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

from gateway import compact_json
from gateway.egress.answers import Answer, Classify, judge
from gateway.egress.guard import AddressGuard
from gateway.egress.via import DIRECT, Via
from gateway.errors import Refused, Retry
from gateway.runtime.clock import Clock
from gateway.runtime.time_limits import TimeLimits
from gateway.runtime.traces import current
from gateway.version import __version__

if TYPE_CHECKING:
    import httpx

    from gateway.egress.pool import Pool
    from gateway.egress.streamed import Streamed

ANSWER_BYTES_MAX: Final = 64 * 1024  # bytes read of an answer; then the connection is closed, not drained
CALL_SECONDS_MAX: Final = (
    300.0  # seconds; a bound for calls outside an attempt: `delivery.timeout` cuts every attempt earlier
)
STREAM_SECONDS: Final = 15.0  # until the head of a streamed answer, and between two pieces of it
POOLS_MAX: Final = 2  # of one target's settings, with certificates of different days
USER_AGENT: Final = f"recording-gateway/{__version__}"


class Sending(TypedDict, total=False):
    """What `get`, `post` and `request` take by keyword; `request` says what each is."""

    json: object
    content: bytes | str | None
    headers: Mapping[str, str] | None
    params: Mapping[str, str] | None
    classify: Classify | None
    timeout: float | None
    via: Via
    limit: int


_UNTRUSTED: Final = Via(guard=AddressGuard())


class Http:
    """One a gateway. No redirects, no cookies, no environment; TLS 1.2 or newer; every call ends in time.

    `transport` replaces the network, for tests of a sink's author (`httpx.MockTransport`).
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        timeout: float = CALL_SECONDS_MAX,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self._limits = TimeLimits(timeout)
        self._transport = transport
        self._pools: dict[tuple[Via, bool], Pool] = {}
        self._making = asyncio.Lock()
        self._closed = False

    async def open(self) -> None:
        """Nothing yet: connections, and the libraries behind them, are there when a first sink wants them."""

    async def close(self) -> None:
        """Close every connection. Later calls raise Retry."""
        self._closed = True
        pools = list(self._pools.values())
        self._pools.clear()
        for pool in pools:
            await pool.close()

    async def prepare(self, url: str, via: Via = DIRECT) -> None:
        """Load what calls to this URL need, so that the first delivery need not wait for it. Connects to nothing.

        Raises Unavailable where certificates cannot be read.
        """
        await self._pool(via, url.lower().startswith("https:"))

    async def get(self, url: str, **rest: Unpack[Sending]) -> Answer:
        """`request` with GET."""
        return await self.request("GET", url, **rest)

    async def post(self, url: str, **rest: Unpack[Sending]) -> Answer:
        """`request` with POST."""
        return await self.request("POST", url, **rest)

    async def request(
        self,
        method: str,
        url: str,
        *,
        json: object = None,
        content: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        classify: Classify | None = None,
        timeout: float | None = None,
        via: Via = DIRECT,
        limit: int = ANSWER_BYTES_MAX,
    ) -> Answer:
        """One request and its answer, which `classify` (else the table of answers.py) has let pass.

        `json` is sent as compact UTF-8, `content` as it is; `timeout` is seconds in all; `limit` bytes of the body are
        read at most. Raises Retry for whatever the network does, Refused for a request that cannot be sent, and what
        `classify` raises. No text it raises holds a URL's path or query, a header, or a learnt secret.
        """
        sent = {"user-agent": USER_AGENT, "accept": "*/*", "accept-encoding": "identity"}
        if json is not None:
            content = compact_json.encode_json(json)
            sent["content-type"] = "application/json"
        if headers:
            names = "".join(headers)
            if names == names.lower():  # as ours are, and one look is less than one for each
                sent.update(headers)
            else:
                sent |= {name.lower(): value for name, value in headers.items()}
        if isinstance(content, str):
            try:
                content = content.encode()
            except UnicodeEncodeError:
                raise Refused("the body holds text that UTF-8 cannot carry (a lone surrogate)") from None
        secure = url[:6].lower() == "https:"
        pool = self._pools.get((via, secure)) or await self._pool(via, secure)
        if (underway := current.get()) is not None:
            underway.context.inject(sent)
            underway.sends(method, pool.origin(url))
        limits = self._limits if timeout is None else TimeLimits(timeout)
        try:
            with limits.limited():
                answer = await pool.send(method, url, params, sent, content, limit, self.clock)
        except TimeoutError:
            text = f"no complete answer from {pool.origin(url)} within {limits.seconds:g} s"
            raise Retry(text, service=True) from None
        if underway is not None:
            underway.answered(answer.status)
        (classify or judge)(answer)
        return answer

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = STREAM_SECONDS,
        silence: float = STREAM_SECONDS,
        via: Via = DIRECT,
    ) -> AsyncIterator[Streamed]:
        """One request without a body, and an answer that is read in pieces, however large: nothing of it is held.

        `timeout` is seconds until its head is there, `silence` the longest time without a byte after that. No status is
        judged: look at `status`, and call `judge(await stream.answer(…))` where it is none that you want. Raises what
        `request` raises for the network and for a request that cannot be sent.
        """
        sent = {"user-agent": USER_AGENT, "accept": "*/*", "accept-encoding": "identity"}
        sent |= {name.lower(): value for name, value in (headers or {}).items()}
        pool = await self._pool(via, url[:6].lower() == "https:")
        if (underway := current.get()) is not None:
            underway.context.inject(sent)
            underway.sends(method, pool.origin(url))
        try:
            async with asyncio.timeout(timeout):
                stream = await pool.begin_exchange(method, url, sent, silence, self.clock)
        except TimeoutError:
            raise Retry(f"no answer from {pool.origin(url)} within {timeout:g} s", service=True) from None
        if underway is not None:
            underway.answered(stream.status)
        try:
            yield stream
        finally:
            await stream.give_back()

    async def fetch_untrusted(
        self,
        url: str,
        *,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        allow: AddressGuard | None = None,
    ) -> Answer:
        """GET a URL that did not come from the configuration file. Only public addresses are called.

        Raises Refused for an address, port or scheme that may not be called, or a body over `max_bytes`.
        """
        via = Via(guard=allow) if allow else _UNTRUSTED
        answer = await self.request("GET", url, headers=headers, timeout=timeout, via=via, limit=max_bytes)
        if answer.truncated:
            raise Refused(f"the body from {answer.origin} is over {max_bytes} bytes", status=answer.status)
        return answer

    async def _pool(self, via: Via, secure: bool) -> Pool:
        pool = self._pools.get((via, secure))
        if pool is not None:
            return pool
        async with self._making:
            if self._closed:
                raise Retry("the gateway is stopping")
            pool = self._pools.get((via, secure))
            if pool is None:
                # In a thread, because the libraries and the system's certificates take tens of milliseconds.
                room = await asyncio.to_thread(importlib.import_module, "gateway.egress.pool")
                pool = await room.open_pool(via, secure, self._transport)
                self._pools[via, secure] = pool
                await self._close_outdated(via, secure)
            return pool

    async def _close_outdated(self, via: Via, secure: bool) -> None:
        """A certificate was renewed: what is under way goes on with the last one, and nothing with those before."""
        same = [key for key in self._pools if key[1] is secure and key[0].written == via.written]
        for key in same[:-POOLS_MAX]:
            await self._pools.pop(key).close()
