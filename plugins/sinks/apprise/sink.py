"""The sink `apprise`: one text an event; what became of it is read off the calls that apprise made."""

from __future__ import annotations

import functools
import json
import logging
import sys
import threading
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from gateway import (
    Answer,
    BlockingWorker,
    Delivery,
    DeliveryFailed,
    Retry,
    Sink,
    Unavailable,
    failure_of,
    learn_secret,
    redact_start,
)
from gateway.extras import how_to_install, missing
from plugins.sinks.apprise.calls import Calls, ServiceCall
from plugins.sinks.apprise.options import AppriseOptions, schema_of
from plugins.sinks.cards.card import Card, View
from plugins.sinks.cards.template import view_of
from plugins.sinks.cards.text import lookalike

_LACKING: Final = f"the library apprise is not installed: {how_to_install('apprise')}"
_KINDS: Final = {"ok": "success", "info": "info", "warn": "warning", "error": "failure"}
# Services that say no in the body of a 200, which apprise does not read: the `code` that means yes.
_YES: Final[Mapping[str, int]] = {"schan": 0, "pushdeer": 0, "pushdeers": 0, "qq": 0}
_TEXT_BYTES_MAX: Final = 3000  # bytes of a text; the least that common services take is about 4000
_loading: Final = threading.Lock()


class AppriseSink(Sink):
    """One service, one target. Nearly none of them knows ids: a second try can be seen twice."""

    type = "apprise"
    Options = AppriseOptions
    owner_columns = {"url": "url", "language": "language", "timezone": "timezone"}  # noqa: RUF012  # as its base declares it
    default_rate = "10/m"  # because apprise itself, which knows no better, waits 5.5 s between two messages
    options: AppriseOptions

    async def open(self) -> None:
        """Load apprise, which takes a second, and see that it understands the URL. Raises Unavailable."""
        url = self.options.url.reveal()
        for segment in urlsplit(url).path.split("/"):
            learn_secret(segment)  # because keys are parts of these paths, however short
        await self._worker.run(self._make)

    async def close(self) -> None:
        """Let the last message out, or leave it."""
        await self._worker.close()

    async def deliver(self, delivery: Delivery) -> str:
        """Delivered is what the service answered 2xx to. Raises what the table of docs/sinks.md says of the rest."""
        now = self.http.clock.now()
        return await self._worker.run(lambda: self._send(*self._message(delivery, now)))

    async def preview(self, delivery: Delivery) -> str:
        """The service and the text; nothing of the URL but its schema."""
        title, body, kind = self._message(delivery)
        return f"{schema_of(self.options.url)}:// ({kind})\n\n{title}\n\n{body}"

    def _message(self, delivery: Delivery, now: datetime | None = None) -> tuple[str, str, str]:
        card = self._view.card(delivery.event, replay=delivery.replay, now=now)
        bodies = (_body(card.shortened(most, links=True)) for most in (600, 100))
        body = next((one for one in bodies if _fits(one)), None) or _body(card.shortened(100, links=False))
        return f"{card.mark} {lookalike(card.title)}", body, _KINDS[card.severity]

    # -- in the worker's thread

    def _make(self) -> tuple[Any, Calls]:
        """A fresh plugin, because they remember what they sent. Raises Unavailable."""
        library = _library()
        asset = library.AppriseAsset(
            http_redirects=False, image_url_mask=None, image_url_logo=None, image_path_mask=None, async_mode=False
        )
        target = library.Apprise.instantiate(self.options.url.reveal(), asset=asset)
        if target is None:
            schema, services = schema_of(self.options.url), library.NotificationManager()
            if schema in services and not services[schema].enabled:
                raise Unavailable(f"apprise needs another library for {schema}://; see its page on the service")
            raise Unavailable(f"apprise cannot use this {schema}:// URL; see its page on the service")
        target.redirects = False  # whatever the URL says
        target.retry = 0
        target.request_rate_per_sec = 0
        target.overflow_mode = library.OverflowMode.SPLIT
        if hasattr(target, "include_image"):
            target.include_image = False  # it would be fetched from elsewhere
        return target, _watch(target)

    def _send(self, title: str, body: str, kind: str) -> str:
        plugin, calls = self._make()
        seen = calls.collect()
        try:
            good = plugin.notify(title=title, body=body, notify_type=kind, body_format=_library().NotifyFormat.TEXT)
        except Exception as error:  # its text may repeat the URL
            raise Retry(f"apprise's {plugin.service_name} failed: {type(error).__name__}") from None
        # a service that needs several calls may go on after one that failed, so with a yes the last one counts
        failure = _failure(seen[-1:] if good else seen, self.http.clock.now())
        if failure is not None:
            raise failure
        if not good:
            raise Retry(f"apprise's {plugin.service_name} says that it failed, and not why", service=True)
        self._check_code(seen)
        return f"HTTP {seen[-1].status}" if seen else "sent"

    def _check_code(self, seen: Sequence[ServiceCall]) -> None:
        yes = _YES.get(schema_of(self.options.url))
        if yes is None:
            return
        for call in seen:
            try:
                said = json.loads(call.body)
            except ValueError:
                raise Retry("the service answered 200, but not in JSON", service=True) from None
            code = said.get("code") if isinstance(said, dict) else None
            if code != yes:
                words = redact_start(call.body.decode("utf-8", "replace"), 4096)[:200]
                raise Retry(f"the service answered 200 and says no: {words!r}", service=True)

    @functools.cached_property
    def _view(self) -> View:
        return view_of(self.options.language, self.options.timezone, self.options.links)

    @functools.cached_property
    def _worker(self) -> BlockingWorker:
        """A thread of its own, because apprise blocks."""
        return BlockingWorker(f"apprise {self.name}")

    def advice(self) -> list[str]:
        """Certificates that nobody checks."""
        said = []
        if "verify=no" in self.options.url.reveal().lower():
            said.append("verify=no lets anybody between here and the service read and change what is sent")
        return said

    def missing(self) -> Sequence[str]:
        """The library that reaches the services."""
        return missing("apprise", "apprise")


def _fits(body: str) -> bool:
    return (
        len(body.encode()) <= _TEXT_BYTES_MAX and len(json.dumps(body)) <= 2 * _TEXT_BYTES_MAX
    )  # some send \\ud83d\\ude00


def _body(card: Card) -> str:
    facts = [f"{one.label}: {one.value if one.ours else lookalike(one.value)}" for one in card.facts]
    links = [f"{link.label}: {link.url}" for link in card.links]
    note = [card.words.not_shown.format(id=card.id)] if card.unshown else []
    return "\n".join([*facts, *links, *note])


def _failure(seen: Sequence[ServiceCall], now: Any) -> DeliveryFailed | None:
    """What the last call that went wrong means, by the same table as for every other sink."""
    import httpx  # here, because the client has loaded it by now without its command line

    for call in reversed(seen):
        url = urlsplit(call.url)
        origin = f"{url.hostname}:{url.port or (443 if url.scheme == 'https' else 80)}"
        if call.status is None:
            return Retry(f"{origin}: {call.trouble}", service=True)
        if not 200 <= call.status < 300:
            headers = httpx.Headers(call.headers)
            return failure_of(Answer(status=call.status, headers=headers, body=call.body, origin=origin, now=now))
    return None


def _library() -> Any:
    """apprise with all its plugins, loaded once. Its log is left out: the URL stands in it."""
    with _loading, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its plugins import is theirs to renew
        try:
            import apprise
        except ImportError:
            raise Unavailable(_LACKING) from None
        logger = logging.getLogger("apprise")
        if logger.propagate:
            logger.propagate = False
            logger.setLevel(logging.CRITICAL + 1)
            apprise.Apprise.instantiate("json://localhost")  # the first look-up imports them all
        return apprise


def _watch(plugin: object) -> Calls:
    """Put ourselves in the place of `requests` in the modules of this plugin's class and of those above it."""
    import requests

    with _loading:
        for cls in type(plugin).__mro__:
            module = sys.modules.get(cls.__module__)
            there = getattr(module, "requests", None)
            if isinstance(there, Calls):
                return there
            if there is requests:
                calls = Calls(requests)
                module.requests = calls  # type: ignore[union-attr]
                return calls
    return Calls(requests)  # it speaks something else than HTTP
