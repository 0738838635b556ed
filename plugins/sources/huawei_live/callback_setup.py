"""How Huawei Live is to call a source back, how it says that it does, and how that is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from gateway import CallbackConfiguration, Http, Refused, Retry
from plugins.sources.huawei_live.api import call
from plugins.sources.huawei_live.options import GLOB, HuaweiLiveOptions
from plugins.sources.huawei_live.reconcile import HuaweiReconcile
from plugins.vendors.huawei_live import signature

PATH: Final = "/record/callbacks"
ANY_APP: Final = "*"
PAGE_ROWS: Final = 100
PAGES_MAX: Final = 20
_READ_ONLY: Final = frozenset({"create_time", "update_time"})
_TELLS: Final = {"publish_domain", "app", "notify_callback_url", "notify_event_subscription", "sign_type", "id"}
_MANUAL_STEPS: Final = (
    f"the API did not take {signature.START}, which its description does not list: tick it in the vendor's console"
)


def expected_callbacks(options: HuaweiLiveOptions, url: str) -> Sequence[CallbackConfiguration]:
    """One for each domain and app; for all apps `*`. Raises ValueError where `domains` are not exact names."""
    if not options.domains or any(GLOB & set(domain) for domain in options.domains):
        raise ValueError(
            "the vendor is told each domain by itself, so `domains` has to list the exact names, without globs"
        )
    exact = options.apps and not any(GLOB & set(app) for app in options.apps)
    sign_type = "MD5" if signature.MD5 in options.sign_type and len(options.sign_type) == 1 else "HMACSHA256"
    return [
        CallbackConfiguration(
            domain=domain,
            app=app,
            url=url,
            event_types=frozenset(signature.TYPES),
            sign_type="" if options.sign_type == (signature.NONE,) else sign_type,
        )
        for domain in sorted(set(options.domains))
        for app in (sorted(set(options.apps)) if exact else [ANY_APP])
    ]


async def read_callbacks(http: Http, options: HuaweiReconcile) -> Sequence[CallbackConfiguration]:
    """All of the project. Raises as `call`."""
    known: list[CallbackConfiguration] = []
    for page in range(PAGES_MAX):
        said = await call(http, options, "GET", PATH, [("offset", str(page)), ("limit", str(PAGE_ROWS))])
        entries = said.get("callback_config", [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise Retry("the API's answer has no `callback_config`: is this the API of Huawei Live?")
        fresh = [one for one in map(_configuration, entries) if one.id not in {other.id for other in known}]
        known += fresh
        if len(entries) < PAGE_ROWS or not fresh:
            break
    return known


def _configuration(entry: Mapping[str, object]) -> CallbackConfiguration:
    types = entry.get("notify_event_subscription")
    return CallbackConfiguration(
        domain=str(entry.get("publish_domain") or ""),
        app=str(entry.get("app") or ""),
        url=str(entry.get("notify_callback_url") or ""),
        event_types=frozenset(map(str, types)) if isinstance(types, list) else frozenset(),
        sign_type=str(entry.get("sign_type") or ""),
        id=str(entry["id"]) if entry.get("id") else None,
        rest={name: value for name, value in entry.items() if name not in _TELLS | _READ_ONLY and value is not None},
    )


async def write_callback(
    http: Http, options: HuaweiLiveOptions, reconcile: HuaweiReconcile, required: CallbackConfiguration
) -> str | None:
    """Change or make it, with the first key. Raises as `call`; answers what is left to do by hand."""
    try:
        await _send(http, options, reconcile, required, sorted(required.event_types))
    except Refused as refused:
        listed = sorted(required.event_types - {signature.START})
        if refused.status != 400 or len(listed) == len(required.event_types):
            raise
        await _send(http, options, reconcile, required, listed)
        return _MANUAL_STEPS
    return None


async def _send(
    http: Http,
    options: HuaweiLiveOptions,
    reconcile: HuaweiReconcile,
    required: CallbackConfiguration,
    event_types: Sequence[str],
) -> None:
    body: dict[str, object] = {
        **required.rest,
        "publish_domain": required.domain,
        "app": required.app,
        "notify_callback_url": required.url,
        "notify_event_subscription": list(event_types),
    }
    if required.sign_type:
        body |= {"sign_type": required.sign_type, "key": options.keys[0].reveal()}
    if required.id is None:
        await call(http, reconcile, "POST", PATH, body=body)
    else:
        await call(http, reconcile, "PUT", f"{PATH}/{quote(required.id, safe='')}", body=body)
