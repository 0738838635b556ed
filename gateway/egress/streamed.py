"""An answer that is read in pieces: for what is too large to be held. Heavy to import."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from gateway.egress import faults
from gateway.egress.answers import Answer
from gateway.egress.transport import read_up_to
from gateway.errors import Retry

if TYPE_CHECKING:
    import httpx

    from gateway.runtime.clock import Clock


class Streamed:
    """What `Http.stream` gives: status and headers are there, the body is on its way. No status was judged yet."""

    def __init__(
        self,
        status: int,
        headers: httpx.Headers,
        stream: httpx.AsyncByteStream,
        origin: str,
        silence: float,
        clock: Clock,
    ) -> None:
        self.status = status
        self.headers = headers
        self.origin = origin  # host:port, for texts
        self._stream = stream
        self._silence = silence
        self._clock = clock

    async def chunks(self) -> AsyncGenerator[bytes]:
        """The body as it comes, some KiB at a time; nothing is unpacked, and what is not asked for is not read.

        Raises Retry where the connection ends too early, or says nothing for the seconds that were given as `silence`.
        """
        chunks = aiter(self._stream)
        while True:
            try:
                async with asyncio.timeout(self._silence):
                    chunk = await anext(chunks, None)
            except TimeoutError:
                raise Retry(f"{self.origin}: sent nothing for {self._silence:g} s", service=True) from None
            except faults.EXPECTED as error:
                raise faults.network_failure(error, self.origin) from None
            if chunk is None:
                return
            yield chunk

    async def answer(self, limit: int) -> Answer:
        """The answer with at most `limit` bytes of its body, for `judge` and for people. Raises Retry."""
        try:
            async with asyncio.timeout(self._silence):
                body, truncated = await read_up_to(self._stream, limit)
        except TimeoutError:
            raise Retry(f"{self.origin}: sent nothing for {self._silence:g} s", service=True) from None
        except faults.EXPECTED as error:
            raise faults.network_failure(error, self.origin) from None
        return Answer(
            status=self.status,
            headers=self.headers,
            body=body,
            truncated=truncated,
            origin=self.origin,
            now=self._clock.now(),
        )

    async def give_back(self) -> None:
        """Give the connection back, or close it where there was more."""
        await self._stream.aclose()
