CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, variant BLOB NOT NULL DEFAULT x'',
        held TEXT CHECK (held IN ('conflict', 'quarantined')), conflicts INTEGER NOT NULL DEFAULT 0, seal BLOB,
        source TEXT NOT NULL, type TEXT NOT NULL, subject TEXT NOT NULL, received_at INTEGER NOT NULL,
        trust INTEGER NOT NULL DEFAULT 0, supersedes TEXT, superseded TEXT, trace TEXT,
        fingerprint BLOB NOT NULL, body TEXT NOT NULL, raw BLOB NOT NULL, raw_type TEXT NOT NULL,
        routing TEXT NOT NULL, cause TEXT, UNIQUE (id, source, variant)) STRICT;

CREATE INDEX events_cause ON events (cause, source) WHERE cause IS NOT NULL;

CREATE INDEX events_seal ON events (seal, fingerprint) WHERE seal IS NOT NULL;

CREATE INDEX events_kind ON events (type, source, seq);

CREATE INDEX events_held ON events (seq) WHERE held IS NOT NULL;

CREATE TABLE verdicts (
        id INTEGER PRIMARY KEY AUTOINCREMENT, event INTEGER NOT NULL REFERENCES events (seq) ON DELETE CASCADE, made_at INTEGER NOT NULL,
        made_by TEXT NOT NULL, routing TEXT NOT NULL) STRICT;

CREATE INDEX verdicts_event ON verdicts (event, id);

CREATE TABLE deliveries (
        id INTEGER PRIMARY KEY AUTOINCREMENT, event INTEGER NOT NULL REFERENCES events (seq) ON DELETE CASCADE, sink TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'sending') OR state IN ('delivered', 'dead')),
        rank INTEGER NOT NULL CHECK (rank BETWEEN 0 AND 4), due_at INTEGER NOT NULL, token INTEGER NOT NULL,
        attempts INTEGER NOT NULL CHECK (attempts >= 0), round INTEGER NOT NULL DEFAULT 0, since_at INTEGER NOT NULL,
        first_at INTEGER, stalled INTEGER NOT NULL DEFAULT 0, replay INTEGER NOT NULL DEFAULT 0, order_key TEXT, owner TEXT,
        source TEXT NOT NULL DEFAULT '', weak INTEGER NOT NULL DEFAULT 0, group_key TEXT,
        memo TEXT, progress TEXT, reason TEXT CHECK (reason IN ('refused', 'expired') OR reason IN ('cancelled', 'crashed') OR reason = 'no_owner'), note TEXT, last_error TEXT,
        alarmed INTEGER NOT NULL DEFAULT 0, losses INTEGER NOT NULL DEFAULT 0, lone_losses INTEGER NOT NULL DEFAULT 0, alone INTEGER NOT NULL DEFAULT 0,
        UNIQUE (event, sink), CHECK ((rank = 3) = (state = 'sending'))) STRICT;

CREATE INDEX deliveries_due ON deliveries (sink, rank, due_at, id) WHERE state IN ('waiting','sending');

CREATE INDEX deliveries_grouped ON deliveries (group_key, rank, due_at, id)
        WHERE group_key IS NOT NULL AND state IN ('waiting','sending');

CREATE INDEX deliveries_untold ON deliveries (sink) WHERE state = 'dead' AND alarmed <= round;

CREATE INDEX deliveries_dead ON deliveries (sink, id) WHERE state = 'dead';

CREATE UNIQUE INDEX deliveries_head ON deliveries (sink, order_key)
        WHERE order_key IS NOT NULL AND rank <> 2 AND state IN ('waiting','sending');

CREATE INDEX deliveries_held ON deliveries (sink, order_key, id)
        WHERE rank = 2 AND state IN ('waiting','sending');

CREATE INDEX deliveries_losses ON deliveries (sink) WHERE losses > 0 AND state IN ('waiting','sending');

CREATE TABLE gateways (owner TEXT PRIMARY KEY, started_at INTEGER NOT NULL, seen_at INTEGER NOT NULL) STRICT;

CREATE TABLE rates (
        sink TEXT NOT NULL, owner TEXT NOT NULL, tokens INTEGER NOT NULL, until_at INTEGER NOT NULL,
        free_at INTEGER NOT NULL, PRIMARY KEY (sink, owner)) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
        delivery INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE, token INTEGER NOT NULL,
        started_at INTEGER NOT NULL, took_ms INTEGER NOT NULL, outcome TEXT NOT NULL, status INTEGER, detail TEXT NOT NULL,
        PRIMARY KEY (delivery, token)) STRICT, WITHOUT ROWID;

CREATE TABLE sinks (
        name TEXT PRIMARY KEY, paused_at INTEGER, paused_by TEXT, open_until INTEGER, pauses INTEGER NOT NULL DEFAULT 0,
        probe_until INTEGER, reason TEXT, stalled_ms INTEGER NOT NULL DEFAULT 0, stalled_since INTEGER, seen_at INTEGER) STRICT;

CREATE TABLE alarms (
        type TEXT NOT NULL, about TEXT NOT NULL, holds INTEGER NOT NULL, announced INTEGER NOT NULL DEFAULT 0,
        since_at INTEGER NOT NULL, announced_at INTEGER, occurrences INTEGER NOT NULL DEFAULT 0, detail TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (type, about)) STRICT, WITHOUT ROWID;

CREATE TABLE remembered (
        id TEXT NOT NULL, source TEXT NOT NULL, fingerprint BLOB NOT NULL, trust INTEGER NOT NULL,
        held INTEGER NOT NULL, seal BLOB, seen_at INTEGER NOT NULL,
        PRIMARY KEY (id, source, fingerprint, trust, held)) STRICT, WITHOUT ROWID;

CREATE INDEX remembered_seal ON remembered (seal, fingerprint) WHERE seal IS NOT NULL;

CREATE INDEX remembered_seen ON remembered (seen_at);

CREATE TABLE erasures (id INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, ref TEXT NOT NULL, at INTEGER NOT NULL) STRICT;

CREATE TABLE key_uses (
        source TEXT NOT NULL, mark TEXT NOT NULL, last_at INTEGER NOT NULL, PRIMARY KEY (source, mark)) STRICT, WITHOUT ROWID;

CREATE TABLE refused (
        id INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, verified INTEGER NOT NULL DEFAULT 0, code TEXT NOT NULL, detail TEXT NOT NULL, received_at INTEGER NOT NULL,
        method TEXT NOT NULL, path TEXT NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL, size INTEGER NOT NULL,
        peer TEXT) STRICT;

CREATE INDEX refused_source ON refused (source, verified, id);

CREATE TABLE source_activity (
        source TEXT NOT NULL, ignored INTEGER NOT NULL, vendor_type TEXT NOT NULL DEFAULT '',
        seen_at INTEGER NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (source, ignored, vendor_type)) STRICT, WITHOUT ROWID;

CREATE TABLE minutes (
        minute INTEGER NOT NULL, owner TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, total INTEGER NOT NULL,
        good INTEGER NOT NULL, bad INTEGER NOT NULL, dead INTEGER NOT NULL, last_at INTEGER NOT NULL, spread TEXT,
        PRIMARY KEY (minute, owner, kind, name)) STRICT, WITHOUT ROWID;

CREATE TABLE live (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, kind TEXT NOT NULL, source TEXT NOT NULL, sink TEXT NOT NULL, type TEXT NOT NULL,
        event TEXT NOT NULL, body TEXT NOT NULL) STRICT;

CREATE TABLE jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT, created_at INTEGER NOT NULL, finished_at INTEGER, actor TEXT NOT NULL, place TEXT NOT NULL,
        holder TEXT NOT NULL, act TEXT NOT NULL, filter TEXT NOT NULL, options TEXT NOT NULL, pause_us INTEGER NOT NULL,
        matched INTEGER NOT NULL, upto INTEGER NOT NULL, at_row INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0,
        failed INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL, result TEXT NOT NULL DEFAULT '',
        answers TEXT NOT NULL DEFAULT '[]', audit INTEGER, owner TEXT, until_at INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE INDEX jobs_open ON jobs (id) WHERE finished_at IS NULL;

CREATE TABLE requests (
        token TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, at INTEGER NOT NULL, status INTEGER NOT NULL,
        body BLOB NOT NULL, PRIMARY KEY (token, name)) STRICT, WITHOUT ROWID;

CREATE INDEX requests_at ON requests (at);

CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL, place TEXT NOT NULL, act TEXT NOT NULL, target TEXT NOT NULL,
        filter TEXT, matched INTEGER NOT NULL, done INTEGER NOT NULL, result TEXT NOT NULL) STRICT;

CREATE INDEX audit_act ON audit (act, id);

CREATE INDEX audit_actor ON audit (actor, id);

CREATE TABLE recording_sessions (
        id INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, subject TEXT NOT NULL, domain TEXT, app TEXT, stream TEXT NOT NULL, task TEXT,
        state TEXT NOT NULL, from_at INTEGER NOT NULL, to_at INTEGER NOT NULL, pushed_at INTEGER, unpushed_at INTEGER,
        started_at INTEGER, ended_at INTEGER, failed_at INTEGER, begun INTEGER NOT NULL, completed INTEGER NOT NULL,
        overdue INTEGER NOT NULL) STRICT;

CREATE INDEX recording_sessions_stream ON recording_sessions (source, subject, from_at);

CREATE INDEX recording_sessions_state ON recording_sessions (state, id) WHERE state <> 'ended';

CREATE TABLE recording_events (
        event INTEGER PRIMARY KEY REFERENCES events (seq) ON DELETE CASCADE,
        recording INTEGER NOT NULL REFERENCES recording_sessions (id) ON DELETE CASCADE, job TEXT) STRICT;

CREATE TABLE file_places (
        source TEXT NOT NULL, place BLOB NOT NULL, id TEXT NOT NULL, listed INTEGER NOT NULL,
        trust INTEGER NOT NULL, seen_at INTEGER NOT NULL, PRIMARY KEY (source, place, id)) STRICT, WITHOUT ROWID;

CREATE INDEX file_places_seen ON file_places (seen_at);

CREATE TABLE reconciliations (
        source TEXT PRIMARY KEY, due_at INTEGER NOT NULL, owner TEXT, until_at INTEGER NOT NULL, known_from INTEGER NOT NULL,
        noted INTEGER NOT NULL, noted_at INTEGER NOT NULL, failures INTEGER NOT NULL, run TEXT, last TEXT, error TEXT) STRICT;

CREATE TABLE watches (
        id INTEGER PRIMARY KEY AUTOINCREMENT, rule TEXT NOT NULL, recording INTEGER NOT NULL REFERENCES recording_sessions (id) ON DELETE CASCADE,
        event INTEGER NOT NULL, expect TEXT NOT NULL, state TEXT NOT NULL, since_at INTEGER NOT NULL, due_at INTEGER NOT NULL,
        UNIQUE (rule, event)) STRICT;

CREATE INDEX watches_due ON watches (due_at, id) WHERE state IN ('waiting', 'back');

CREATE INDEX watches_recording ON watches (recording, rule);

CREATE INDEX recording_events_recording ON recording_events (recording, event);

CREATE INDEX recording_events_job ON recording_events (job) WHERE job IS NOT NULL;

INSERT INTO meta (name, value) VALUES ('schema', '1'), ('shape', '05044ac73b2e1ce2'), ('instance', '0011223344556677'), ('made_at', '1767225600000');

INSERT INTO events (id, source, type, subject, received_at, trust, fingerprint, body, raw, raw_type, routing) VALUES ('0123456789abcdef', 'live', 'recording.file.completed', 's', 1767225600000, 3, x'7b7d', '{"id":"0123456789abcdef","source":"live","type":"recording.file.completed","subject":"s","time":"2026-01-01T00:00:00Z","specversion":"1.0","data":{"provider":"huawei-live","stream":"s"}}', x'7b7d', 'application/json', '[]');

INSERT INTO deliveries (event, sink, state, rank, due_at, token, attempts, since_at, first_at, source) VALUES (1, 'app', 'waiting', 1, 1767225600000, 1, 1, 1767225600000, 1767225600000, 'live'), (1, 'other', 'delivered', 0, 1767225600000, 1, 1, 1767225600000, 1767225600000, 'live');

INSERT INTO attempts (delivery, token, started_at, took_ms, outcome, status, detail) VALUES (1, 1, 1767225600000, 5, 'retry', 503, 'busy'), (2, 1, 1767225600000, 5, 'delivered', 200, '');

INSERT INTO sinks (name, paused_at, paused_by) VALUES ('other', 1767225600000, 'somebody');

INSERT INTO refused (source, code, detail, received_at, method, path, headers, body, size) VALUES ('live', 'untrusted', 'no signature', 1767225600000, 'POST', '/hooks/live', '[]', x'7b7d', 2);

INSERT INTO audit (at, actor, place, act, target, matched, done, result) VALUES (1767225600000, 'somebody', 'here', 'sinks pause', 'other', 1, 1, 'paused');

