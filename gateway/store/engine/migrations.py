"""Makes and brings forward the store's tables: every step once, for both databases. A step that is here never
changes, because stores were made by it: what changes is a step behind it, which only adds."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from typing import Final, Literal

from gateway.errors import SchemaMismatch, StoreUnavailable
from gateway.store.engine.dialects import BESIDE_REDUCED, WORDS, in_words_of
from gateway.store.engine.patience import NoTablesYet, NotYet
from gateway.store.engine.reruns import pause
from gateway.store.engine.session import Session, Trouble, value_of

# The partial indexes' conditions are repeated word for word in the statements that want them, or SQLite ignores them.
_FIRST: Final = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL){end}",
    # An event is known by (source, id). variant: empty for the first content that stood under it, else what tells
    # another one apart. trust: Trust.rank. conflicts counts, on the oldest row, the other contents that came. supersedes,
    # superseded: the content whose place this one took, and the one that took this one's; as `id` or `id~variant`.
    # trace: the W3C trace context that its attempts continue, as TraceContext.stored writes it.
    # body is text, not jsonb: byte-stable for signing.
    """CREATE TABLE events (
        seq {key}, id TEXT{exact} NOT NULL, variant {blob} NOT NULL DEFAULT {none},
        held TEXT CHECK (held IN ('conflict', 'quarantined')), conflicts {int} NOT NULL DEFAULT 0, seal {blob},
        source TEXT NOT NULL, type TEXT NOT NULL, subject TEXT NOT NULL, received_at {int} NOT NULL,
        trust {small} NOT NULL DEFAULT 0, supersedes TEXT, superseded TEXT, trace TEXT,
        fingerprint {blob} NOT NULL, body TEXT NOT NULL, raw {blob} NOT NULL, raw_type TEXT NOT NULL,
        routing TEXT NOT NULL, cause TEXT, UNIQUE (id, source, variant)){end}""",
    # cause: the `ref` of the event of the same source that a follow-up follows on.
    "CREATE INDEX events_cause ON events (cause, source) WHERE cause IS NOT NULL",
    "CREATE INDEX events_seal ON events (seal, fingerprint) WHERE seal IS NOT NULL",
    "CREATE INDEX events_kind ON events (type, source, seq)",  # people ask for a type, or a source's, among a million
    "CREATE INDEX events_held ON events (seq) WHERE held IS NOT NULL",
    # What routes said later, one after the other; what they said first stands in events.routing. made_by: who asked.
    """CREATE TABLE verdicts (
        id {key}, event {int} NOT NULL REFERENCES events (seq) ON DELETE CASCADE, made_at {int} NOT NULL,
        made_by TEXT NOT NULL, routing TEXT NOT NULL){end}""",
    "CREATE INDEX verdicts_event ON verdicts (event, id)",
    # alarmed: 1 more than the last round whose death an alarm has counted. rank: records.Rank. weak: 1 where its signature carried too many contents, so it goes last. due_at: waiting: next
    # try; sending: end of the lease; finished: when. token: fencing, +1 at every claim and cancel, never lowered. attempts: of this round.
    # losses: how often in a row its process died with it in flight; lone_losses: of these, with nothing else in flight
    # (`alone`: so it is now). In pairs, because SQLite makes a table of a longer list for each row that is written, which
    # took a third of a settle. first_at, stalled: when this round's first attempt began, and the sink's stalled clock (ms) then.
    """CREATE TABLE deliveries (
        id {key}, event {int} NOT NULL REFERENCES events (seq) ON DELETE CASCADE, sink TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'sending') OR state IN ('delivered', 'dead')),
        rank {small} NOT NULL CHECK (rank BETWEEN 0 AND 4), due_at {int} NOT NULL, token {small} NOT NULL,
        attempts {small} NOT NULL CHECK (attempts >= 0), round {small} NOT NULL DEFAULT 0, since_at {int} NOT NULL,
        first_at {int}, stalled {int} NOT NULL DEFAULT 0, replay {small} NOT NULL DEFAULT 0, order_key TEXT, owner TEXT,
        source TEXT NOT NULL DEFAULT '', weak {small} NOT NULL DEFAULT 0, group_key TEXT,
        memo TEXT, progress TEXT, reason TEXT CHECK (reason IN ('refused', 'expired') OR reason IN ('cancelled', 'crashed') OR reason = 'no_owner'), note TEXT, last_error TEXT,
        alarmed {small} NOT NULL DEFAULT 0, losses {small} NOT NULL DEFAULT 0, lone_losses {small} NOT NULL DEFAULT 0, alone {small} NOT NULL DEFAULT 0,
        UNIQUE (event, sink), CHECK ((rank = 3) = (state = 'sending'))){busy}""",
    "CREATE INDEX deliveries_due ON deliveries (sink, rank, due_at, id) WHERE state IN ('waiting','sending')",
    # group_key: what goes in one batch with it (see outbox/groups.py); rows of other sinks have none.
    """CREATE INDEX deliveries_grouped ON deliveries (group_key, rank, due_at, id)
        WHERE group_key IS NOT NULL AND state IN ('waiting','sending')""",
    "CREATE INDEX deliveries_untold ON deliveries (sink) WHERE state = 'dead' AND alarmed <= round",
    "CREATE INDEX deliveries_dead ON deliveries (sink, id) WHERE state = 'dead'",
    """CREATE UNIQUE INDEX deliveries_head ON deliveries (sink, order_key)
        WHERE order_key IS NOT NULL AND rank <> 2 AND state IN ('waiting','sending')""",
    """CREATE INDEX deliveries_held ON deliveries (sink, order_key, id)
        WHERE rank = 2 AND state IN ('waiting','sending')""",
    "CREATE INDEX deliveries_losses ON deliveries (sink) WHERE losses > 0 AND state IN ('waiting','sending')",
    # The gateways that live on a shared database, so that a lease that ended late is told from one whose owner died.
    "CREATE TABLE gateways (owner TEXT PRIMARY KEY, started_at {int} NOT NULL, seen_at {int} NOT NULL){end}",
    # Each gateway's share of a sink's rate, and what was spent of shares that changed hands (see outbox/rates.py).
    """CREATE TABLE rates (
        sink TEXT NOT NULL, owner TEXT NOT NULL, tokens {small} NOT NULL, until_at {int} NOT NULL,
        free_at {int} NOT NULL, PRIMARY KEY (sink, owner)){pairs}""",
    # outcome: delivered retry refused unavailable lost. token names the claim, so a repeat is seen.
    """CREATE TABLE attempts (
        delivery {int} NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE, token {small} NOT NULL,
        started_at {int} NOT NULL, took_ms {int} NOT NULL, outcome TEXT NOT NULL, status {int}, detail TEXT NOT NULL,
        PRIMARY KEY (delivery, token)){pairs}""",
    # stalled_ms: what the sink stood still in all, before stalled_since (paused or open now). seen_at: last served.
    """CREATE TABLE sinks (
        name TEXT PRIMARY KEY, paused_at {int}, paused_by TEXT, open_until {int}, pauses {int} NOT NULL DEFAULT 0,
        probe_until {int}, reason TEXT, stalled_ms {int} NOT NULL DEFAULT 0, stalled_since {int}, seen_at {int}){end}""",
    # What the gateway says of itself. holds: it is so now. announced: people were told so. occurrences: since they were told.
    """CREATE TABLE alarms (
        type TEXT NOT NULL, about TEXT NOT NULL, holds {small} NOT NULL, announced {small} NOT NULL DEFAULT 0,
        since_at {int} NOT NULL, announced_at {int}, occurrences {int} NOT NULL DEFAULT 0, detail TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (type, about)){pairs}""",
    # The contents of events that retention or a person deleted, so that a repeat is still known. held: 1, it never stood.
    """CREATE TABLE remembered (
        id TEXT{exact} NOT NULL, source TEXT NOT NULL, fingerprint {blob} NOT NULL, trust {small} NOT NULL,
        held {small} NOT NULL, seal {blob}, seen_at {int} NOT NULL,
        PRIMARY KEY (id, source, fingerprint, trust, held)){pairs}""",
    "CREATE INDEX remembered_seal ON remembered (seal, fingerprint) WHERE seal IS NOT NULL",
    "CREATE INDEX remembered_seen ON remembered (seen_at)",
    # What people erased, so that every gateway tells its sinks (see outbox/erasures.py). ref: `id` or `id~variant`.
    "CREATE TABLE erasures (id {key}, source TEXT NOT NULL, ref TEXT NOT NULL, at {int} NOT NULL){end}",
    # When each key of a source last verified something. mark: of the key, not its place in the list.
    """CREATE TABLE key_uses (
        source TEXT NOT NULL, mark TEXT NOT NULL, last_at {int} NOT NULL, PRIMARY KEY (source, mark)){pairs}""",
    # source: empty where the path named none. verified: 1, the signature fitted (or the path nearly did): these have a
    # quota of their own, so that what anybody can send pushes nothing out that can be had back.
    """CREATE TABLE refused (
        id {key}, source TEXT NOT NULL, verified {small} NOT NULL DEFAULT 0, code TEXT NOT NULL, detail TEXT NOT NULL, received_at {int} NOT NULL,
        method TEXT NOT NULL, path TEXT NOT NULL, headers TEXT NOT NULL, body {blob} NOT NULL, size {int} NOT NULL,
        peer TEXT){end}""",
    "CREATE INDEX refused_source ON refused (source, verified, id)",
    # The last verified callback of each source (ignored: 0), and the last of each vendor type that made no event (1).
    """CREATE TABLE source_activity (
        source TEXT NOT NULL, ignored {small} NOT NULL, vendor_type TEXT{exact} NOT NULL DEFAULT '',
        seen_at {int} NOT NULL, size {int} NOT NULL, PRIMARY KEY (source, ignored, vendor_type)){pairs}""",
    # What happened in each minute, of one process each (owner is unique a start), for plots. kind: source, code, verified
    # or sink; total: callbacks or attempts; spread: how many attempts took how long (JSON).
    """CREATE TABLE minutes (
        minute {int} NOT NULL, owner TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, total {int} NOT NULL,
        good {int} NOT NULL, bad {int} NOT NULL, dead {int} NOT NULL, last_at {int} NOT NULL, spread TEXT,
        PRIMARY KEY (minute, owner, kind, name)){pairs}""",
    # News for those who watch, written only while somebody does. event: the id of the event it speaks of.
    """CREATE TABLE live (
        id {key}, at {int} NOT NULL, kind TEXT NOT NULL, source TEXT NOT NULL, sink TEXT NOT NULL, type TEXT NOT NULL,
        event TEXT NOT NULL, body TEXT NOT NULL){end}""",
    # Bulk acts. options: {to, reroute}; rate: milliseconds between two; at_row: the last row that was looked at; holder:
    # the token it was asked with; owner, until_at: the gateway that does it, and until when nobody else may.
    """CREATE TABLE jobs (
        id {key}, created_at {int} NOT NULL, finished_at {int}, actor TEXT NOT NULL, place TEXT NOT NULL,
        holder TEXT NOT NULL, act TEXT NOT NULL, filter TEXT NOT NULL, options TEXT NOT NULL, pause_us {int} NOT NULL,
        matched {int} NOT NULL, upto {int} NOT NULL, at_row {int} NOT NULL DEFAULT 0, done {int} NOT NULL DEFAULT 0,
        failed {int} NOT NULL DEFAULT 0, state TEXT NOT NULL, result TEXT NOT NULL DEFAULT '',
        answers TEXT NOT NULL DEFAULT '[]', audit {int}, owner TEXT, until_at {int} NOT NULL DEFAULT 0){end}""",
    "CREATE INDEX jobs_open ON jobs (id) WHERE finished_at IS NULL",
    # Answers to requests with an Idempotency-Key, for a day. status 0: under way.
    """CREATE TABLE requests (
        token TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, at {int} NOT NULL, status {int} NOT NULL,
        body {blob} NOT NULL, PRIMARY KEY (token, name)){pairs}""",
    "CREATE INDEX requests_at ON requests (at)",
    # What people did. It refers to nothing, because it outlives what it was done to.
    """CREATE TABLE audit (
        id {key}, at {int} NOT NULL, actor TEXT NOT NULL, place TEXT NOT NULL, act TEXT NOT NULL, target TEXT NOT NULL,
        filter TEXT, matched {int} NOT NULL, done {int} NOT NULL, result TEXT NOT NULL){end}""",
    "CREATE INDEX audit_act ON audit (act, id)",  # each page with the configuration shows its last reloads
    "CREATE INDEX audit_actor ON audit (actor, id)",
    # What events of one stream are joined into (see outbox/recording_state.py). from_at, to_at: its first and last event; begun,
    # completed: files. `meta` has how far the events were looked at.
    """CREATE TABLE recording_sessions (
        id {key}, source TEXT NOT NULL, subject TEXT NOT NULL, domain TEXT, app TEXT, stream TEXT NOT NULL, task TEXT,
        state TEXT NOT NULL, from_at {int} NOT NULL, to_at {int} NOT NULL, pushed_at {int}, unpushed_at {int},
        started_at {int}, ended_at {int}, failed_at {int}, begun {int} NOT NULL, completed {int} NOT NULL,
        overdue {int} NOT NULL){end}""",
    "CREATE INDEX recording_sessions_stream ON recording_sessions (source, subject, from_at)",
    "CREATE INDEX recording_sessions_state ON recording_sessions (state, id) WHERE state <> 'ended'",  # the few
    """CREATE TABLE recording_events (
        event {int} PRIMARY KEY REFERENCES events (seq) ON DELETE CASCADE,
        recording {int} NOT NULL REFERENCES recording_sessions (id) ON DELETE CASCADE, job TEXT{exact}){end}""",
    # Where the files of events lie, of sources whose vendor's own list is asked for (see outbox/file_places.py). id: of
    # the event; listed: 1, the list brought it; trust: Trust.rank.
    """CREATE TABLE file_places (
        source TEXT NOT NULL, place {blob} NOT NULL, id TEXT{exact} NOT NULL, listed {small} NOT NULL,
        trust {small} NOT NULL, seen_at {int} NOT NULL, PRIMARY KEY (source, place, id)){pairs}""",
    "CREATE INDEX file_places_seen ON file_places (seen_at)",
    # The asking, one row a source (see outbox/reconciliation.py). due_at: when it begins again, or goes on; owner, until_at: the
    # gateway that does it, and until when nobody else may. known_from: what ended before may be forgotten here; noted: the
    # last event whose places are kept, at noted_at. run: the one under way, last: the last that ended, as JSON.
    """CREATE TABLE reconciliations (
        source TEXT PRIMARY KEY, due_at {int} NOT NULL, owner TEXT, until_at {int} NOT NULL, known_from {int} NOT NULL,
        noted {int} NOT NULL, noted_at {int} NOT NULL, failures {int} NOT NULL, run TEXT, last TEXT, error TEXT){end}""",
    # What is waited for behind an event, by a rule of `watch` (see outbox/watches.py).
    """CREATE TABLE watches (
        id {key}, rule TEXT NOT NULL, recording {int} NOT NULL REFERENCES recording_sessions (id) ON DELETE CASCADE,
        event {int} NOT NULL, expect TEXT NOT NULL, state TEXT NOT NULL, since_at {int} NOT NULL, due_at {int} NOT NULL,
        UNIQUE (rule, event)){end}""",
    "CREATE INDEX watches_due ON watches (due_at, id) WHERE state IN ('waiting', 'back')",
    "CREATE INDEX watches_recording ON watches (recording, rule)",
    "CREATE INDEX recording_events_recording ON recording_events (recording, event)",
    "CREATE INDEX recording_events_job ON recording_events (job) WHERE job IS NOT NULL",
)

STEPS: Final = (_FIRST,)
VERSION: Final = len(STEPS)
UNFINISHED: Final = "unfinished"  # instead of the digest, while rows come from another store: nobody opens it
_SHAPE_CHARS: Final = 16  # of the digest that tells a version from what stood in its place before

_TABLES: Final = {
    "sqlite": "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'meta'",
    "postgresql": "SELECT count(*) FROM pg_class WHERE oid = to_regclass('meta')",
}


def schema_version(session: Session) -> int:
    """The version of the tables that are there; 0: none."""
    ((there,),) = session.rows(_TABLES[session.backend])
    return int(value_of(session.rows("SELECT value FROM meta WHERE name = 'schema'")) or 0) if there else 0


def statements(backend: Literal["sqlite", "postgresql"]) -> Sequence[str]:
    """All that makes the tables of this program."""
    return [statement.format_map(WORDS[backend]) for step in STEPS for statement in step]


def shape(version: int) -> str:
    """A digest of the steps that lead to a version: what a store of that version has noted of itself."""
    steps = "\n".join(statement for step in STEPS[:version] for statement in step)
    return hashlib.sha256(steps.encode()).hexdigest()[:_SHAPE_CHARS]


def _refuse_development(session: Session, version: int, shown: str) -> None:
    """Raises SchemaMismatch where the tables have the number of a version and not its steps."""
    noted = value_of(session.rows("SELECT value FROM meta WHERE name = 'shape'"))
    if noted == UNFINISHED:
        raise SchemaMismatch(f"the store {shown} was not filled to its end: run the same `gateway store` command again")
    if noted != shape(version):
        raise SchemaMismatch(
            f"the store {shown} was made by an earlier development state of version {version}, whose tables no later "
            "program can bring forward: move it away, or name another store, and let the gateway make a new one"
        )


def require(session: Session, shown: str) -> None:
    """Check that the tables are this program's. Raises SchemaMismatch, which says what to do."""
    version = schema_version(session)
    if version > VERSION:
        raise SchemaMismatch(_newer(version, shown))
    if version < VERSION:
        kind = SchemaMismatch if version else NoTablesYet
        what = f"has tables of version {version}" if version else "has no tables yet"
        raise kind(
            f"the store {shown} {what}, this program needs version {VERSION}: run `gateway store migrate`, or start `gateway serve`"
        )
    _refuse_development(session, version, shown)


def migrate(session: Session, shown: str) -> tuple[int, int]:
    """Bring the tables to this program's version, one starter at a time: (from, to).

    Raises SchemaMismatch (newer, or an earlier development state), StoreUnavailable (the database will not have them; nothing was changed then).
    """
    reruns = 0
    while True:
        try:
            return _migrate(session, shown)
        except Exception as error:
            trouble = session.trouble(error)
            if trouble is Trouble.BUG:
                raise
            # Without locks two starters make the same table, and the one that was second finds it there.
            if (trouble is Trouble.AGAIN or session.reduced) and pause(reruns := reruns + 1, error):
                continue
            kind = NotYet if session.passes(error) else StoreUnavailable
            raise kind(
                f"the tables of {shown} cannot be made: {session.explain(error)}; "
                "the gateway needs a database of its own in which it may make tables"
            ) from None


def _migrate(session: Session, shown: str) -> tuple[int, int]:
    version = schema_version(session)
    if version == VERSION:
        _refuse_development(session, version, shown)
        return version, version
    with session.alone():
        version = schema_version(session)  # read again: another starter may have made it while this one waited
        if version > VERSION:
            raise SchemaMismatch(_newer(version, shown))
        if version:
            _refuse_development(session, version, shown)
        _bring_forward(session, version)
    return version, VERSION


def _bring_forward(session: Session, version: int) -> None:
    for step in STEPS[version:]:
        for statement in step:
            session.change(in_words_of(session, statement))
            if session.reduced and statement.startswith("CREATE TABLE meta"):
                for beside in BESIDE_REDUCED:
                    session.change(beside)
    if version == 0:
        made = "INSERT INTO meta (name, value) VALUES ('instance', :instance), ('made_at', CAST(:now AS text))"
        session.change(made, {"instance": secrets.token_hex(8)})
    session.change(
        "INSERT INTO meta (name, value) VALUES ('schema', :version), ('shape', :shape) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        {"version": str(VERSION), "shape": shape(VERSION)},
    )


def _newer(found: int, shown: str) -> str:
    return (
        f"the store {shown} has tables of version {found}, newer than this program's {VERSION}: "
        "start the newer program, or restore a backup made before the upgrade"
    )
