"""How texts and times are shown to people: the zone and the language, as options of plugins and of the core write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from gateway.text.suggest import nearest

_TAG: Final = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"


def _timezone(name: str) -> str:
    import zoneinfo  # because the default needs none of it

    if name == "UTC":
        return name
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        if not zoneinfo.available_timezones():
            lacking = (
                "UTC, because this machine has no time zone database: install the package tzdata (system or Python)"
            )
            raise PydanticCustomError("timezone", lacking) from None
        meant = nearest(name[:40], zoneinfo.available_timezones())
        near = f"; did you mean {meant}?" if meant else ""
        raise PydanticCustomError("timezone", f"an IANA time zone such as Asia/Shanghai{near}") from None
    return name


def zone_of(name: str) -> tzinfo:
    """The time zone of a name that was checked; UTC needs no database."""
    if name == "UTC":
        return UTC
    import zoneinfo

    return zoneinfo.ZoneInfo(name)


def is_twice(local: datetime) -> bool:
    """Whether the clocks of its zone, set back, show this time twice."""
    first, second = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
    return first is not None and second is not None and first > second


Timezone = Annotated[str, AfterValidator(_timezone), Field(examples=["Asia/Shanghai"])]
"""The IANA name of a time zone. An option of the name `timezone` that is left out is `locale.timezone`."""


def _language(tag: str) -> str:
    if not re.fullmatch(_TAG, tag):
        meant = tag.partition(".")[0].replace("_", "-")  # as a locale of the operating system is written: zh_CN.UTF-8
        meant = meant[:3].lower() + meant[3:] if "-" in meant[2:4] else meant.lower()
        near = f"; did you mean {meant}?" if re.fullmatch(_TAG, meant) else ""
        raise PydanticCustomError("language", f"a language tag such as en or zh-CN{near}")
    return tag


Language = Annotated[str, AfterValidator(_language), Field(examples=["zh-CN"], json_schema_extra={"pattern": _TAG})]
"""A language tag, such as en or zh-CN. An option of the name `language` that is left out is `locale.language`."""
