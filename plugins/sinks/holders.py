"""Whose word a look at an address is: the hosts and buckets that an operator answers for, and the networks that may be
called."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from gateway import ONE_OR_MANY, Options

_HOLDER: Final = re.compile(r"(?:[a-z0-9_.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?(?:/[^/\s?#]{1,255})?", re.A)


ADDRESSES: Final = ("$.data.files[*].download_url",)
"""What a sink that calls the address of a file cannot do without."""


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


Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], ONE_OR_MANY]
"""Option type: one network or several, as text."""


class Answering(Options):
    """For whose files the operator answers."""

    allow: Annotated[tuple[Annotated[str, AfterValidator(_holder)], ...], ONE_OR_MANY] = Field(
        default=(),
        description="Hosts, or `host/bucket`, that only you or your vendor can put files on: what is seen there is "
        "`confirmed`, what is seen elsewhere only `measured`. Without wildcards.",
    )


def holders_of(url: str) -> frozenset[str]:
    """The names under which an operator may answer for what lies there: its host, with and without port and bucket."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return frozenset()
    host = f"[{host}]" if ":" in host else host
    hosts = {host} if port is None else {host, f"{host}:{port}"}
    bucket = parts.path.removeprefix("/").partition("/")[0]
    return frozenset(hosts | {f"{name}/{bucket}" for name in hosts if bucket})
