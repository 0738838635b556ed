"""Each thing that the store asks of a PostgreSQL (docs/scaling.md), tried: with two sessions, on tables of the doctor's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from gateway.store.doctor.two_sessions import Lacking, Server, Slower

NOTICE_SECONDS: Final = 2.0  # within which one session must hear of another

MAKE: Final = (
    """CREATE TABLE {t} (id bigint PRIMARY KEY, name text COLLATE "C" NOT NULL, key text, state text NOT NULL,
      token integer NOT NULL DEFAULT 0, raw bytea, UNIQUE (name))""",
    "CREATE UNIQUE INDEX {t}_head ON {t} (key) WHERE key IS NOT NULL AND state = 'open'",
    "CREATE TABLE {t}_of (parent bigint NOT NULL REFERENCES {t} (id) ON DELETE CASCADE)",
    "INSERT INTO {t} (id, name, key, state) VALUES (1, 'one', 'k', 'open'), (2, 'two', NULL, 'open')",
)
REMOVE: Final = (
    "DROP TABLE IF EXISTS {t}_numbered",
    "DROP FUNCTION IF EXISTS {t}_next(text)",
    "DROP TABLE IF EXISTS {t}_of",
    "DROP TABLE IF EXISTS {t}",
)
_WRITE_IN_WITH: Final = """WITH x AS MATERIALIZED (SELECT * FROM unnest(CAST(%s AS bigint[]), CAST(%s AS text[]))
    WITH ORDINALITY AS x (id, name, place)),
  made AS (INSERT INTO {t} (id, name, state) SELECT x.id, x.name, 'open' FROM x ORDER BY x.place
    ON CONFLICT (name) DO NOTHING RETURNING id),
  gone AS (UPDATE {t} AS g SET token = g.token + 1 WHERE g.id = ANY (ARRAY[1]) RETURNING g.id)
SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM gone), l.token FROM {t} AS g
  LEFT JOIN LATERAL (SELECT h.token FROM {t} AS h WHERE h.id = g.id) AS l ON true WHERE g.id = 1"""
_WALK: Final = """WITH RECURSIVE names(name) AS (SELECT (SELECT d.name FROM {t} d ORDER BY d.name LIMIT 1)
    UNION ALL SELECT (SELECT d.name FROM {t} d WHERE d.name > names.name ORDER BY d.name LIMIT 1) FROM names
    WHERE names.name IS NOT NULL) SELECT count(*) FROM names"""


def _commits(server: Server) -> str:
    server.rows("BEGIN")
    server.rows("UPDATE {t} SET token = 7 WHERE id = 2")
    if server.ask("SELECT token FROM {t} WHERE id = 2", server.second) == 7:
        raise Lacking("another session saw what was not committed")
    server.rows("COMMIT")
    if server.ask("SELECT token FROM {t} WHERE id = 2", server.second) != 7:
        raise Lacking("another session does not see what was committed")
    return "seen by others after the commit, and not before"


def _out_of_order(server: Server) -> str:
    server.rows("BEGIN ISOLATION LEVEL REPEATABLE READ")
    server.rows("SELECT token FROM {t} WHERE id = 2")
    server.rows("UPDATE {t} SET token = token + 1 WHERE id = 2", server.second)
    try:
        server.rows("UPDATE {t} SET token = token + 1 WHERE id = 2")
        server.rows("COMMIT")
    except server.errors.Error as error:
        if getattr(error, "sqlstate", None) not in ("40001", "40P01"):
            raise
        return f"refused with {error.sqlstate}"
    raise Lacking("of two changes of one row one was lost without a word")


def _conflict(server: Server) -> str:
    many = "INSERT INTO {t} (id, name, state) VALUES (3, 'one', 'open') ON CONFLICT (name) DO NOTHING RETURNING id"
    if server.rows(many):
        raise Lacking("a unique key is not kept")
    update = """INSERT INTO {t} AS o (id, name, state) VALUES (3, 'one', 'open') ON CONFLICT (name) DO UPDATE
      SET token = o.token + 1 WHERE o.state = 'dead' RETURNING o.id"""
    if server.rows(update):
        raise Lacking("DO UPDATE … WHERE changes what its condition leaves out")
    try:
        server.rows("INSERT INTO {t} (id, name, key, state) VALUES (4, 'four', 'k', 'open')")
    except server.errors.IntegrityError:
        server.rows("INSERT INTO {t} (id, name, key, state) VALUES (4, 'four', 'k', 'dead')")
        return "kept, also partial ones"
    raise Lacking("a partial unique index is not kept")


def _fence(server: Server) -> str:
    claim = "UPDATE {t} SET token = token + 1 WHERE id = 1 AND token = %s RETURNING token"
    before = server.ask("SELECT token FROM {t} WHERE id = 1")
    if len(server.rows(claim, None, (before,))) != 1 or server.rows(claim, server.second, (before,)):
        raise Lacking("two sessions claimed one row under one token")
    return "one of two claims gets the row"


def _skip_locked(server: Server) -> str:
    claim = "SELECT id FROM {t} WHERE id < 3 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
    server.rows("BEGIN")
    server.rows("BEGIN", server.second)
    mine, theirs = server.ask(claim), server.ask(claim, server.second)
    if mine == theirs:
        raise Slower("two sessions locked one row")
    return "two claims at once get two rows"


def _statements(server: Server) -> str:
    ((made, gone, _),) = server.rows(_WRITE_IN_WITH, None, ([11, 12], ["eleven", "twelve"]))
    if (made, gone) != (2, 1) or server.ask(_WALK) < 4:
        raise Lacking("WITH that writes gives other rows than PostgreSQL")
    return "WITH that writes, unnest, LATERAL, WITH RECURSIVE"


def _cascade(server: Server) -> str:
    server.rows("INSERT INTO {t}_of (parent) VALUES (2)")
    server.rows("DELETE FROM {t} WHERE id = 2")
    if server.ask("SELECT count(*) FROM {t}_of"):
        raise Lacking("rows stay whose event is gone")
    return "rows go with what they belong to"


def _values(server: Server) -> str:
    raw, text = bytes(range(256)), "ä漢😀 ~"
    server.rows("INSERT INTO {t} (id, name, state, raw) VALUES (%s, %s, 'open', %s)", None, (2**62, text, raw))
    ((id_, name, back),) = server.rows("SELECT id, name, raw FROM {t} WHERE id > 99")
    if (id_, name, back) != (2**62, text, raw):
        raise Lacking("what is read is not what was written")
    if not server.ask("SELECT CAST('a' AS text) COLLATE \"C\" > CAST('B' AS text)"):
        raise Lacking('COLLATE "C" does not compare bytes')
    server.rows("SELECT value ->> 0 FROM json_array_elements(CAST('[[1, 2]]' AS json)) AS news (value)")
    return "UTF-8, 64 bits, bytes, JSON"


def _advisory(server: Server) -> str:
    server.rows("BEGIN")
    server.rows("SELECT pg_advisory_xact_lock(5935186912435627384)")
    if server.ask("SELECT pg_try_advisory_xact_lock(5935186912435627384)", server.second):
        raise Lacking("two sessions hold one advisory lock")
    return "they keep others out"


def _fresh(server: Server) -> str:
    server.rows("BEGIN ISOLATION LEVEL READ COMMITTED")
    before = server.ask("SELECT token FROM {t} WHERE id = 1")
    server.rows("UPDATE {t} SET token = token + 1 WHERE id = 1", server.second)
    if server.ask("SELECT token FROM {t} WHERE id = 1") == before:
        raise Lacking("READ COMMITTED runs as something stricter: a transaction sees one moment only")
    return "each statement sees what was committed before it"


def _numbered(server: Server) -> str:
    server.rows("CREATE TABLE {t}_numbered (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, n integer)")
    put = "INSERT INTO {t}_numbered (n) VALUES (1) RETURNING id"
    numbers = [server.ask(put, session) for session in (server.first, server.second, server.first)]
    if numbers != sorted(set(numbers)):
        raise Lacking(f"two sessions got the numbers {numbers}: not in the order in which they asked")
    return "numbers come in order, whichever session asks"


def _function(server: Server) -> str:
    server.rows("""CREATE FUNCTION {t}_next(named text) RETURNS bigint LANGUAGE sql AS
      'UPDATE {t} SET token = token + 1 WHERE name = named RETURNING CAST(token AS bigint)'""")
    first, second = (server.ask("SELECT {t}_next('one')", session) for session in (server.first, server.second))
    if second != first + 1:
        raise Lacking(f"a function that writes gave {first}, then {second}")
    return "a function may write"


def _listen(server: Server) -> str:
    if server.pooled:
        raise Lacking("a pooler lends connections out")
    server.rows("LISTEN {t}")
    server.rows("SELECT pg_notify('{t}', 'x')", server.second)
    if not list(server.first.notifies(timeout=NOTICE_SECONDS, stop_after=1)):
        raise Lacking(f"a notice did not come within {NOTICE_SECONDS:g} s")
    server.rows("UNLISTEN {t}")
    return "gateways hear of each other's rows at once"


def _elsewhere(server: Server) -> str:
    server.rows("BEGIN ISOLATION LEVEL REPEATABLE READ")
    before = server.ask("SELECT count(*) FROM {t}")
    with server.second.cursor() as cursor, cursor.copy(f"COPY {server.scratch} (id, name, state) FROM STDIN") as copy:
        copy.write_row((21, "copied", "open"))
    if server.ask("SELECT count(*) FROM {t}") != before:
        raise Lacking("REPEATABLE READ sees more than one moment")
    server.rows("ROLLBACK")
    server.rows("BEGIN")
    server.rows("LOCK TABLE {t} IN SHARE MODE")
    return "a snapshot, COPY, LOCK TABLE"


@dataclass(frozen=True, slots=True)
class ServerTrial:
    """`needed`: in which mode. `without`: what it means where it is not so. `run` says what holds, or raises."""

    name: str
    needed: Literal["always", "full", "reduced", "never"]
    without: str
    run: Callable[[Server], str]


_NOT_THIS: Final = "the store cannot be kept here"
TRIALS: Final = (
    ServerTrial("transactions", "always", _NOT_THIS, _commits),
    ServerTrial("what is out of order", "always", "two gateways overwrite what the other did", _out_of_order),
    ServerTrial("unique keys", "always", "events and deliveries would come twice", _conflict),
    ServerTrial("fencing", "always", "a late gateway overwrites what another did", _fence),
    ServerTrial("SKIP LOCKED", "always", "of two claims at once one goes away empty, or waits", _skip_locked),
    ServerTrial("statements", "always", _NOT_THIS, _statements),
    ServerTrial("values", "always", "events could not be kept byte for byte", _values),
    ServerTrial("foreign keys", "always", "retention and erasing leave rows behind", _cascade),
    ServerTrial("advisory locks", "full", "rows stand in for them: a new store is made in the reduced mode", _advisory),
    ServerTrial("fresh snapshots", "full", "say `?mode=reduced` in store.url: what is behind a lock would not be seen", _fresh),
    ServerTrial("sequences", "full", "say `?mode=reduced` in store.url: streams could lose their order", _numbered),
    ServerTrial("functions", "reduced", "the reduced mode gives numbers by one", _function),
    ServerTrial("LISTEN", "never", "other gateways' rows are found by polling, once a second", _listen),
    ServerTrial("moving", "never", "store copy, import, export or backup do not work here", _elsewhere),
)  # fmt: skip
