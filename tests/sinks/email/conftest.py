"""A real mail server: aiosmtpd on loopback, with TLS of an authority made here, logging in, and answers by script."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from gateway import Http
from gateway.testing import FrozenClock
from gateway.testing.sinks import _log
from plugins.sinks.email import Email

USER, PASSWORD = "gateway", "canary-password-1"


@dataclass
class Mail:
    """One mail as it came: the envelope, the bytes, and whether the way was encrypted."""

    sender: str
    recipients: list[str]
    data: bytes
    encrypted: bool
    user: str | None

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.data, policy=policy.default)

    def part(self, kind: str) -> str:
        body = self.message.get_body((kind,))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")


@dataclass
class MailServer:
    """What came, and what to answer. `script` maps a command to an answer, or to a function of its argument."""

    mails: list[Mail] = field(default_factory=list)
    script: dict[str, str | Callable[[str], str | None]] = field(default_factory=dict)
    connections: int = 0
    asked: list[str] = field(default_factory=list)  # recipients, also those refused
    port: int = 0
    stuck: tuple[asyncio.Event, asyncio.Event] | None = (
        None  # set when a recipient is named; waited for before answering
    )
    open: list[Connection] = field(default_factory=list)

    def _say(self, command: str, argument: str = "") -> str | None:
        answer = self.script.get(command)
        return answer(argument) if callable(answer) else answer

    async def handle_EHLO(self, server: Any, session: Any, envelope: Any, name: str, responses: list[str]) -> list[str]:
        session.host_name = name
        return responses

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if (answer := self._say("MAIL", address)) is not None:
            return answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        self.asked.append(address)
        if self.stuck is not None:
            self.stuck[0].set()
            await self.stuck[1].wait()
        if (answer := self._say("RCPT", address)) is not None:
            if answer == "drop":
                server.transport.abort()
                return "421 gone"
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer = self._say("DATA", envelope.content.decode("latin-1"))
        if answer == "drop":
            server.transport.abort()
            return "421 gone"
        if answer is not None and not answer.startswith("2"):
            return answer
        user = session.auth_data.login.decode() if getattr(session, "auth_data", None) else None
        self.mails.append(
            Mail(
                envelope.mail_from,
                list(envelope.rcpt_tos),
                envelope.content,
                server.transport.get_extra_info("ssl_object") is not None,
                user,
            )
        )
        return answer or "250 2.0.0 queued as 12345"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(
            success=good, handled=good or "AUTH" not in self.script, message=self._say("AUTH"), auth_data=data
        )


class Connection(SMTP):
    """Counts connections, and ends them with the server."""

    mine: MailServer
    transport: asyncio.Transport | None

    def connection_made(self, transport: Any) -> None:
        if not isinstance(transport, type(None)) and self not in self.mine.open:
            self.mine.connections += 1
            self.mine.open.append(self)
        super().connection_made(transport)

    def abort(self) -> None:
        assert self.transport is not None
        self.transport.abort()

    def close(self) -> None:
        assert self.transport is not None
        self.transport.close()


@asynccontextmanager
async def serving(
    tls: str = "none", context: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[MailServer]:
    server = MailServer()
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of what these tests are about: logging in without TLS
            made = Connection(
                server,
                hostname="mail.test",
                tls_context=context if tls == "starttls" else None,
                require_starttls=tls == "starttls",
                authenticator=server.authenticate,
                auth_require_tls=False,
                loop=loop,
                **options,
            )
        made.mine = server
        return made

    listener = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context if tls == "implicit" else None)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for one in server.open:
            if one.transport is not None:
                with contextlib.suppress(AttributeError):  # Python 3.11.2, of a TLS connection that is lost already
                    one.abort()
            if one._handler_coroutine is not None:
                one._handler_coroutine.cancel()
        await asyncio.sleep(0)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """The PEM file of an authority, and a server's context with a certificate of it for 127.0.0.1."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    folder = tmp_path_factory.mktemp("authority")
    now = dt.datetime.now(dt.UTC)

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def builder(subject: str, key: Any, *, ca: bool) -> Any:
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("test authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), critical=False)
        )

    root, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    signer = builder("test authority", root, ca=True).add_extension(
        x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
        ),
        critical=True,
    ).sign(root, hashes.SHA256())  # fmt: skip
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = builder("mail.test", leaf, ca=False).add_extension(names, critical=False).sign(root, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(signer.public_bytes(pem))
    (folder / "server.pem").write_bytes(
        certificate.public_bytes(pem)
        + leaf.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return folder / "ca.pem", context


USUAL = {"host": "127.0.0.1", "tls": "none", "from": "Recordings <gw@example.com>", "to": ["ops@example.com"]}


@asynccontextmanager
async def mailing(
    server: MailServer | int, *, logged: list[Any] | None = None, clock: FrozenClock | None = None, **options: Any
) -> AsyncIterator[Email]:
    port = server if isinstance(server, int) else server.port
    http = Http(clock=clock or FrozenClock())
    read = Email.Options.model_validate({**USUAL, "port": port, **options})
    sink = Email("ops", read, http=http, log=_log([] if logged is None else logged))
    await sink.open()
    try:
        yield sink
    finally:
        await sink.close()
        await http.close()
