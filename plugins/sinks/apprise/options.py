"""The options of the sink `apprise`: an address of its own kind, and which kinds may be used."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from gateway import ONE_OR_MANY, Options, Secret
from plugins.sinks.cards.options import CardLanguage, CardLinks, CardTimezone

_SCHEMA: Final = re.compile(r"([a-z0-9]{1,30})://\S", re.ASCII)
_CHATS: Final = {
    "dingtalk": ("dingtalk",),
    "feishu": ("feishu", "lark"),
    "wecom": ("wecombot",),
    "slack": ("slack",),
    "discord": ("discord",),
    "teams": ("workflow", "workflows"),
    "telegram": ("tgram",),
    "google-chat": ("gchat",),
    "mattermost": ("mmost", "mmosts"),
    "rocket-chat": ("rocket", "rockets"),
}
NATIVE: Final = {
    **{schema: f"`type: chat` with `service: {chat}`" for chat, schemas in _CHATS.items() for schema in schemas},
    **dict.fromkeys(("mailto", "mailtos"), "`type: email`"),
}
"""What has a sink of its own: apprise takes a refusal by some of these for a success, and lets text mention everybody."""

USUAL: Final = (
    "bark",
    "barks",
    "gotify",
    "gotifys",
    "ifttt",
    "ilert",
    "join",
    "kook",
    "line",
    "matrix",
    "matrixs",
    "ntfy",
    "ntfys",
    "onesignal",
    "opsgenie",
    "pagerduty",
    "pbul",
    "pover",
    "prowl",
    "pushdeer",
    "pushdeers",
    "pushplus",
    "pushy",
    "qq",
    "schan",
    "signal",
    "signals",
    "simplepush",
    "threema",
    "twilio",
    "victorops",
    "vonage",
    "webex",
    "whatsapp",
    "wpush",
    "wxpusher",
    "zulip",
)
"""Services that are reached over HTTP and say what became of a message."""


def _one_schema(schema: str) -> str:
    if not re.fullmatch(r"[a-z0-9]{1,30}", schema, re.ASCII):
        raise PydanticCustomError("schema", "a schema of apprise, such as ntfys")
    if schema in NATIVE:
        raise PydanticCustomError("native", "{instead}", {"instead": f"{NATIVE[schema]}, which knows its answers"})
    return schema


def schema_of(url: Secret) -> str:
    """What stands before `://`, in lower case; empty where there is nothing."""
    found = _SCHEMA.match(url.reveal().strip().lower())
    return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class _UrlStandIns:
    """What `check --no-secrets` puts in the place of a URL that is not there."""

    stand_ins: tuple[str, ...] = tuple(f"{schema}://placeholder.invalid/placeholder" for schema in USUAL)


class AppriseOptions(Options):
    """Which service, and what of the message."""

    # before `url`, whose validator looks at it
    allow_schemas: Annotated[tuple[Annotated[str, AfterValidator(_one_schema)], ...], ONE_OR_MANY] = Field(
        USUAL,
        description="Which of apprise's schemas the URL may have, because some reach far: `json`, `syslog`, `dbus`.",
    )
    url: Annotated[Secret, _UrlStandIns()] = Field(
        description="The service, as apprise writes it: `ntfys://host/topic`, `gotifys://host/token`."
    )
    links: CardLinks = "short"
    timezone: CardTimezone = "UTC"
    language: CardLanguage = "en"

    @field_validator("url")
    @classmethod
    def _may_be_used(cls, url: Secret, info: ValidationInfo) -> Secret:
        if (allowed := info.data.get("allow_schemas")) is None:
            return url  # because that list has a mistake, which is told of already
        schema = schema_of(url)
        if schema in NATIVE:
            expected = f"{NATIVE[schema]} in the place of {schema}://, because it knows the service's answers"
        elif not schema:
            expected = "a URL as apprise writes it, such as ntfys://host/topic"
        elif schema not in allowed:
            expected = f"a URL of an allowed schema; for {schema}://, list it in `allow_schemas`"
        else:
            return url
        raise PydanticCustomError("apprise_url", "{expected}", {"expected": expected})
