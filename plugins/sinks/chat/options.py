"""What a chat sink can be told, and which service takes which of it."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from gateway import ONE_OR_MANY, CaFile, Options, Proxy, Secret, SecretUrl, Url
from plugins.sinks.cards.options import CardLanguage, CardLinks, CardTimezone
from plugins.sinks.cards.template import TEMPLATE_CHARS_MAX, try_out
from plugins.sinks.cards.text import Invalid
from plugins.sinks.chat.chat_service import NAMES, Service, ServiceName, service

TELEGRAM: Final = "https://api.telegram.org"
_SPECIAL: Final = ("secret", "token", "chat_id", "base_url", "thread", "wrap")  # only some services have a use for them


def _token(value: Secret) -> Secret:
    if not re.fullmatch(r"[!-.0->@-~]+", value.reveal()):  # no space, slash or question mark: it becomes part of a path
        raise PydanticCustomError("token", "a bot's token such as 123456:ABC-DEF, without spaces and slashes")
    return value


class ChatOptions(Options):
    """Which chat, who is called, and how the card looks."""

    service: ServiceName = Field(description="Whose chat it is.")
    url: SecretUrl | None = Field(
        None, description="The robot's or webhook's address, which is a secret. Its host may be a proxy of yours."
    )
    secret: Secret | None = Field(None, description="feishu, lark, dingtalk: what messages are signed with.")
    token: Annotated[Secret, AfterValidator(_token)] | None = Field(None, description="telegram: the bot's token.")
    chat_id: Annotated[str, Field(pattern=r"^(-?\d{1,20}|@[A-Za-z0-9_]{3,64})$")] | None = Field(
        None, description="telegram: the chat's number or a channel's @name."
    )
    base_url: Url = Field(TELEGRAM, description="telegram: another server than Telegram's own.")
    thread: Annotated[int, Field(ge=1)] | None = Field(None, description="telegram: the topic of a group.")
    wrap: Literal["message", "card"] = Field(
        "message", description="teams: what the flow wants, a message with the card in it or the bare card."
    )
    keyword: Annotated[str, Field(min_length=1, max_length=40)] | None = Field(
        None, description="A word that the robot wants in every message; put before the title."
    )
    mention: Annotated[tuple[str, ...], ONE_OR_MANY] = Field(
        (), description="Who is mentioned in every message, in the service's own ids. Nobody else ever is."
    )
    timezone: CardTimezone = "UTC"
    language: CardLanguage = "en"
    links: CardLinks = "short"
    title: Annotated[str, Field(max_length=TEMPLATE_CHARS_MAX)] | None = Field(
        None, description="A Jinja2 template of the title, in the place of the built-in one."
    )
    template: Annotated[str, Field(max_length=TEMPLATE_CHARS_MAX)] | None = Field(
        None, description="A Jinja2 template of the text, in the service's own markup, in the place of the facts."
    )
    proxy: Proxy | None = Field(None, description="An http or https proxy. The environment's proxies are never used.")
    ca: CaFile = None

    @field_validator("mention")
    @classmethod
    def _can_be_mentioned(cls, mention: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if (served := _served(info)) is not None:
            for who in mention:
                try:
                    served.mention(who)
                except ValueError as error:
                    raise PydanticCustomError(
                        "mention", "{expected} for {title}", {"expected": str(error), "title": served.title}
                    ) from None
        if len(mention) > 20:
            raise PydanticCustomError("mention", "at most 20 to be mentioned")
        return mention

    @field_validator("title", "template")
    @classmethod
    def _can_be_rendered(cls, text: str | None, info: ValidationInfo) -> str | None:
        served = _served(info)
        given = info.data
        if text is not None and served is not None and {"timezone", "language", "links"} <= given.keys():
            escape = served.escape if info.field_name == "template" else None
            try:
                try_out(text, escape, given["timezone"], given["language"], given["links"])
            except Invalid as error:
                raise PydanticCustomError(
                    "template", "a template that works: {problem}", {"problem": str(error)}
                ) from None
        return text

    @model_validator(mode="after")
    def _agree(self) -> Self:
        served = service(self.service)
        for name in served.needs:
            if getattr(self, name) is None:
                raise PydanticCustomError(
                    "needed", "`{name}` beside `service: {service}`", {"name": name, "service": self.service}
                )
        for name in _SPECIAL:
            if name not in served.takes and name in self.model_fields_set and getattr(self, name) is not None:
                raise PydanticCustomError(
                    "foreign", "no `{name}`, which {title} has no use for", {"name": name, "title": served.title}
                )
        if self.keyword is not None and served.escape(self.keyword) != self.keyword:
            raise PydanticCustomError("keyword", "a keyword without characters of markup, which would be escaped")
        if self.url is not None and "url" not in served.needs:
            raise PydanticCustomError("foreign", "`token` and `chat_id` in the place of `url`")
        return self


def _served(info: ValidationInfo) -> Service | None:
    name = info.data.get("service")
    return service(name) if name in NAMES else None
