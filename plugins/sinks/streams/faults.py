"""What ends a connection to any broker, in words without secrets."""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import Final

from gateway import DeliveryFailed, Retry, Unavailable, network_failure, redact_start, visible

TEXT_CHARS_MAX: Final = 200  # characters of a broker's own words
_SPACES: Final = re.compile(r"\s+")


def own_words(words: object) -> str:
    """A broker's own words on one line, without secrets."""
    return visible(redact_start(_SPACES.sub(" ", str(words)).strip(), 4 * TEXT_CHARS_MAX))[:TEXT_CHARS_MAX]


def network(error: BaseException, where: str) -> DeliveryFailed | None:
    """The outcome of what the network did; None: it is not about the network."""
    if isinstance(error, ssl.SSLCertVerificationError):
        # not one of many addresses, as with HTTP, but the one that is configured: it is mended by a person
        return Unavailable(network_failure(error, where).detail)
    if isinstance(error, TimeoutError):
        return Retry(f"{where} did not answer in time", service=True)
    if isinstance(error, OSError):
        return network_failure(error, where)
    if isinstance(error, EOFError | asyncio.CancelledError):
        return Retry(f"{where} closed the connection", service=True)
    return None
