"""What a Huawei Live source must be told to ask the vendor's API: whose project, where, and with which access key."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway import ONE_OR_MANY, AddressGuard, Reconcile, Secret, Url, Via, is_loopback, secret

_NAME: Final = re.compile(r"[a-z0-9-]{1,64}", re.A)
_PROJECT: Final = re.compile(r"[0-9a-zA-Z_-]{1,64}", re.A)


def _region(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise PydanticCustomError("region", "the name of a region, such as cn-north-4")
    return text


def _project(text: str) -> str:
    if not _PROJECT.fullmatch(text):
        raise PydanticCustomError("project", "a project id, as the console shows it under My Credentials")
    return text


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        raise PydanticCustomError("network", "an address or a network such as 10.0.0.0/8") from None


class HuaweiReconcile(Reconcile):
    """Which API is asked, and with which access key."""

    project_id: Annotated[str, AfterValidator(_project)] = Field(description="The project that the domains belong to.")
    access_key: Annotated[Secret, secret(min_length=16)] = Field(
        description="The AK of a user that may read the Live service; for `sources doctor --fix` also change it."
    )
    secret_key: Annotated[Secret, secret(min_length=16)] = Field(description="Its SK.")
    region: Annotated[str, AfterValidator(_region)] | None = Field(
        default=None, description="The region of the Live service, such as `cn-north-4`."
    )
    base_url: Url | None = Field(
        default=None,
        description="Where the API is, instead of the region's `https://live.{region}.myhuaweicloud.com`. Only https, but "
        "on this machine.",
    )
    allow: Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], ONE_OR_MANY] = Field(
        default=(),
        description="Networks that the API may be in although they are not public, such as 10.0.0.0/8.",
    )

    @model_validator(mode="after")
    def _one_place(self) -> HuaweiReconcile:
        if (self.region is None) == (self.base_url is None):
            raise PydanticCustomError("region", "either `region` or `base_url`")
        if self.base_url is not None:
            parts = urlsplit(self.base_url)
            if parts.scheme.lower() != "https" and not is_loopback(parts.hostname or ""):
                raise PydanticCustomError("base_url", "a `base_url` with https: what it answers is believed")
            if parts.query or parts.fragment:
                raise PydanticCustomError("base_url", "a `base_url` without a query")
        if self.callback_url is not None and "?" in self.callback_url:
            raise PydanticCustomError("callback_url", "a `callback_url` without a query, because the vendor takes none")
        return self

    @property
    def api(self) -> str:
        """Where the project's part of the API begins."""
        base = self.base_url or f"https://live.{self.region}.myhuaweicloud.com"
        return f"{base.rstrip('/')}/v1/{self.project_id}"

    @property
    def via(self) -> Via:
        """Only public addresses, and those that are allowed."""
        return Via(guard=AddressGuard(tuple(ip_network(network) for network in self.allow)))
