"""What is imported while a callback is taken or a delivery carried: nothing that is not listed here with its reason.

An import needs memory and a file descriptor when there may be none, and where it fails in the middle of an outcome, an
event that has arrived is sent again.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.syntax import tree

ROOT = Path(__file__).resolve().parents[1] / "gateway"
ROOMS = (
    "intake",
    "dispatch",
    "routing",
    "egress",
    "model",
    "events",
    "recordings",
    "alarms",
    "text",
    "where",
    "plugin",
)
MORE_ROOMS = ("runtime", "fields", "signing", "store")
ELSEWHERE = {"admin", "doctor", "transfer", "verify"}  # rooms of the store that people use, not callbacks
AT_START = "when the gateway starts, before it takes anything"
STORE_OPENED = "loaded when the store was opened, so that here it is only looked up"
KEY_READ = "when a key is read with its configuration"

LATE: dict[tuple[str, str], str] = {
    ("dispatch/lane.py", "Lane.__init__"): "when the gateway starts or reloads, before the lane takes anything",
    ("dispatch/dispatcher.py", "lane_of"): "the same, before there is a lane",
    ("egress/answers.py", "_http_date"): "of a failed attempt: without it, it is tried again when the schedule says",
    ("egress/tls.py", "context_of"): "when the first request over TLS is made: a failed attempt, nothing was sent",
    ("fields/locale.py", "_timezone"): "when the configuration is read",
    ("fields/locale.py", "zone_of"): "loaded when the option was checked",
    ("plugin/callback.py", "Callback.of"): "for tests of plugins and commands; the listener has it loaded",
    ("runtime/entry_points.py", "entry_points"): "when the configuration is read",
    ("runtime/lean_imports.py", "_formatdate"): "by a plugin that writes a mail",
    ("runtime/lean_imports.py", "_pydantic_plugins"): "when the configuration is read",
    ("runtime/lean_imports.py", "_with_pydantic_plugins"): "when the configuration is read",
    ("runtime/lean_imports.py", "import_starlette"): AT_START,
    ("runtime/trace_export.py", "make_traces"): AT_START,
    ("runtime/clock.py", "Clock.sleep"): "loaded where there is a loop to sleep in",
    ("runtime/clock.py", "FrozenClock.sleep"): "for tests",
    ("signing/ed25519.py", "PublicKey.__init__"): KEY_READ,
    ("signing/ed25519.py", "PrivateKey.load"): "at the first signature: a failed attempt, nothing was sent",
    ("signing/ed25519.py", "generate"): "by a command",
    ("signing/message_keys.py", "EcdsaSigner.__init__"): KEY_READ,
    ("signing/message_keys.py", "EcdsaVerifier.__init__"): KEY_READ,
    ("signing/message_keys.py", "_ed25519"): KEY_READ,
    ("signing/message_keys.py", "_loaded"): KEY_READ,
    ("signing/standard_webhooks.py", "_verify_message"): "by receivers in Python, not by the gateway",
    ("store/engine/backend.py", "backend_of"): AT_START,
    ("store/engine/cipher.py", "Cipher.__init__"): "when the configuration is read",
    ("store/engine/patience.py", "patiently"): STORE_OPENED,
    ("store/engine/patience.py", "_policy"): STORE_OPENED,
    ("store/engine/patience.py", "awaited"): AT_START,
    ("store/engine/reruns.py", "pause"): "loaded with the writer",
    ("store/postgres/backend.py", "PostgresBackend.acquire"): AT_START,
    ("store/postgres/connect.py", "connect"): "loaded when the first session was opened",
    ("store/postgres/notices.py", "NoticeListener._listen_until_closed"): "when its thread begins; loaded by then",
    ("store/postgres/session.py", "PostgresSession.__init__"): "loaded when the first session was opened",
    ("text/suggest.py", "nearest"): "for the text of a mistake in a configuration or a command",
    ("where/expression.py", "compile_where"): "when the configuration is read",
}


def late_imports(path: Path) -> Iterator[tuple[str, str]]:
    """Each function of this file that imports something, with the class that it belongs to."""

    def walk(node: ast.AST, name: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom) and name.rpartition("/")[2]:
                yield name.rpartition("/")[2]
            elif isinstance(child, ast.ClassDef):
                yield from walk(child, f"{child.name}/")
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                owner, _, inside = name.partition("/")
                yield from walk(child, f"{owner}/{inside or '.'.join(filter(None, (owner, child.name)))}")
            else:
                yield from walk(child, name)

    place = path.relative_to(ROOT).as_posix()
    for function in walk(tree(path), "/"):
        yield place, function


def test_nothing_is_imported_while_a_callback_or_a_delivery_is_under_way_but_what_is_listed() -> None:
    files = [path for room in (*ROOMS, *MORE_ROOMS) for path in (ROOT / room).rglob("*.py")]
    files = [path for path in files if not ELSEWHERE & set(path.relative_to(ROOT).parts)]
    assert len(files) > 200
    found = {one for path in files for one in late_imports(path)}
    assert found - LATE.keys() == set(), "import it above, or say in LATE why it may fail there"
    assert LATE.keys() - found == set(), "it does not import any more"
