"""Reaches a target without sending it anything: its name resolves, something listens, TLS is agreed."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from gateway.egress.tls import client_context
from gateway.errors import Unavailable


async def reach(host: str, port: int, *, tls: ssl.SSLContext | None = None, greeting: bytes = b"") -> str:
    """What was reached, for people. Raises Unavailable. `greeting`: how the target's first line must begin."""
    place = f"{host}:{port}"
    try:
        reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    except ssl.SSLError as error:
        raise Unavailable(f"no TLS with {place}: {error.reason or error}") from None
    except OSError as error:
        raise Unavailable(f"{place} cannot be reached: {error.strerror or error}") from None
    try:
        if greeting and not (line := await reader.readline()).startswith(greeting):
            raise Unavailable(f"{place} does not greet with {greeting.decode()}: {line[:60]!r}")
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()
    return f"{place} answers{' over TLS' if tls else ''}"


async def reach_url(url: str, *, ca: str | Path | None = None, verify: bool = True) -> str:
    """`reach` for what an http or https URL names; nothing is requested of it."""
    parts = urlsplit(url)
    secure = parts.scheme.lower() == "https"
    context = client_context(ca) if secure else None
    if context is not None and not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return await reach(parts.hostname or "", parts.port or (443 if secure else 80), tls=context)
