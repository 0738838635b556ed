"""What the mail sink can be told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, model_validator
from pydantic_core import PydanticCustomError, core_schema

from gateway import ONE_OR_MANY, CaFile, Options, Secret, is_loopback
from plugins.sinks.cards.options import CardLanguage, CardLinks, CardTimezone
from plugins.sinks.cards.template import TEMPLATE_CHARS_MAX, try_out
from plugins.sinks.cards.text import Invalid
from plugins.sinks.email.address import parse

PORTS: Final = {"implicit": 465, "starttls": 587, "none": 25}
_RECIPIENTS_MAX: Final = 100  # recipients
_HOST: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?|[0-9A-Fa-f:.]{2,45}", re.ASCII)
_HELO: Final = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]|\[IPv6:[0-9A-Fa-f:.]+\]", re.ASCII
)


@dataclass(frozen=True, slots=True)
class _MailboxField:
    """Checks an address; it stays as it is written."""

    stand_ins: tuple[str, ...] = ("placeholder@placeholder.invalid",)  # for check --no-secrets

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(_mailbox, handler(source))


def _mailbox(text: str) -> str:
    try:
        parse(text)
    except ValueError as error:
        raise PydanticCustomError("mailbox", "{expected}", {"expected": str(error)}) from None
    return text


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise PydanticCustomError("host", "a host name or address, without a scheme or a port")
    return text


def _helo(text: str) -> str:
    if not _HELO.fullmatch(text):
        raise PydanticCustomError("helo", "a host name, or an address in square brackets")
    return text


def _one_line(value: Secret) -> Secret:
    if any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in value.reveal()):
        raise PydanticCustomError("password", "a password on one line, without control characters")
    return value


MailAddress = Annotated[str, _MailboxField()]
MailAddresses = Annotated[tuple[MailAddress, ...], ONE_OR_MANY]


class EmailOptions(Options):
    """Through which server, from whom, to whom, and how the mail looks."""

    host: Annotated[str, AfterValidator(_host)] = Field(description="The mail server.")
    port: int | None = Field(None, ge=1, le=65535, description="Its port; absent: 465, 587 or 25, as `tls` says.")
    tls: Literal["implicit", "starttls", "none"] = Field(
        "implicit",
        description="`implicit`: TLS from the first byte; `starttls`: TLS or nothing is sent; `none`: in clear.",
    )
    username: Annotated[str, Field(min_length=1, max_length=256)] | None = Field(
        None, description="Who logs in; absent: nobody does."
    )
    password: Annotated[Secret, AfterValidator(_one_line)] | None = Field(
        None, description="The password. With `tls: none` only for a server on this machine."
    )
    ca: CaFile = None
    helo: Annotated[str, AfterValidator(_helo)] | None = Field(
        None,
        description="How the gateway names itself to the server; absent: this machine's full name, else its address.",
    )
    sender: MailAddress = Field(
        alias="from", description="Who writes: `gw@example.com`, or `Recordings <gw@example.com>`."
    )
    to: MailAddresses = Field(description="To whom: one address or a list.")
    cc: MailAddresses = Field((), description="Who gets a copy.")
    bcc: MailAddresses = Field((), description="Who gets a copy that the others do not see.")
    reply_to: MailAddress | None = Field(None, description="Where answers go, if not to `from`.")
    subject: Annotated[str, Field(max_length=TEMPLATE_CHARS_MAX)] | None = Field(
        None, description="A Jinja2 template of the subject, in the place of the built-in one."
    )
    timezone: CardTimezone = "UTC"
    language: CardLanguage = "en"
    links: CardLinks = "short"
    retry_codes: tuple[Annotated[int, Field(ge=500, le=599)], ...] = Field(
        (), description="Answers from 500 to 599 to try again on, for a server that says never and means later."
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not self.to:
            raise PydanticCustomError("to", "`to`: at least one address")
        if len(self.to) + len(self.cc) + len(self.bcc) > _RECIPIENTS_MAX:
            raise PydanticCustomError("to", "at most 100 addresses in `to`, `cc` and `bcc`; use a mailing list")
        if self.password is not None and self.username is None:
            raise PydanticCustomError("username", "`username` beside `password`")
        if self.username is not None and self.password is None:
            raise PydanticCustomError("password", "`password` beside `username`")
        if self.password is not None and self.tls == "none" and not is_loopback(self.host):
            raise PydanticCustomError(
                "clear", "`tls: implicit` or `tls: starttls`, because a password is not sent in clear over a network"
            )
        if self.subject is not None:
            try:
                try_out(self.subject, None, self.timezone, self.language, self.links)
            except Invalid as error:
                raise PydanticCustomError("template", "`subject`: {problem}", {"problem": str(error)}) from None
        return self
