"""The columns that the tests of a table of somebody else's write."""

from __future__ import annotations

TABLES = {
    "sqlite": """CREATE TABLE media (
        id INTEGER PRIMARY KEY, event TEXT NOT NULL, number INTEGER NOT NULL, title VARCHAR(10), seconds INTEGER, price NUMERIC(6,2),
        hot BOOLEAN, at DATETIME, day DATE, more JSON, state TEXT NOT NULL DEFAULT 'new', UNIQUE (event, number))""",
    "postgresql": """CREATE TABLE media (
        id SERIAL PRIMARY KEY, event TEXT NOT NULL, number SMALLINT NOT NULL, title VARCHAR(10), seconds INTEGER, price NUMERIC(6,2),
        hot BOOLEAN, at TIMESTAMPTZ, day DATE, more JSONB, state TEXT NOT NULL DEFAULT 'new', UNIQUE (event, number))""",
    "mysql": """CREATE TABLE media (
        id INTEGER PRIMARY KEY AUTO_INCREMENT, event VARCHAR(64) NOT NULL, number SMALLINT UNSIGNED NOT NULL, title VARCHAR(10) CHARACTER SET utf8mb4,
        seconds INTEGER, price NUMERIC(6,2), hot BOOLEAN, at DATETIME(3), day DATE, more JSON, state VARCHAR(9) NOT NULL DEFAULT 'new',
        UNIQUE (event, number))""",
}  # fmt: skip


COLUMNS = {
    "event": "event.id",
    "number": "index",
    "title": "event.data.stream",
    "seconds": "file.duration_seconds",
    "price": "file.duration_seconds * 0.015",
    "hot": "event.type == 'recording.failed'",
    "at": "event.data.received_at",
    "day": "event.data.received_at",
    "more": "{'files': size(event.data.files), 'job': event.data.job_id}",
}
