"""Connections to one mail server, kept for the next mail while they are fresh, and never used again once in doubt."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import aiosmtplib

MOST_MAILS: Final = 50  # over one connection, because servers count
KEPT: Final = 20.0  # seconds without a mail; most servers wait a minute or more
_PARTING: Final = 2.0  # seconds for a polite end


@dataclass(slots=True)
class _Kept:
    smtp: aiosmtplib.SMTP
    mails: int
    timer: asyncio.TimerHandle


class Connections:
    """As many at once as are borrowed at once. Everything is called from one event loop."""

    def __init__(self, make: Callable[[], aiosmtplib.SMTP]) -> None:
        self._make = make
        self._kept: list[_Kept] = []
        self._closed = False

    @contextlib.asynccontextmanager
    async def borrow(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """A connection that answers. Raises what connecting raises. It is kept unless the block leaves it in doubt."""
        smtp, mails = await self._fresh()
        keep = False
        try:
            yield smtp
            keep = True
        except (aiosmtplib.SMTPResponseException, aiosmtplib.SMTPRecipientsRefused) as error:
            keep = not _says_goodbye(error)
            raise
        finally:
            if keep and smtp.is_connected and mails + 1 < MOST_MAILS and not self._closed:
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

    async def _fresh(self) -> tuple[aiosmtplib.SMTP, int]:
        while self._kept:
            one = self._kept.pop()
            one.timer.cancel()
            try:
                await one.smtp.noop()  # because a server may have gone without a word
            except (aiosmtplib.SMTPException, OSError):
                one.smtp.close()
            except BaseException:
                one.smtp.close()
                raise
            else:
                return one.smtp, one.mails
        smtp = self._make()
        try:
            await smtp.connect()
        except BaseException:
            smtp.close()
            raise
        return smtp, 0

    def _keep(self, smtp: aiosmtplib.SMTP, mails: int) -> None:
        timer = asyncio.get_running_loop().call_later(KEPT, self._expire, smtp)
        self._kept.append(_Kept(smtp, mails, timer))

    def _expire(self, smtp: aiosmtplib.SMTP) -> None:
        self._kept = [one for one in self._kept if one.smtp is not smtp]
        smtp.close()


def _says_goodbye(error: aiosmtplib.SMTPResponseException | aiosmtplib.SMTPRecipientsRefused) -> bool:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return any(one.code == 421 for one in error.recipients)
    return error.code == 421


async def _part(smtp: aiosmtplib.SMTP) -> None:
    with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        async with asyncio.timeout(_PARTING):
            await smtp.quit()
    smtp.close()
