"""Files that hold the networks of `allow_from`: one a line, with comments. What is wrong is said where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from gateway.config.document.diagnostics import Diagnostic
from gateway.config.document.nodes import Items, Table, YamlNode
from gateway.config.grammar.network import AllowFile
from gateway.config.grammar.settings import SourceSettings
from gateway.fields.network_set import IpNetwork
from gateway.text.escaping import visible
from gateway.text.file_trouble import file_trouble
from gateway.text.regular_file import open_regular

FILE_BYTES_MAX: Final = 1024 * 1024
NETWORKS_MAX: Final = 20_000
PROBLEMS_MAX: Final = 20  # of one file
VALUE_CHARS_MAX: Final = 60  # of what is shown of a line
EXPECTED: Final = "an IP address or a network such as 10.0.0.0/8"


def read_allow_files(source: SourceSettings, table: Table) -> Iterator[Diagnostic]:
    """Fill in the networks of every file that this source names; what is wrong with them."""
    for place, allowed in _files_of(source, table):
        networks: list[IpNetwork] = []
        problems = list(_networks_of(allowed.file, place, networks))
        yield from problems
        if not problems:
            allowed.keep(networks)


def _files_of(source: SourceSettings, table: Table) -> Iterator[tuple[YamlNode, AllowFile]]:
    node = table.entries.get("allow_from", table)
    if isinstance(source.allow_from, AllowFile):
        yield node, source.allow_from
        return
    for number, entry in enumerate(source.allow_from):
        if isinstance(entry, AllowFile):
            yield node.items[number] if isinstance(node, Items) and number < len(node.items) else node, entry


def _networks_of(path: Path, place: YamlNode, networks: list[IpNetwork]) -> Iterator[Diagnostic]:
    try:
        content = _content(path)
    except OSError as error:
        yield place.problem(
            found=f"the file {path}, which cannot be read: {file_trouble(path, error)}", expected="a list"
        )
        return
    if len(content) > FILE_BYTES_MAX:
        yield place.problem(found=f"the file {path} of over {FILE_BYTES_MAX} bytes", expected="a list that is shorter")
        return
    wrong = 0
    for number, line in enumerate(content.decode("utf-8-sig", "replace").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            networks.append(ip_network(text, strict=False))
        except ValueError:
            wrong += 1
            if wrong <= PROBLEMS_MAX:
                yield _problem(path, place, number, line.index(text) + 1, text)
    if wrong > PROBLEMS_MAX:
        yield place.problem(found=f"{wrong - PROBLEMS_MAX} more lines of {path} that are no networks")
    if len(networks) > NETWORKS_MAX:
        yield place.problem(found=f"{len(networks)} networks in {path}", expected=f"at most {NETWORKS_MAX}")
    if not networks and not wrong:
        yield place.problem(
            found=f"no network in {path}",
            expected="at least one",
            hint="a list that is empty would let nobody in; leave `allow_from` out to take callbacks from anywhere",
        )


def _content(path: Path) -> bytes:
    """At most one byte more than may be. Only of a regular file, and never waited for."""
    with open_regular(path) as opened:
        return opened.read(FILE_BYTES_MAX + 1)


def _problem(path: Path, place: YamlNode, line: int, column: int, text: str) -> Diagnostic:
    return Diagnostic(
        file=str(path),
        line=line,
        column=column,
        path=place.path,
        found=repr(visible(text[:VALUE_CHARS_MAX])),
        expected=EXPECTED,
    )
