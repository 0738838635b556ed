"""docs/http.md says what the program does, and with docs/api.md every code it answers."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config.grammar.listeners import ServerSettings
from gateway.errors import Problem
from gateway.text.json_bounds import NODES_MAX, UNVERIFIED_NODES_MAX
from gateway.web import problems
from gateway.web.listener_limits import PRIVATE_CONNECTIONS_MAX, ListenerLimits, public_limits
from tests.web.doors import Answer, Served

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/http.md").read_text()
EXCHANGES = re.findall(r"```http (public|private)\n(.*?)```\n```http answer\n(.*?)```", TEXT, re.DOTALL)
PRIVATE_CODES = {"not_found", "misdirected_request"}


@pytest.mark.parametrize(("door", "request_text", "answer"), EXCHANGES)
def test_every_exchange_is_as_shown(served: Served, door: str, request_text: str, answer: str) -> None:
    async def accepted(callback: Any) -> Any:
        return Answer(200, b'{"status": "accepted", "events": ["b0c6a1f2d3e4958677889900aabbccdd"]}')

    async def ready() -> Any:
        return True, {"gateway": "ok", "store": "ok", "configuration": "ok"}

    served.behind.answer, served.behind.ready = accepted, ready
    head, _, body = request_text.strip().partition("\n\n")
    if body:
        head += f"\nContent-Length: {len(body.encode())}"
    with served.public() if door == "public" else served.private() as client:
        reply = client.send((head.replace("\n", "\r\n") + "\r\n\r\n" + body).encode()).reply()
    shown_head, _, shown_body = answer.strip().partition("\n\n")
    first, *fields = shown_head.splitlines()
    assert reply.status == int(first.split()[1])
    for field in fields:
        name, _, value = field.partition(": ")
        assert reply.header(name.lower()) == value
    assert reply.json() == json.loads(shown_body)


def test_there_are_exchanges_of_both_doors() -> None:
    assert {door for door, _, _ in EXCHANGES} == {"public", "private"}
    assert TEXT.count("```http ") == 2 * len(EXCHANGES)


def _documented() -> set[tuple[int, str]]:
    pages = TEXT + (ROOT / "docs/api.md").read_text()
    return {(int(status), code) for status, code in re.findall(r"^\| (\d{3}) \| `(\w+)` \|", pages, re.MULTILINE)}


def _raised() -> Iterator[tuple[int, str]]:
    """Status and code of every Problem and Untrusted that is written out in the program."""
    for path in [*(ROOT / "gateway").rglob("*.py"), *(ROOT / "plugins/sources").rglob("*.py")]:
        if path.name == "reverify.py":
            continue  # said to whoever tries a refused callback again, and answered to no caller
        text = path.read_text()
        if "Problem(" not in text and "Untrusted(" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            values = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            if node.func.id == "Untrusted" and values:
                yield 401, str(values[0])
            elif node.func.id == "Problem" and len(values) >= 2 and isinstance(values[0], int):
                yield values[0], str(values[1])


def test_every_code_of_the_program_is_documented() -> None:
    assert {(status, code) for status, code in _raised() if code not in PRIVATE_CODES} <= _documented()


def test_every_documented_code_is_in_the_program() -> None:
    sources = [*(ROOT / "gateway").rglob("*.py"), *(ROOT / "plugins/sources").rglob("*.py")]
    text = "\n".join(path.read_text() for path in sources)
    assert [code for _, code in _documented() if f'"{code}"' not in text] == []


def test_the_table_of_limits_is_that_of_the_program() -> None:
    limits = public_limits(body_timeout=10.0, connections=1000)
    assert limits == ListenerLimits(wire_bytes=limits.wire_bytes)
    rows = dict(re.findall(r"^\| ([a-z][^|]*?) \| (\d[^|]*?) \| (?:`|\|)?", TEXT, re.MULTILINE))
    assert rows == {
        "a whole head, from its first byte": f"{limits.head_seconds:g} s",
        "a whole body, from the end of its head": f"{limits.body_seconds:g} s",
        "idle between two requests": f"{limits.idle_seconds:g} s",
        "taking an answer away": f"{limits.stall_seconds:g} s",
        "going on sending after a refusal": f"{limits.linger_seconds:g} s",
        "head": f"{limits.head_bytes} bytes, {limits.head_fields} fields",
        "body": "262144 bytes, or what the source's vendor needs",
        "all bodies that are not verified yet": f"{ServerSettings().unverified_bytes} bytes",
        "values in a body": f"{UNVERIFIED_NODES_MAX} until its signature fits, then {NODES_MAX}",
        "requests waiting on one connection": str(limits.pipelined),
        "connections": str(limits.connections),
    }
    assert f"with {PRIVATE_CONNECTIONS_MAX} connections" in TEXT
    assert f"over {limits.pipelined} requests waiting" in TEXT


def test_the_defaults_named_are_those_of_the_configuration() -> None:
    from gateway.config.grammar.listeners import ServerSettings

    defaults = ServerSettings()
    assert int(defaults.max_body) == 262_144
    assert defaults.body_timeout.total_seconds() == ListenerLimits.__dataclass_fields__["body_seconds"].default
    assert defaults.connections == ListenerLimits.__dataclass_fields__["connections"].default


def test_a_status_without_a_name_has_a_title_all_the_same() -> None:
    problem = Problem(499, "stopping", "y\r\nX-Evil: 1\ud800")
    assert json.loads(problems.body(problem))["title"] == "Error"
    head = problems.wire(problem).partition(b"\r\n\r\n")[0]
    assert b"Evil" not in head
