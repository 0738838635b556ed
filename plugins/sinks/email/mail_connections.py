"""Connections to one mail server, kept for the next mail while they are fresh, and never used again once in doubt."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import aiosmtplib

from plugins.sinks.email.smtp import Connection

MAILS_MAX: Final = 50  # over one connection, because servers count
KEPT_SECONDS: Final = 20.0  # seconds without a mail; most servers wait a minute or more
_QUIT_SECONDS: Final = 2.0  # seconds for a polite end


class Sent(NamedTuple):
    """Who was not accepted, the server's last words, and whether a kept connection had been closed and another took it."""

    refused: dict[str, aiosmtplib.SMTPResponse]
    reply: str
    renewed: bool


@dataclass(slots=True)
class _OpenMailConnection:
    smtp: Connection
    mails: int
    timer: asyncio.TimerHandle


class MailConnections:
    """As many at once as are borrowed at once. Everything is called from one event loop."""

    def __init__(self, make: Callable[[], Connection], *, logs_in: bool) -> None:
        self._make = make
        self._kept: list[_OpenMailConnection] = []
        self._closed = False
        self._let_in = not logs_in  # whether the password is known to be right
        self._logging_in = asyncio.Lock()
        self.refusals = 0  # of the password
        self._refusal: aiosmtplib.SMTPAuthenticationError | None = None  # the last

    async def send(self, sender: str, recipients: Sequence[str], mail: bytes, *, since: int) -> Sent:
        """One mail. `since`: the `refusals` there were when it was begun; a refusal after that is its own too. Where a kept connection had been closed before the server said a word to this mail, it goes over a
        fresh one at once, and only then. Raises what aiosmtplib raises."""
        used: Connection | None = None
        try:
            async with self.borrow(since) as used:
                return Sent(*await used.sendmail(sender, recipients, mail), False)
        except ConnectionError:
            if used is None or not used.kept or used.answered:
                raise
        async with self.borrow(since, fresh=True) as used:
            return Sent(*await used.sendmail(sender, recipients, mail), True)

    @contextlib.asynccontextmanager
    async def borrow(self, since: int, *, fresh: bool = False) -> AsyncIterator[Connection]:
        """A connection that answers. Raises what connecting raises. It is kept unless the block leaves it in doubt."""
        smtp, mails = (await self._opened(since), 0) if fresh else await self._ready(since)
        keep = False
        try:
            yield smtp
            keep = True
        except (aiosmtplib.SMTPResponseException, aiosmtplib.SMTPRecipientsRefused) as error:
            keep = not _says_goodbye(error)
            raise
        finally:
            if keep and smtp.is_connected and mails + 1 < MAILS_MAX and not self._closed:
                self._keep(smtp, mails + 1)
            elif keep and smtp.is_connected:
                await _part(smtp)
            else:
                smtp.close()

    async def close(self) -> None:
        """End what is kept, politely but soon."""
        self._closed = True
        kept, self._kept = self._kept, []
        for one in kept:
            one.timer.cancel()
        await asyncio.gather(*(_part(one.smtp) for one in kept))

    async def _ready(self, since: int) -> tuple[Connection, int]:
        while self._kept:
            kept = self._kept.pop()
            kept.timer.cancel()
            try:
                await kept.smtp.noop()  # because a server may have gone without a word
            except (aiosmtplib.SMTPException, OSError):
                kept.smtp.close()
            except BaseException:
                kept.smtp.close()
                raise
            else:
                return kept.smtp, kept.mails
        return await self._opened(since), 0

    async def _opened(self, since: int) -> Connection:
        """A fresh connection. Until a password is known to be right one at a time tries it, and a mail that was begun
        before a try failed has its outcome: mails that come together are no reason to try it together."""
        while not self._let_in:
            async with self._logging_in:
                if self.refusals != since and (last := self._refusal) is not None:
                    raise aiosmtplib.SMTPAuthenticationError(last.code, last.message)
                if self._is_let_in():
                    break
                smtp = await self._open()
                self._let_in = True
                return smtp
        return await self._open()

    def _is_let_in(self) -> bool:
        return self._let_in

    async def _open(self) -> Connection:
        smtp = self._make()
        try:
            await smtp.open()
        except aiosmtplib.SMTPAuthenticationError as error:
            smtp.close()
            self._let_in, self._refusal = False, error
            self.refusals += 1
            raise
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _keep(self, smtp: Connection, mails: int) -> None:
        smtp.kept = True
        timer = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._expire, smtp)
        self._kept.append(_OpenMailConnection(smtp, mails, timer))

    def _expire(self, smtp: Connection) -> None:
        self._kept = [one for one in self._kept if one.smtp is not smtp]
        smtp.close()


def _says_goodbye(error: aiosmtplib.SMTPResponseException | aiosmtplib.SMTPRecipientsRefused) -> bool:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return any(one.code == 421 for one in error.recipients)
    return error.code == 421


async def _part(smtp: Connection) -> None:
    with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        async with asyncio.timeout(_QUIT_SECONDS):
            await smtp.quit()
    smtp.close()
