"""Tries a `where` on samples before it meets a live event: names, types, answers, and time."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from gateway.events.samples import largest, sample
from gateway.model import EVENT_TYPES, FILE_COMPLETED, Event, reached_types
from gateway.runtime.lean_imports import import_cel
from gateway.where.expression import LIST_ELEMENTS_MAX, Where, WhereFailed, compile_where, present
from gateway.where.names import misnamed, suspicious
from gateway.where.syntax import MACROS, CelNode

EVALUATION_SECONDS_MAX: Final = 0.02  # of the expression alone, because it stops every other thread for as long
PASSED_MAX: Final = 1000  # expressions that are remembered


class Checked(NamedTuple):
    """What is wrong with an expression, and what may surprise."""

    errors: list[str]
    warnings: list[str]


_passed: dict[tuple[str, tuple[str, ...]], Checked] = {}


def checked(text: str, types: Sequence[str]) -> Checked:
    """What `check_where` says of a text that is compiled for it. Raises WhereError as `compile_where` does.

    One without errors is tried once in a process: a reload asks the same of all, and their time stops everything else.
    """
    asked = (text, tuple(types))
    if asked in _passed:
        return _passed[asked]
    verdict = check_where(compile_where(text), types=types)
    if not verdict.errors:
        if len(_passed) >= PASSED_MAX:
            _passed.clear()
        _passed[asked] = verdict
    return verdict


def check_where(where: Where, *, types: Sequence[str] = ("*",)) -> Checked:
    """Names and fields, then a full and a sparse sample of every event type that `types` (globs) lets through, then time.

    An expression that fails on the full sample of every such type is an error: it can never match, unless it asks for a
    field of `extra`. One that fails on some is a warning, because then `has()` is missing, or a `type:` in `match`.
    """
    errors = [str(problem) for problem in misnamed(where.tree)]
    if errors:
        return Checked(errors, [])
    warnings = list(suspicious(where.tree))
    reached = list(reached_types(types)) or list(EVENT_TYPES)
    full = _TypeTrial(where, [sample(type) for type in reached])
    sparse = _TypeTrial(where, [sample(type, full=False) for type in reached])
    if full.other or sparse.other:
        errors.append(f"the expression says {(full.other | sparse.other).pop()}, and only true or false is an answer")
    elif len(full.failed) == len(reached) and not _vendors(where, full.failed):
        errors.append(f"it fails on every sample event: {next(iter(full.failed.values()))}")
    elif full.failed:
        warnings.append(_advice(full.failed, "every event of", reached))
    elif sparse.failed:
        warnings.append(_advice(sparse.failed, "a sparse event of", reached))
    errors.extend(_too_slow(where, FILE_COMPLETED if FILE_COMPLETED in reached else reached[0]))
    return Checked(errors, warnings)


def check_key(where: Where) -> Checked:
    """The same of an expression that names something: a text or a whole number is an answer. That it fails on a sparse event
    is no warning, because whoever asks says what becomes of those."""
    errors = [str(problem) for problem in misnamed(where.tree)]
    if errors:
        return Checked(errors, [])
    full = _TypeTrial(where, [sample(type) for type in EVENT_TYPES], (str, int))
    sparse = _TypeTrial(where, [sample(type, full=False) for type in EVENT_TYPES], (str, int))
    warnings = []
    if full.other or sparse.other:
        errors.append(f"the key is {(full.other | sparse.other).pop()}, and only a text or a whole number is one")
    elif len(full.failed) == len(EVENT_TYPES) and not _vendors(where, full.failed):
        errors.append(f"it fails on every sample event: {next(iter(full.failed.values()))}")
    elif full.failed:
        reason = next(iter(full.failed.values()))
        warnings.append(f"it fails on every event of {', '.join(full.failed)} ({reason}), which then has no owner")
    errors.extend(_too_slow(where, FILE_COMPLETED))
    return Checked(errors, warnings)


class _TypeTrial:
    """An expression tried on events; `answer_types` are the types of an answer, where true and false are none unless `bool` is there."""

    def __init__(self, where: Where, events: Collection[Event], answer_types: tuple[type, ...] = (bool,)) -> None:
        self.failed: dict[str, str] = {}
        self.other: set[str] = set()
        for event in events:
            try:
                value = where.value(where.prepare(present(event)))
            except WhereFailed as failure:
                self.failed[event.type] = str(failure)
            else:
                if not isinstance(value, answer_types) or (isinstance(value, bool) and bool not in answer_types):
                    self.other.add(_NAMES.get(type(value), type(value).__name__))


_NAMES: Final[dict[type, str]] = {
    bool: "true or false", str: "a text", int: "a number", float: "a number", list: "a list", dict: "a map", bytes: "bytes", type(None): "null",
}  # fmt: skip


def _vendors(where: Where, failed: dict[str, str]) -> bool:
    """Whether it fails for want of a field of `extra`: the vendor's own, which no sample can have."""
    return ".extra" in where.text and all(reason.startswith("no such field") for reason in failed.values())


def _advice(failed: dict[str, str], on: str, reached: Sequence[str]) -> str:
    types = "any type" if len(failed) == len(reached) else ", ".join(failed)
    reason = next(iter(failed.values()))
    return f"it fails on {on} {types} ({reason}), which is then no match: guard it with has(), or narrow `match`"


def _too_slow(where: Where, type: str) -> Iterator[str]:
    seconds = 0.0
    for files in (LIST_ELEMENTS_MAX // 20, LIST_ELEMENTS_MAX // 10, LIST_ELEMENTS_MAX // 4, LIST_ELEMENTS_MAX):
        # the document is made ready outside: any expression needs that, and a slow machine would refuse each by it alone
        prepared = where.prepare(present(largest(type, files=files)))
        seconds = _least(partial(where.value, prepared))
        if seconds > EVALUATION_SECONDS_MAX:
            break  # because what grows with the square or worse would take minutes with all of them
    for pattern, inside in _patterns(where.tree):
        program = import_cel().compile(f'"".matches({pattern.word})')
        try:
            program.execute({})
        except Exception:  # the library's own, whatever it is
            yield f"column {pattern.column}: {pattern.word} is not a pattern that can be used (RE2 syntax, of modest size)"
            return
        # because the library compiles a pattern anew each time an evaluation comes by it
        seconds += _least(partial(program.execute, {})) * (LIST_ELEMENTS_MAX if inside else 1)
    if seconds > EVALUATION_SECONDS_MAX:
        yield (
            f"it takes {seconds * 1000:.0f} ms on an event of {files} files, over {EVALUATION_SECONDS_MAX * 1000:.0f} ms: "
            "everything else stands still meanwhile; inside exists() and the like use contains(), startsWith() or "
            "endsWith() instead of matches(), or a pattern without \\w and counted repeats"
        )


def _least(run: Callable[[], object]) -> float:
    """Seconds of processor time of the fastest of up to five runs: a busy machine makes neither longer."""
    least = math.inf
    for _ in range(5):
        began = time.thread_time()
        with contextlib.suppress(Exception):  # a failure costs time too
            run()
        least = min(least, time.thread_time() - began)
        if not EVALUATION_SECONDS_MAX / 100 < least < EVALUATION_SECONDS_MAX * 5:
            break
    return least


def _patterns(node: CelNode, inside: bool = False) -> Iterator[tuple[CelNode, bool]]:
    if node.kind == "call" and node.word == "matches" and node.parts[-1] is not None:
        yield node.parts[-1], inside
    target = node.parts[:1] if node.kind == "call" and node.word in MACROS else ()
    for part in node.parts:
        if part is not None:
            yield from _patterns(part, inside or bool(target and part is not target[0]))
