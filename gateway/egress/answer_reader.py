"""Reads the answers that come over one connection: whole ones itself, the others by aiohttp's parser, within bounds of its own."""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.runtime import lean_imports

lean_imports.import_httpx()

import aiohttp  # noqa: E402
from aiohttp.client_proto import ResponseHandler  # noqa: E402

from gateway.egress.whole_answer import WholeAnswer, whole_answer  # noqa: E402

READ_BUFFER_BYTES: Final = 2**16
SLICE_BYTES: Final = 2**13  # that aiohttp's parser is given at once: what has no end is seen after so many
SLICE_BYTES_MAX: Final = 2**18  # the same for a body that comes in large pieces, where each slice costs
FRAMING_BYTES_MAX: Final = 2**16  # of an answer, beside as many as its body has: heads, sizes of chunks, trailers
INTERIM_ANSWERS_MAX: Final = 16  # of status 1xx before the answer


class BadAnswer(aiohttp.ClientPayloadError):
    """What came is not read any further."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason  # for people


ENDLESS: Final = "it sends heads, trailers or sizes of chunks without end"
NOT_HTTP: Final = "what it answered is not HTTP"


class AnswerReader(ResponseHandler):
    """A connection that knows how many requests it had, and whether the last one got a byte. Whoever calls `expect` is given an answer
    that has come whole; every other one is aiohttp's to read."""

    requests = 0
    answered = False
    _expected: asyncio.Future[WholeAnswer | None] | None = None
    _finished = False  # what may come now is asked for by nobody
    _parsing = False
    _bytes = 0  # that the parser was given of this answer
    _framing = 0  # of these what was no body at the last look
    _slice = SLICE_BYTES

    def expect(self) -> asyncio.Future[WholeAnswer | None]:
        """Resolved with the next answer, or with None: it is not plain, or there is none, and `read` says more."""
        answer_due: asyncio.Future[WholeAnswer | None] = self._loop.create_future()
        self._expected = answer_due
        self._finished = False
        return answer_due

    def parse(self, *, skip_payload: bool = False, read_seconds: float | None = None) -> None:
        """Let aiohttp read what comes."""
        self._finished = False
        self._bytes = self._framing = 0
        self._slice = SLICE_BYTES
        self.set_response_params(
            skip_payload=skip_payload,
            read_until_eof=True,
            auto_decompress=False,
            read_timeout=read_seconds,
            read_bufsize=READ_BUFFER_BYTES,
        )

    def finish(self) -> None:
        """Its answer was read to the end. What comes from here on is asked for by nobody: none of it may be a piece of the next."""
        self._finished = True
        if not self._parsing:  # else the parser may be in the middle of what came behind the answer
            self._forget_parser()

    def data_received(self, data: bytes) -> None:
        answer_due = self._expected
        if answer_due is None or not data:  # which is aiohttp's own call, where somebody read on in the last answer
            self.answered = self.answered or bool(data)
            self._parse(data)
            return
        self.answered = True
        self._expected = None
        if (answer := whole_answer(data)) is not None:
            self._finished = True
            if not answer_due.done():
                answer_due.set_result(answer)
            return
        self.parse()
        self._parse(data)
        _give_up(answer_due)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        answer_due, self._expected = self._expected, None
        if answer_due is not None:
            _give_up(answer_due)

    def _parse(self, data: bytes) -> None:
        start, size = 0, len(data)
        while self.exception() is None:
            end = size if self._reading_paused else min(size, start + self._slice)
            self._parsing = True
            try:
                # without a byte aiohttp goes on where it had paused
                super().data_received(data if end - start == size else data[start:end])
            finally:
                self._parsing = False
            if self._finished:
                self._forget_parser()
            elif self.exception() is not None:
                self._stop_reading(BadAnswer(NOT_HTTP))  # it broke in the body, and aiohttp tells nobody who reads that
            elif self._is_endless(end - start):
                self._stop_reading(BadAnswer(ENDLESS))
            start = end
            if start == size:
                return

    def _is_endless(self, size: int) -> bool:
        self._bytes += size
        if len(self._buffer) > INTERIM_ANSWERS_MAX:
            return True
        if self._reading_paused:  # the parser has bytes that it did not look at yet
            return False
        body = 0 if self._payload is None else self._payload.total_bytes
        before, self._framing = self._framing, self._bytes - body
        self._slice = min(2 * self._slice, SLICE_BYTES_MAX) if self._framing - before <= size >> 5 else SLICE_BYTES
        return self._framing > FRAMING_BYTES_MAX + body

    def _stop_reading(self, error: BadAnswer) -> None:
        self._parser = None
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(error)
        if self._exception is None:
            self.set_exception(error)
        if self.transport is not None:
            self.transport.close()

    def _forget_parser(self) -> None:
        """Without it aiohttp keeps what comes, and says that the connection is to be closed. It says nothing of a head that has begun
        to come, and would let the next parser begin in its middle."""
        parser, self._parser = self._parser, None
        if parser is None:
            return
        try:
            begun = parser.feed_eof() is not None
        except Exception:
            begun = True
        if begun:
            self.force_close()


def _give_up(answer_due: asyncio.Future[WholeAnswer | None]) -> None:
    if not answer_due.done():  # else whoever expected it was cancelled
        answer_due.set_result(None)
