"""One connection to a mail server: names itself, encrypts, logs in once with one mechanism, and knows if it was answered."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from typing import Any, Final

import aiosmtplib

ANSWER_SECONDS: Final = 60.0  # for one answer of the server; the attempt's own timeout ends sooner
_FULL_NAME: Final = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+"
)
_OF_NOBODY: Final = (".localdomain", ".local")  # ends of names that no server can look up
# PLAIN first, because over TLS it is the one that every server really has.
_MECHANISMS: Final = ("plain", "login", "cram-md5")


class Connection(aiosmtplib.SMTP):
    """`open` it, then send over it. `kept` is set by who keeps it; `answered` says if MAIL got any answer."""

    def __init__(
        self,
        *,
        helo: str | None,
        start_tls: bool,
        login: tuple[str, str] | None,
        context: ssl.SSLContext | None,
        **where: Any,
    ) -> None:
        # never start_tls=None, which would go on in clear where TLS is not offered
        # and never without a name, which the library would ask the DNS for
        super().__init__(
            local_hostname=helo or "localhost", start_tls=False, tls_context=context, timeout=ANSWER_SECONDS, **where
        )
        self._helo = helo
        self._wants_tls = start_tls
        self._login = login
        self.kept = False
        self.answered = False

    async def open(self) -> None:
        """Connect, encrypt and log in, as the options say. Raises what aiosmtplib raises."""
        await self.connect()
        if self._helo is None:
            self.local_hostname = own_name() or _literal(self.get_transport_info("sockname"))
        if self._wants_tls:
            await self.starttls()
        if self._login is not None:
            await self._log_in(*self._login)

    async def mail(self, *args: Any, **more: Any) -> aiosmtplib.SMTPResponse:
        """Note that the server has said something: from here on nothing may be sent twice unasked."""
        self.answered = False
        try:
            response = await super().mail(*args, **more)
        except aiosmtplib.SMTPResponseException:
            self.answered = True
            raise
        self.answered = True
        return response

    async def _log_in(self, user: str, password: str) -> None:
        """One mechanism, once: servers count wrong passwords, and lock who tries three ways at a time."""
        await self.ehlo()
        offered = self.supported_auth_methods if self.supports_extension("auth") else []
        mechanism = next((one for one in _MECHANISMS if one in offered), None)
        if mechanism is None:
            raise aiosmtplib.SMTPException("No suitable authentication method found.")
        await getattr(self, f"auth_{mechanism.replace('-', '')}")(user, password)


def own_name() -> str | None:
    """This machine's name where it is a full one, without asking anybody for it."""
    name = socket.gethostname()
    return name if _FULL_NAME.fullmatch(name) and not name.lower().endswith(_OF_NOBODY) else None


def _literal(address: Any) -> str:
    """This end of the connection as an address literal (RFC 5321, 4.1.3), which every server takes."""
    try:
        literal = ipaddress.ip_address(str(address[0]).partition("%")[0])
    except (TypeError, IndexError, ValueError):
        return "[127.0.0.1]"
    mapped = literal.ipv4_mapped if isinstance(literal, ipaddress.IPv6Address) else None
    if mapped is not None:
        return f"[{mapped}]"
    return f"[{literal}]" if literal.version == 4 else f"[IPv6:{literal}]"
