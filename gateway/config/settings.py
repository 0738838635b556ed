"""The grammar of the configuration file as pydantic models (DESIGN part 2). Plugins' own options live in `options`."""

# SKELETON of shapes other rooms rely on; the config room fills it in with validation, defaults and descriptions.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from gateway.fields import Duration, Rate, Secret, Size
from gateway.model import Trust


class ServerSettings(BaseModel):
    host: str
    port: int
    uds: Path | None
    uds_mode: int
    max_body: Size  # int of bytes
    body_timeout: Duration  # timedelta
    shutdown_grace: Duration
    trusted_proxies: Sequence[Any]  # ip networks
    connections: int = 1000


class TokenSettings(BaseModel):
    name: str
    token: Secret
    role: Literal["read", "operate"]


class AdminSettings(BaseModel):
    host: str
    port: int
    uds: Path | None
    uds_mode: int
    hosts: Sequence[str] = ()  # names beside localhost that the Host header may hold
    tokens: Sequence[TokenSettings]  # `token: x` is short for one called "admin" with role operate; empty: none


class BatchSettings(BaseModel):
    max: int
    window: Duration


class RetrySettings(BaseModel):
    initial: Duration
    max: Duration
    give_up_after: Duration
    max_retry_after: Duration


class DeliverySettings(BaseModel):
    timeout: Duration
    concurrency: int
    rate: Rate | None  # .count per .seconds
    order: Literal["none", "stream"]
    batch: BatchSettings | None
    retry: RetrySettings


class SourceSettings(BaseModel):
    """`type`, `path`, `min_trust`, `on_conflict` are the core's; every other key belongs to the type's Options."""

    type: str
    path: str  # default: the source's name
    min_trust: Trust
    on_conflict: Literal["hold", "deliver"]
    options: Any  # instance of Source.Options


class SinkSettings(BaseModel):
    """`type` and `delivery` are the core's; every other key belongs to the type's Options."""

    type: str
    delivery: DeliverySettings  # already merged key by key over the top-level `delivery`, and the type's default_rate
    options: Any


class RouteSettings(BaseModel):
    name: str
    match: Mapping[str, Sequence[str]]
    where: str | None
    to: Sequence[str]
    stop: bool


class Settings(BaseModel):
    version: Literal[1]
    server: ServerSettings
    admin: AdminSettings
    store: Any  # url, password, keep -> gateway.store.store.Keep
    log: Any  # level, format
    locale: Any  # timezone (IANA name), language
    delivery: DeliverySettings
    plugins: Sequence[str]
    sources: Mapping[str, SourceSettings]
    sinks: Mapping[str, SinkSettings]
    routes: Sequence[RouteSettings]
    tests: Sequence[Any]


_ = timedelta
