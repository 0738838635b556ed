"""Stores as each version left them: their tables and a few rows as SQL text, for both databases.

`python -m tests.store.old_stores` writes those of the newest version, which its step has just made; they never change again (`test_versions.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from gateway.store.engine import migrations
from gateway.store.engine.dialects import WORDS
from gateway.store.engine.session import Session

FOLDER: Final = Path(__file__).parent / "versions"
BETWEEN: Final = ";\n\n"
BODY: Final = (
    '{"id":"0123456789abcdef","source":"live","type":"recording.file.completed","subject":"s",'
    '"time":"2026-01-01T00:00:00Z","specversion":"1.0","data":{"provider":"huawei-live","stream":"s"}}'
)
ROWS: Final = (
    "INSERT INTO meta (name, value) VALUES ('schema', '{version}'), ('shape', '{shape}'), ('instance', '0011223344556677'), ('made_at', '1767225600000')",
    "INSERT INTO events (id, source, type, subject, received_at, trust, fingerprint, body, raw, raw_type, routing) VALUES "
    "('0123456789abcdef', 'live', 'recording.file.completed', 's', 1767225600000, 3, {blob}, '" + BODY + "', {blob}, "
    "'application/json', '[]')",
    "INSERT INTO deliveries (event, sink, state, rank, due_at, token, attempts, since_at, first_at, source) VALUES "
    "(1, 'app', 'waiting', 1, 1767225600000, 1, 1, 1767225600000, 1767225600000, 'live'), (1, 'other', 'delivered', 0, 1767225600000, 1, 1, 1767225600000, 1767225600000, 'live')",
    "INSERT INTO attempts (delivery, token, started_at, took_ms, outcome, status, detail) VALUES "
    "(1, 1, 1767225600000, 5, 'retry', 503, 'busy'), (2, 1, 1767225600000, 5, 'delivered', 200, '')",
    "INSERT INTO sinks (name, paused_at, paused_by) VALUES ('other', 1767225600000, 'somebody')",
    "INSERT INTO refused (source, code, detail, received_at, method, path, headers, body, size) VALUES "
    "('live', 'untrusted', 'no signature', 1767225600000, 'POST', '/hooks/live', '[]', {blob}, 2)",
    "INSERT INTO audit (at, actor, place, act, target, matched, done, result) VALUES "
    "(1767225600000, 'somebody', 'here', 'sinks pause', 'other', 1, 1, 'paused')",
)
BLOBS: Final = {"sqlite": "x'7b7d'", "postgresql": "'\\\\x7b7d'::bytea"}


def path_of(version: int, backend: str) -> Path:
    """The file of a version."""
    return FOLDER / f"{version}.{backend}.sql"


def tables(version: int, backend: str) -> list[str]:
    """The statements that make the tables of a version."""
    return [text.format_map(WORDS[backend]) for step in migrations.STEPS[:version] for text in step]


def text(version: int, backend: str) -> str:
    """The whole store."""
    known = {"version": version, "shape": migrations.shape(version), "blob": BLOBS[backend]}
    rows = []
    for row in ROWS:
        for name, value in known.items():
            row = row.replace("{" + name + "}", str(value))
        rows.append(row)
    return BETWEEN.join([*tables(version, backend), *rows]) + BETWEEN


def put(session: Session, version: int) -> None:
    """Make the store of a version in an empty database."""
    connection: Any = session.connection  # type: ignore[attr-defined]  # either database's
    with session.atomic():
        for statement in path_of(version, session.backend).read_text().split(BETWEEN):
            if statement.strip():
                connection.execute(statement)  # as it stands: `:00` is no parameter


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for backend in BLOBS:
        path_of(migrations.VERSION, backend).write_text(text(migrations.VERSION, backend))
