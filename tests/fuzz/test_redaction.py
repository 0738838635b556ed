"""What a source's vendor says, a leaf at a time, and `redact` over everything: nothing of it is in the store's files or the log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from structlog.testing import capture_logs

from gateway import Malformed, Played, Source, Untrusted, to_document
from gateway.events.field_path import NAMED
from gateway.plugin import contract
from gateway.testing import callback, running
from tests.fuzz.configured import vendor_of
from tests.fuzz.mutants import SOURCES, bodies
from tests.fuzz.vendors_side import Ledger, sign
from tests.sources.vendors import NEEDED, make

CONTENTS_OF_ONE = 1  # so that nothing is refused because of what came before it
ALL = [f"$.data.{name}" for name in NAMED]
VENDORS = tuple(dict.fromkeys(map(vendor_of, SOURCES)))


def marked(vendor: str) -> Iterator[tuple[str, bytes]]:
    """Each callback with each of its leaves replaced by a mark that stands nowhere else, and the mark."""
    for kind, first in enumerate(bodies(vendor)):
        for place in range(
            len(parse_qsl(first.decode())) if vendor == "twilio" else len(list(leaves(json.loads(first))))
        ):
            body = bodies(vendor, 1 + place // CONTENTS_OF_ONE)[kind]
            yield with_mark(body, place) if vendor != "twilio" else form_with_mark(body, place)


def with_mark(body: bytes, place: int) -> tuple[str, bytes]:
    document = json.loads(body)
    path = list(leaves(document))[place]
    inner = document
    for name in path[:-1]:
        inner = inner[name]
    mark, inner[path[-1]] = of_kind(inner[path[-1]], place)
    return mark, json.dumps(document, separators=(",", ":")).encode()


def form_with_mark(body: bytes, place: int) -> tuple[str, bytes]:
    pairs = parse_qsl(body.decode())
    mark, value = of_kind(pairs[place][1], place)
    pairs[place] = (pairs[place][0], value)
    return mark, urlencode(pairs).encode()


def of_kind(value: Any, place: int) -> tuple[str, Any]:
    mark = f"{7_391_000_000 + place}"
    if isinstance(value, str):
        return f"q{mark}z", f"https://files.example/q{mark}z/x.mp4" if "://" in value else f"q{mark}z"
    return mark, int(mark)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield from leaves(part, (*path, name))
    if path and not isinstance(value, dict | list):
        yield path


def may_stay(event: dict[str, Any], mark: str) -> bool:
    """Whether this event has the mark where no rule may take it out."""
    data = event["data"]
    kept = {**event, "data": {name: part for name, part in data.items() if name not in NAMED}}
    return mark in json.dumps(kept)


@pytest.mark.wide
@pytest.mark.parametrize("vendor", VENDORS)
async def test_nothing_that_redact_names_is_in_the_store_or_the_log(tmp_path: Path, vendor: str) -> None:
    source, gone, named = make(vendor), [], 0
    live = {"type": vendor, "path": vendor, **NEEDED[vendor], "redact": ALL}
    with capture_logs() as lines:
        async with running({"version": 1, "sources": {"live": live}}, folder=tmp_path) as gateway:
            for mark, body in marked(vendor):
                sent = sign(vendor, body, Ledger())
                played = Played(body=sent.body, headers=dict(sent.headers))
                documents = documents_of(source, played)
                if not documents or any(may_stay(one, mark) for one in documents):
                    continue
                answer = await gateway.post(played, settle=False)
                if answer.json().get("code") == "too_many_contents":  # the mark stood where its id would have
                    continue
                assert answer.status == 200, answer.body
                named += any(mark in json.dumps(one) for one in documents)
                gone.append(mark)
    said = repr(lines).replace(str(tmp_path), "")
    files = await asyncio.to_thread(everything_in, tmp_path)
    assert named, "no leaf of its callbacks becomes anything that may be named, so nothing was tried"
    assert [mark for mark in gone if mark.encode() in files or mark in said] == []


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def documents_of(source: Source, played: Played) -> Sequence[dict[str, Any]]:
    """What its events would say if nothing was redacted; none where it is refused or is about something else."""
    received = callback(played, path=f"/hooks/{source.type}")
    try:
        events = contract.checked(source, received, source.normalise(received, source.verify(received)))
    except (Untrusted, Malformed):
        return []
    return [to_document(event) for event in events]
