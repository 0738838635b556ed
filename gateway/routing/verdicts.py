"""Says to people what the routes decided, from the JSON that is kept with every event."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.text.escaping import visible


def explain(text: str) -> list[str]:
    """One or two lines a route, from `Decision.json()`: where the event goes, and why not elsewhere.

    Values come from outside, so they are shown on one line without controls. Text that is not such JSON is one line
    saying so, because a newer program may have written it.
    """
    try:
        verdicts = json.loads(text)
        return [line for verdict in verdicts for line in _lines(verdict)] or ["no routes are configured"]
    except (ValueError, TypeError, KeyError, AttributeError):
        return ["the verdict of the routes is not in a form this version reads"]


def _lines(verdict: Mapping[str, Any]) -> Iterator[str]:
    name = visible(str(verdict["route"]))
    if verdict.get("reached") is False:
        yield f"- {name}: not reached, because a route before it stops the search"
        return
    satisfied = ", ".join(verdict["held"])
    if "to" in verdict:
        stop = "; the search ends here (stop)" if verdict.get("stop") else ""
        yield f"+ {name}: matched, to {', '.join(verdict['to']) or 'no sink'}{stop}"
        if verdict.get("about"):
            yield f"    not to {', '.join(verdict['about'])}: an alarm never goes to a sink that it is about"
        if verdict.get("cause"):
            yield f"    not to {', '.join(verdict['cause'])}: a follow-up never goes to a sink that it came of"
        yield f"    held: {satisfied or 'it has no conditions'}"
        return
    yield f"- {name}: {_why(verdict)}"
    if satisfied:
        yield f"    held: {satisfied}"


def _why(verdict: Mapping[str, Any]) -> str:
    clause, pattern = verdict["clause"], verdict["pattern"]
    if "error" in verdict:
        return f"error, so no match: where {_quoted(pattern)} failed: {visible(verdict['error'])}"
    value = verdict["value"]
    if verdict.get("named") is False:
        wanted = f"; wanted {_any_of(pattern)}" if pattern else ""
        return f"type is {_quoted(value)}, which goes only to routes that name it{wanted}"
    if clause == "where":
        said = "false" if value is False else f"no true or false ({value})"
        return f"where {_quoted(pattern)} is {said}"
    seen = "is absent" if value is None else f"is {_quoted(value)}"
    return f"{clause} {seen}, wanted {_any_of(pattern)}"


def _any_of(globs: Sequence[str]) -> str:
    return " or ".join(_quoted(glob) for glob in globs) or "nothing (an empty list)"


def _quoted(text: str) -> str:
    return f'"{visible(str(text))}"'
