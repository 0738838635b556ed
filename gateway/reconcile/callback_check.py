"""Compares how a vendor calls back with how it is to: what differs, in words, and what would mend it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from gateway.plugin.vendor_api import CallbackConfiguration

ANY_APP: Final = "*"


@dataclass(frozen=True, slots=True)
class CallbackDifference:
    """What is wrong with the callbacks of one domain and app, and the configuration that mends it."""

    about: str
    texts: Sequence[str]
    required: CallbackConfiguration


def differences(
    expected: Sequence[CallbackConfiguration], there: Sequence[CallbackConfiguration], *, whole_url: bool
) -> list[CallbackDifference]:
    """One for each domain and app that is called back otherwise. Not `whole_url`: only the path of the address is known."""
    return list(_differences(expected, there, whole_url))


def _differences(
    expected: Sequence[CallbackConfiguration], there: Sequence[CallbackConfiguration], whole_url: bool
) -> Iterator[CallbackDifference]:
    for required in expected:
        of_domain = [one for one in there if one.domain == required.domain]
        own = [one for one in of_domain if one.app == required.app]
        if not own:  # the vendor takes what names the app exactly, else what is for all
            own = [one for one in of_domain if one.app == ANY_APP and not list(_texts(required, one, whole_url))]
            if own:
                continue
            yield _missing(required, of_domain)
        if required.app == ANY_APP:
            own += [one for one in of_domain if one.app != ANY_APP]  # each of these goes before the one for all
        for one in own:
            if texts := list(_texts(required, one, whole_url)):
                mended = replace(required, app=one.app, id=one.id, rest=one.rest)
                yield CallbackDifference(f"{one.domain}/{one.app}", texts, mended)


def _missing(required: CallbackConfiguration, of_domain: Sequence[CallbackConfiguration]) -> CallbackDifference:
    for_all = any(one.app == ANY_APP for one in of_domain)
    text = "what is configured for all apps is not for this source" if for_all else "no callback is configured"
    return CallbackDifference(f"{required.domain}/{required.app}", [f"{text}: nothing of it comes here"], required)


def _texts(required: CallbackConfiguration, there: CallbackConfiguration, whole_url: bool) -> Iterator[str]:
    if whole_url and there.url != required.url:
        yield f"calls {there.url or 'nobody'}, expected {required.url}"
    elif not whole_url and _path(there.url) != _path(required.url):
        yield f"calls {there.url or 'nobody'}, expected an address that ends in {_path(required.url)}"
    if left := required.event_types - there.event_types:
        yield f"does not tell {', '.join(sorted(left))}"
    if required.sign_type and there.sign_type.lower() != required.sign_type.lower():
        yield f"signs with {there.sign_type or 'nothing'}, expected {required.sign_type}"


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""
