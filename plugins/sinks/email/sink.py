"""Sends mail: once to each recipient as far as that can be known, and again only to those who may still get it."""

from __future__ import annotations

import asyncio
import functools
import importlib
import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from gateway import (
    Delivery,
    DeliveryFailed,
    DeliveryResult,
    Refused,
    Retry,
    Sink,
    Unavailable,
    client_context,
    is_loopback,
    reach,
)
from gateway.extras import how_to_install, missing
from plugins.sinks.cards.card import View
from plugins.sinks.cards.template import Template, view_of
from plugins.sinks.cards.text import Invalid
from plugins.sinks.email.address import parse
from plugins.sinks.email.options import PORTS, EmailOptions
from plugins.sinks.email.words import MailWords, mail_words

if TYPE_CHECKING:
    from plugins.sinks.email.mail_connections import MailConnections
    from plugins.sinks.email.message import Envelope
    from plugins.sinks.email.smtp import Connection
    from plugins.sinks.email.submission import Submitted

_INSTALL: Final = how_to_install("email")


class Email(Sink):
    """One mail an event. Whether a mail has arrived twice is for the mailbox to see, by its Message-ID."""

    type = "email"
    Options = EmailOptions
    owner_columns = {  # noqa: RUF012  # as its base declares it
        **{name: f"{name}[]" for name in ("to", "cc", "bcc")},
        **{name: name for name in ("reply_to", "language", "timezone")},
    }
    options: EmailOptions
    _connections: MailConnections | None = None
    _shares = False  # the connections are another's

    async def open(self) -> None:
        """Load libraries, certificates and templates, so that the first mail need not wait. Connects to nothing."""
        await _libraries()
        if self._connections is None:
            from plugins.sinks.email.mail_connections import MailConnections

            try:
                context = await asyncio.to_thread(self._tls)
            except (OSError, ValueError) as error:  # ssl.SSLError is one
                raise Unavailable(
                    f"`ca` cannot be used: {getattr(error, 'strerror', None) or type(error).__name__}"
                ) from None
            logs_in = self.options.username is not None
            self._connections = MailConnections(functools.partial(self._connection, context), logs_in=logs_in)

    def for_owner(self, options: EmailOptions) -> Email:
        """All go through one server, so all share its connections; what was refused to one owner's mail says nothing of them."""
        owners = Email(self.name, options, http=self.http, log=self.log)
        owners._connections, owners._shares = self._connections, self._connections is not None
        return owners

    async def close(self) -> None:
        """Say goodbye to the server, within two seconds."""
        connections, self._connections = self._connections, None
        if self._shares:
            return
        if connections is not None:
            await connections.close()

    async def deliver(self, delivery: Delivery) -> str:
        """Raises Retry with a memo of who is done, Refused when nobody ever will be, Unavailable for a broken target."""
        return await self._send([delivery], delivery.memo)

    async def deliver_batch(self, deliveries: Sequence[Delivery]) -> Sequence[DeliveryResult]:
        """One digest for all that nobody has got yet; a mail each for the others, and for those of a digest that is refused."""
        together = [delivery for delivery in deliveries if not delivery.memo]
        results: dict[int, DeliveryResult] = {}
        if len(together) > 1:
            outcome: DeliveryResult
            try:
                outcome = await self._send(together, {})
            except DeliveryFailed as failure:
                outcome = failure
            if not isinstance(outcome, Refused):
                results = dict.fromkeys((delivery.id for delivery in together), outcome)
        for delivery in deliveries:
            if delivery.id not in results:
                results[delivery.id] = await self._one(delivery)
        return [results[delivery.id] for delivery in deliveries]

    async def _one(self, delivery: Delivery) -> DeliveryResult:
        try:
            return await self.deliver(delivery)
        except DeliveryFailed as failure:
            return failure

    async def preview(self, delivery: Delivery) -> str:
        """The envelope, and the mail with its text part; Chinese as it will be read."""
        await _libraries()
        from plugins.sinks.email.message import readable

        now = self.http.clock.now()
        mail = await asyncio.to_thread(self._mail, [delivery], now)
        return readable(self._envelope, mail, self._where)

    # -- sending

    def _mail(self, deliveries: Sequence[Delivery], at: datetime) -> bytes:
        """The mail of one event, or the digest of several."""
        from plugins.sinks.email.mail_layout import draw, draw_digest
        from plugins.sinks.email.message import compose

        if len(deliveries) == 1:
            drawn = draw(self._view, self._words, deliveries[0], self._subject(deliveries[0]), now=at)
        else:
            drawn = draw_digest(self._view, self._words, deliveries, now=at)
        events = [delivery.event for delivery in deliveries]
        return compose(self._envelope, events, subject=drawn.subject, text=drawn.text, html=drawn.html, at=at)

    async def _send(self, deliveries: Sequence[Delivery], memo: Mapping[str, Any]) -> str:
        envelope = self._envelope
        now = self.http.clock.now()
        since = self._connections.refusals if self._connections is not None else 0
        mail = await asyncio.to_thread(self._mail, deliveries, now)  # 4 ms even for a small event
        done = set(memo.get("done", ()))
        refused: dict[str, str] = dict(memo.get("refused", {}))
        left = [address for address in envelope.recipients if address not in done and address not in refused]
        later: dict[str, str] = {}
        reply = ""
        if left:
            submitted = await self._submit(mail, left, since=since, others=bool(done))
            reply = submitted.reply
            done |= {address for address in left if address not in submitted.answers}
            for address, (text, permanent) in submitted.answers.items():
                (refused if permanent else later)[address] = text
                if permanent:
                    self.log.warning("recipient_refused", recipient=address, answer=text)
            if later:
                whom = "; ".join(f"{address}: {text}" for address, text in later.items())
                raise Retry(
                    f"not yet for {len(later)} of {len(envelope.recipients)}: {whom}",
                    memo={"done": sorted(done), "refused": refused},
                    service=submitted.hung_up,
                )
        never = "; ".join(f"{address}: {text}" for address, text in refused.items())
        if not done:
            raise Refused(f"no recipient is accepted: {never}")
        return f"{reply or 'sent'}" + (f"; not accepted: {never}" if never else "")

    async def _submit(self, mail: bytes, recipients: Sequence[str], *, since: int, others: bool) -> Submitted:
        from plugins.sinks.email.submission import Submission

        if self._connections is None:
            raise Retry("the sink is closed")
        sender = self._envelope.sender.address
        submission = Submission(self._connections, sender, mail, self._where, self.options.retry_codes, since)
        return await submission.submit(recipients, others=others)

    def _connection(self, context: ssl.SSLContext | None) -> Connection:
        from plugins.sinks.email.smtp import Connection

        options = self.options
        login = (options.username, options.password.reveal()) if options.username and options.password else None
        return Connection(
            helo=options.helo,
            start_tls=options.tls == "starttls",
            login=login,
            context=context,
            hostname=options.host,
            port=options.port or PORTS[options.tls],
            use_tls=options.tls == "implicit",
        )

    def _tls(self) -> ssl.SSLContext | None:
        if self.options.tls == "none":
            return None
        context = client_context(self.options.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    # -- what the options mean

    def _subject(self, delivery: Delivery) -> str | None:
        """None: there is no template, or it fails on this event, and a mail is worth more than its subject."""
        if self._template is None:
            return None
        try:
            return " ".join(self._template.render(delivery.event).split()) or None
        except Invalid as error:
            self.log.warning("template_failed", id=delivery.event.ref, error=str(error))
            return None

    @functools.cached_property
    def _template(self) -> Template | None:
        if self.options.subject is None:
            return None
        from plugins.sinks.email.message import one_line

        return Template(self.options.subject, None, self._view, clean=one_line)  # as the built-in subject is cleaned

    @functools.cached_property
    def _view(self) -> View:
        return view_of(self.options.language, self.options.timezone, self.options.links)

    @functools.cached_property
    def _words(self) -> MailWords:
        return mail_words(self.options.language)

    @functools.cached_property
    def _envelope(self) -> Envelope:
        from plugins.sinks.email.message import Envelope

        options = self.options
        return Envelope(
            sender=parse(options.sender),
            to=[parse(text) for text in options.to],
            cc=[parse(text) for text in options.cc],
            bcc=[parse(text) for text in options.bcc],
            reply_to=parse(options.reply_to) if options.reply_to else None,
        )

    @property
    def _where(self) -> str:
        return f"{self.options.host}:{self.options.port or PORTS[self.options.tls]}"

    async def connect(self) -> str:
        """The server's greeting, over TLS where that comes first; nobody logs in."""
        tls = client_context(self.options.ca) if self.options.tls == "implicit" else None
        port = self.options.port or PORTS[self.options.tls]
        return await reach(self.options.host, port, tls=tls, greeting=b"220")

    def advice(self) -> list[str]:
        """What a careful reviewer would say about these options."""
        said = []
        if self.options.tls == "none" and not is_loopback(self.options.host):
            said.append("tls: none lets anybody on the way read and change the mails")
        return said

    def missing(self) -> Sequence[str]:
        """The libraries that speak SMTP and draw mails."""
        return missing("email", "aiosmtplib", "jinja2")


async def _libraries() -> None:
    """Raises Unavailable with what to install."""
    try:
        await asyncio.to_thread(_import)
    except ImportError as error:
        raise Unavailable(f"{error.name or 'a library'} is not installed; {_INSTALL}") from None


def _import() -> None:
    """In a thread, because it takes a while."""
    for name in ("aiosmtplib", "mail_connections", "faults", "message", "smtp", "submission"):
        importlib.import_module(name if name == "aiosmtplib" else f"plugins.sinks.email.{name}")
    from plugins.sinks.email.mail_layout import templates

    templates()
