"""Says in a person's language what the functions that pages share with the API and the command line answer in English."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.web.pages.words import PageWords

SENTENCE_CHARS_MAX: Final = 2000  # of a text that is looked up; a longer one is none of these

ACTS: Final[Mapping[str, str]] = {
    "deliveries retry": "Retried deliveries",
    "deliveries cancel": "Cancelled deliveries",
    "deliveries move": "Moved deliveries",
    "sinks pause": "Paused a sink",
    "sinks resume": "Resumed a sink",
    "sinks test": "Tested a sink",
    "sources reconcile": "Asked a vendor for its list",
    "sources doctor": "Changed a vendor's callbacks",
    "events replay": "Sent events again",
    "events release": "Released events",
    "events erase": "Erased events",
    "events reveal": "Looked at a whole event",
    "refused reveal": "Looked at a whole refused callback",
    "refused retry": "Retried refused callbacks",
    "jobs cancel": "Cancelled a bulk act",
    "bulk retry": "Retried in bulk",
    "bulk replay": "Sent again in bulk",
    "bulk cancel": "Cancelled in bulk",
    "bulk release": "Released in bulk",
    "bulk erase": "Erased in bulk",
    "bulk move": "Moved in bulk",
    "store migrate": "Migrated the store",
    "store import": "Filled the store from an export",
    "store copy": "Filled the store from another",
    "store reencrypt": "Encrypted the store anew",
    "reload": "Reloaded the configuration",
}
"""Acts of the audit log by the name that they are kept and filtered under."""

SENTENCES: Final[Sequence[str]] = (
    # what became of an act
    "paused",
    "was paused already",
    "goes on",
    "was not paused",
    "under way",
    "done",
    "done; {count} could not be",
    "{count} done",
    "{count} done, {failed} could not be",
    "stopped after {count} of {total}",
    "cancelled after {count} of {total}",
    "its token was removed; {count} of {total} were done",
    "the job {name} has ended already: {state}",
    "reloaded",
    "unchanged",
    "refused: {code}",
    "delivered",
    "refused",
    "unavailable",
    "erased",
    "moved",
    "{count} moved, {failed} cancelled",
    "cancelled",
    "cancelled; the attempt under way may still arrive",
    "finished already: {state}",
    "already on its way",
    "due now",
    "due as soon as its sink goes on: it is paused",
    "due as soon as its sink's circuit closes",
    "due when it is its turn: an older one of its stream comes first",
    "a new round begins",
    "left alone: it does not wait any more",
    "to {names}",
    "nothing to do: no sink, or still on its way",
    "released to {names}",
    "released; no route wants it",
    "it was taken meanwhile",
    "still refused: {code}: {text}",
    "verified; its source makes no event of it",
    "taken as {name}",
    "known already as {name}",
    "held: conflict as {name}",
    "held: quarantined as {name}",
    "schema {old} to {new}",
    # what is not there, or cannot be done
    "no sink {name}",
    "no sink {name} is configured",
    "no source {name}",
    "no event type {name}",
    "there is no sink {name}",
    "there is no source {name}",
    "there is no filter {name} here",
    "there is no parameter {name} here",
    "there is no delivery {name}; `gateway deliveries list` shows those there are",
    "there is no refused callback {name}; only the last ones of each source are kept",
    "there is no job {name}",
    "there is no event {name}, or not one alone; of that id there are: {names}",
    "there is no event {name}: give its id, or at least its first {count} digits",
    "there is no event {name}; near it: {names}; `gateway events list` shows those there are",
    "there is no event {name}; `gateway events list` shows those there are",
    "the event {name} was here and is deleted; only its id is remembered",
    "the event was deleted meanwhile",
    "the event {name} is held ({state}): look at it, then `gateway events release` it",
    "the event {name} is not held",
    "no route wanted the event {name}: name the sinks, or ask today's routes",
    "{value} is none of them",
    "{value}: expected a time such as 2026-01-31T12:00, or how long ago, such as 90m or 2d",
    "{value} is beyond the calendar",
    "{value} is no number of one",
    "at most {count} values of {total} characters",
    "at most {count} a minute of this",
    "{name} is given twice",
    "the cursor is not one that this listing gave: begin without one",
    "there is nothing here",
    "this went wrong here; the log says why",
    "this takes {names}",
    "the token {name} may read, and this changes something",
    "sign in",
    "sign out with the button",
    "this is no token of `admin.tokens`",
    "a token in a URL ends in logs; send `Authorization: Bearer …`",
    "too many wrong tokens; wait a minute",
    "this was not sent by a page of this gateway: Origin and Host differ",
    "this page is older than your sign-in: load it again",
    "only forms are taken here, and no files",
    "a form has at most {count} bytes here",
    "this is no form",
    "the event is no JSON",
    "the event is no JSON object",
    "the configuration has mistakes; the running one stays",
    # pydantic's, for the fields of a page
    "Input should be a valid integer, unable to parse string as an integer",
    "Input should be a valid boolean, unable to interpret input",
    "Input should be less than or equal to {count}",
    "Input should be greater than or equal to {count}",
    "String should have at most {count} characters",
    "String should have at least {count} character",
)
"""English sentences as they are answered; `{…}` stands for any text. What follows `; did you mean` is cut off first."""

ENDINGS: Final = {
    "; did you mean {name}?": re.compile(r"; did you mean (?P<name>.+)\?\Z", re.DOTALL),
    "; there are: {names}": re.compile(r"; there are: (?P<names>.+)\Z", re.DOTALL),
    "; it takes none": re.compile(r"; it takes none\Z"),
}
_FIELD: Final = re.compile(r"(?P<field>[a-z_.0-9]{1,60}): (?P<rest>.+)\Z", re.DOTALL)


def sentence(t: PageWords, text: str) -> str:
    """The text in this language; as it came where it is none that is known, because a plugin may have written it."""
    return _translated(t, text) or text


def act_name(t: PageWords, act: str) -> str:
    """What was done, of the audit log."""
    english = ACTS.get(act)
    return act if english is None else t(english)


def _translated(t: PageWords, text: str) -> str | None:
    if t.language == "en" or len(text) > SENTENCE_CHARS_MAX:
        return None
    if (whole := _whole(t, text)) is not None:
        return whole
    for english, ending in ENDINGS.items():
        if (match := ending.search(text)) and (head := _translated(t, text[: match.start()])):
            return head + t(english, **match.groupdict())
    if (match := _FIELD.match(text)) and (rest := _translated(t, match["rest"])):
        return t("{field}: {rest}", field=match["field"], rest=rest)
    return None


def _whole(t: PageWords, text: str) -> str | None:
    if any(ending.search(text) for ending in ENDINGS.values()):
        return None  # else a name would swallow it
    for english, pattern in _patterns():
        if match := pattern.fullmatch(text):
            return t(english, **match.groupdict())
    return None


@functools.cache
def _patterns() -> Sequence[tuple[str, re.Pattern[str]]]:
    """The sentences with most words of their own first, because the places of others would take those in."""

    def own(english: str) -> int:
        return len(re.sub(r"\{\w+\}", "", english))

    return [(english, _pattern(english)) for english in sorted(SENTENCES, key=own, reverse=True)]


def _pattern(english: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", english)
    return re.compile(
        "".join(f"(?P<{part}>.+?)" if at % 2 else re.escape(part) for at, part in enumerate(parts)), re.DOTALL
    )
