"""The options of the sink `confirm`: at what it may look, and whose word it takes."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from gateway import ONE_OR_MANY, Duration, Options, Trust

_HOLDER: Final = re.compile(r"(?:[a-z0-9_.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?(?:/[^/\s?#]{1,255})?", re.A)


def _holder(text: str) -> str:
    host, slash, bucket = text.partition("/")
    holder = host.lower() + slash + bucket
    if not _HOLDER.fullmatch(holder):
        raise PydanticCustomError("holder", "a host, or `host/bucket` where the bucket is the first part of the path")
    return holder


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        raise PydanticCustomError("network", "an address or a network such as 10.0.0.0/8") from None


class Answering(Options):
    """For whose files the operator answers."""

    allow: Annotated[tuple[Annotated[str, AfterValidator(_holder)], ...], ONE_OR_MANY] = Field(
        default=(),
        description="Hosts, or `host/bucket`, that only you or your vendor can put files on: what is seen there is "
        "`confirmed`, what is seen elsewhere only `measured`. Without wildcards.",
    )


class ConfirmOptions(Options):
    """At what it may look, and whose word it takes."""

    confirm: Answering = Field(Answering(), description="For whose files you answer.")
    allow: Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], ONE_OR_MANY] = Field(
        (),
        description="Networks that may be called although they are not public, such as 10.0.0.0/8. No other private "
        "address is ever called.",
    )
    min_trust: Trust = Field(
        Trust.FIELDS,
        description="What the vendor's signature must cover at least; an event with less is refused, because its address "
        "is called.",
    )
    missing_after: Duration = Field(
        timedelta(),
        description="How long a file may be absent, counted from the first look, before it is called missing; until then it "
        "is looked for again.",
    )
