"""Runs the route tests of a configuration: does every event go where the tests say?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.config.document.diagnostics import Diagnostic
from gateway.config.grammar.settings import CallbackSettings, TestSettings
from gateway.config.validation import where_raised
from gateway.errors import Malformed
from gateway.model import Event, Trust, Verified
from gateway.plugin.own_code import own_code
from gateway.text.file_trouble import file_trouble
from gateway.text.regular_file import open_regular

if TYPE_CHECKING:
    from gateway.config.load import Loaded
    from gateway.routing import Router

CALLBACK_FILE_BYTES_MAX: Final = 1024 * 1024  # bytes of a callback's file
_RECEIVED_AT: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)  # so that two runs of one test are the same


class UnusableTest(Exception):
    """The test's event or callback cannot be read; the text says why. `at`: the path of what is wrong below the test."""

    def __init__(self, text: str, at: str = "") -> None:
        super().__init__(text)
        self.at = at


def run_tests(loaded: Loaded) -> list[Diagnostic]:
    """A problem for every route test that does not go as expected, with what each route said."""
    from gateway.routing import Router

    if not loaded.settings.tests:
        return []
    router = Router(loaded.settings.all_routes)
    return [
        problem
        for number, test in enumerate(loaded.settings.tests)
        if (problem := _run_test(loaded, router, f"tests.{number}", test)) is not None
    ]


def _run_test(loaded: Loaded, router: Router, path: str, test: TestSettings) -> Diagnostic | None:
    from gateway.routing import explain

    if test.callback is not None and test.callback.source not in loaded.settings.sources:
        return None  # its options could not be guessed without what is not here
    try:
        decisions = [router.decide(event) for event in _events(loaded, test)]
    except UnusableTest as error:
        return loaded.problem(path + error.at, found=str(error))
    reached = dict.fromkeys(sink for decision in decisions for sink in decision.sinks)
    if set(reached) == set(test.expect) or loaded.guessed:
        return None
    why = [line for decision in decisions for line in explain(decision.json())]
    name = f"the test {test.name!r}: " if test.name else ""
    return loaded.problem(
        path,
        found=f"{name}[{', '.join(reached)}]",
        expected=f"[{', '.join(test.expect)}]",
        hint="\n    ".join(["what the routes said:", *why]) if why else "the callback makes no event",
    )


def _events(loaded: Loaded, test: TestSettings) -> Sequence[Event]:
    from gateway.events.samples import event_of

    if test.callback is not None:
        return _normalised(loaded, test.callback)
    try:
        return [loaded.redact(event_of(test.event or {}, **dict(_provider(loaded, test))))]
    except ValueError as error:
        raise UnusableTest(f"the event cannot be read: {error}", f".event{_below(str(error))}") from None


def _below(text: str) -> str:
    """The path of the key that a text about an event names, such as `.files.0.size`; empty where it names none."""
    if unknown := re.match(r"unknown key '([^']+)'(?: in `([^`]+)`)?", text):
        named = f"{unknown[2]}.{unknown[1]}" if unknown[2] else unknown[1]
    else:
        named = wrong[1] if (wrong := re.match(r"`([^`]+)`", text)) else ""
    return f".{named}".replace("[", ".").replace("]", "") if named else ""


def _provider(loaded: Loaded, test: TestSettings) -> Iterator[tuple[str, str]]:
    """What an event without `source` and `provider` means: the source it names, or the only one there is."""
    sources = loaded.settings.sources
    named = (test.event or {}).get("source")
    name = next(iter(sources)) if len(sources) == 1 and named is None else named
    if isinstance(name, str) and name in sources:
        yield "source", name
        yield "provider", sources[name].type


def _normalised(loaded: Loaded, callback: CallbackSettings) -> Sequence[Event]:
    """The events of a callback in a file, without verification."""
    try:
        with open_regular(callback.file) as file:
            body = file.read(CALLBACK_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise UnusableTest(f"the callback's file cannot be read: {file_trouble(Path(callback.file), error)}") from None
    if len(body) > CALLBACK_FILE_BYTES_MAX:
        raise UnusableTest("the callback's file has more than 1 MiB")
    source = loaded.source(callback.source)
    request = loaded.callback(callback.source, body, received_at=_RECEIVED_AT)
    try:
        with own_code():
            events = source.normalise(request, Verified(trust=Trust.NONE, scheme="none"))
        return [loaded.redact(event) for event in events]  # as they come to the routes
    except Malformed as error:
        raise UnusableTest(f"the callback cannot be read: {error.detail}") from None
    except Exception as error:  # a plugin's own code
        raise UnusableTest(f"the source cannot read the callback: {where_raised(error)}") from None
