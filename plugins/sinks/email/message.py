"""The mail as bytes: headers that nothing in an event can add to or change, a text and an HTML part."""

from __future__ import annotations

import email
import email.policy
import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.header import Header
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.utils import format_datetime
from typing import Final

from gateway import Event, Refused, visible
from plugins.sinks.email.address import Mailbox

SUBJECT_CHARS_MAX: Final = 200  # characters
_WORD_CHARS_MAX: Final = 60  # characters
# Printable ASCII on the wire, whatever the server can take.
_WIRE: Final = email.policy.SMTP.clone(cte_type="7bit", max_line_length=76)
_BODY: Final = ("mime-version", "content-type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Who writes to whom. `id_domain` is where message ids are said to be of."""

    sender: Mailbox
    to: Sequence[Mailbox]
    cc: Sequence[Mailbox] = ()
    bcc: Sequence[Mailbox] = ()
    reply_to: Mailbox | None = None

    @property
    def recipients(self) -> list[str]:
        """Every address once, in order."""
        return list(dict.fromkeys(mailbox.address for mailbox in (*self.to, *self.cc, *self.bcc)))


def one_line(text: str, most: int = SUBJECT_CHARS_MAX) -> str:
    """A text for a header, however it came: no control or unseen characters, nothing that would be decoded, cut.

    In this order, because a character taken out of an encoded word would put it together again.
    """
    spaced = "".join(" " if unicodedata.category(letter) in _UNFIT else letter for letter in text)
    return spaced.replace("=?", "= ?")[:most].strip()


_UNFIT: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def message_id(envelope: Envelope, events: Sequence[Event]) -> str:
    """The same for the same events and recipients, so that a mailbox can drop what comes twice."""
    names = [*sorted(event.ref for event in events), "", *sorted(envelope.recipients)]
    return f"<{_hash(names)}@{envelope.sender.domain}>"


def thread_id(envelope: Envelope, event: Event) -> str:
    """What all mails about one stream refer to, so that clients show them as one conversation."""
    names = [event.source, event.domain or "", event.app or "", event.stream or ""]
    return f"<stream.{_hash(names)}@{envelope.sender.domain}>"


def _hash(names: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(names).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def compose(envelope: Envelope, events: Sequence[Event], *, subject: str, text: str, html: str, at: datetime) -> bytes:
    """The whole mail, sent `at`. Raises Refused where a header would not be what it should be."""
    try:
        head = _head(envelope, events, one_line(subject), at)
        body = EmailMessage(policy=_WIRE)
        body.set_content(text)
        body.add_alternative(html, subtype="html")
        # not a random one, so that the same mail is the same bytes; `=_` stands in no quoted-printable and no base64
        body.set_boundary("=_" + _hash(["boundary", *(event.ref for event in events)]))
        lines = [f"{name}: {value}" for name, value in head]
        written = "\r\n".join(lines).encode("ascii") + b"\r\n" + body.as_bytes()
    except (ValueError, UnicodeError, MessageError) as error:
        raise Refused(f"the mail cannot be written: {type(error).__name__}") from None
    wanted = sorted([*(name.lower() for name, _ in head), *_BODY])
    found = sorted(name.lower() for name in BytesHeaderParser(policy=email.policy.compat32).parsebytes(written))
    if found != wanted:
        raise Refused("the mail would have other headers than it should")
    return written


def readable(envelope: Envelope, mail: bytes, server: str) -> str:
    """What goes to the server, for a person: the envelope, the headers and the text, decoded; the HTML only named."""
    message = email.message_from_bytes(mail, policy=email.policy.default)
    body, html = message.get_body(("plain",)), message.get_body(("html",))
    lines = [f"To {server}", f"MAIL FROM:<{envelope.sender.address}>"]
    lines += [f"RCPT TO:<{address}>" for address in envelope.recipients]
    lines += ["", *(f"{name}: {value}" for name, value in message.items()), ""]
    assert body is not None  # `compose` wrote both
    assert html is not None
    lines.append(visible_lines(body.get_content()))
    lines.append(f"[and the same as HTML, {len(html.get_content())} characters]")
    return "\n".join(lines)


def visible_lines(text: str) -> str:
    """Line by line, with what a terminal would obey written out."""
    return "\n".join(visible(line) for line in text.splitlines())


def _head(envelope: Envelope, events: Sequence[Event], subject: str, at: datetime) -> list[tuple[str, str]]:
    """The headers but those of the body, folded and in ASCII."""
    head = [
        ("Subject", _encoded(subject, "Subject")),
        ("From", _mailboxes([envelope.sender])),
        ("To", _mailboxes(envelope.to)),
    ]
    if envelope.cc:
        head.append(("Cc", _mailboxes(envelope.cc)))
    if envelope.reply_to is not None:
        head.append(("Reply-To", _mailboxes([envelope.reply_to])))
    head.append(("Date", format_datetime(at)))
    head.append(("Message-ID", message_id(envelope, events)))
    threads = list(dict.fromkeys(thread_id(envelope, event) for event in events))
    if len(threads) == 1:
        head += [("In-Reply-To", threads[0]), ("References", threads[0])]
    return [*head, ("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All")]


def _encoded(text: str, name: str = "") -> str:
    """As it stands where lines can be broken between its words, else in encoded words. Python's older way, because the
    newer one loses spaces."""
    plain = text.isascii() and all(len(word) <= _WORD_CHARS_MAX for word in text.split(" "))
    return Header(text, None if plain else "utf-8", header_name=name, maxlinelen=76).encode(linesep="\r\n")


def _mailboxes(mailboxes: Sequence[Mailbox]) -> str:
    """One a line."""
    return ",\r\n ".join(_mailbox(mailbox) for mailbox in mailboxes)


def _mailbox(mailbox: Mailbox) -> str:
    if not mailbox.name:
        return mailbox.address
    if mailbox.name.isascii():
        name = '"' + mailbox.name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    else:
        name = _encoded(mailbox.name)
    return f"{name} <{mailbox.address}>"
