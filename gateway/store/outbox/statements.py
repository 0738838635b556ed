"""The outbox's transitions as SQL, one text for both databases (`:name` parameters, `:now` the store's milliseconds).

Every guard names the token, so that a late worker changes nothing. Conditions of partial indexes are repeated word for
word where an index is wanted, and avoided where a row is found by its id (`rank = 3` for `state = 'sending'`):
postgres_bulk says why. CAST tells PostgreSQL the type of a parameter that may be NULL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.store.records import CONSUMER, Rank


def by_rank(text: str) -> Mapping[int, str]:
    """The statement for each rank, as a word of it: beside partial indexes of other ranks SQLite compiles a statement anew at
    every run where the rank is a parameter, because an index might fit the next value."""
    return {int(rank): text.replace(":rank", f"{rank:d}") for rank in Rank}


# -- leases --------------------------------------------------------------------------------------------------------

SETTLE: Final = f"""UPDATE deliveries SET state = :state, due_at = :now + :delay,
    rank = CASE WHEN :state = 'waiting' AND weak = 1 THEN {Rank.LAST} ELSE {Rank.AGAIN} END, attempts = attempts - :unburnt,
    owner = NULL, memo = CAST(:memo AS text), reason = CAST(:reason AS text), note = coalesce(CAST(:note AS text), note),
    last_error = coalesce(CAST(:error AS text), last_error)
  WHERE id = :id AND token = :token AND state = 'sending'"""

# Through SELECT, so that an erased delivery does not fail the batch by its foreign key. A late word replaces `lost`.
ATTEMPT: Final = """INSERT INTO attempts (delivery, token, started_at, took_ms, outcome, status, detail)
  SELECT d.id, :token, :started, :took, :outcome, CAST(:status AS bigint), :detail FROM deliveries d
  WHERE d.id = :id AND d.token >= :token
  ON CONFLICT (delivery, token) DO UPDATE SET started_at = excluded.started_at, took_ms = excluded.took_ms,
    outcome = excluded.outcome, status = excluded.status, detail = excluded.detail WHERE attempts.outcome = 'lost'"""

# Whether exactly this settlement was written before: its commit's answer was lost, and it is asked again.
SETTLED: Final = """SELECT 1 FROM deliveries d JOIN attempts a ON a.delivery = d.id AND a.token = d.token
  WHERE d.id = :id AND d.token = :token AND d.state <> 'sending' AND a.outcome = :outcome AND a.started_at = :started"""

RENEW: Final = f"""UPDATE deliveries SET due_at = :now + :lease
  WHERE id = :id AND token = :token AND rank = {Rank.LEASED}"""

KEEP_ALIVE: Final = f"""UPDATE deliveries SET due_at = :now + :lease, memo = coalesce(CAST(:memo AS text), memo),
    progress = coalesce(CAST(:progress AS text), progress)
  WHERE id = :id AND token = :token AND rank = {Rank.LEASED}"""

RELEASE: Final = f"""UPDATE deliveries SET state = 'waiting', attempts = attempts - 1, due_at = :now + :delay, owner = NULL,
    rank = CASE WHEN weak = 1 THEN {Rank.LAST} WHEN attempts = 1 AND round = 0 THEN {Rank.FRESH} ELSE {Rank.AGAIN} END
  WHERE id = :id AND token = :token AND rank = {Rank.LEASED}"""

# -- people --------------------------------------------------------------------------------------------------------

CANCEL: Final = f"""UPDATE deliveries SET state = 'dead', rank = {Rank.AGAIN}, token = token + 1, owner = NULL, due_at = :now,
    reason = 'cancelled', note = :note
  WHERE id = :id AND state NOT IN ('delivered','dead') RETURNING sink, order_key"""

# A new round of a finished delivery; in rank 2 if its key has a head. The keys are locked first.
NEW_ROUND: Final = f"""UPDATE deliveries SET state = 'waiting', attempts = 0, round = round + 1, since_at = :now, due_at = :now,
    first_at = NULL, memo = NULL, progress = NULL, reason = NULL, replay = :replay, weak = 0, losses = 0, lone_losses = 0, alone = 0,
    rank = CASE WHEN EXISTS (SELECT 1 FROM deliveries o WHERE o.sink = deliveries.sink
      AND o.order_key = deliveries.order_key AND o.rank <> {Rank.BEHIND} AND o.state IN ('waiting','sending')) THEN {Rank.BEHIND} ELSE {Rank.AGAIN} END
  WHERE id = :id AND state IN ('dead', 'delivered') RETURNING sink, order_key"""

PAUSE: Final = """INSERT INTO sinks (name, paused_at, paused_by, stalled_since) VALUES (:sink, :now, :by, :now)
  ON CONFLICT (name) DO UPDATE SET paused_at = excluded.paused_at, paused_by = excluded.paused_by,
    stalled_since = coalesce(sinks.stalled_since, excluded.stalled_since) WHERE sinks.paused_at IS NULL"""

RESUME: Final = """UPDATE sinks SET paused_at = NULL, paused_by = NULL,
    stalled_ms = stalled_ms + CASE WHEN open_until IS NULL THEN :now - coalesce(stalled_since, :now) ELSE 0 END,
    stalled_since = CASE WHEN open_until IS NULL THEN NULL ELSE stalled_since END
  WHERE name = :sink AND paused_at IS NOT NULL"""

# -- ordering keys: run after `session.lock` of the key -------------------------------------------------------------

HEAD: Final = f"""SELECT 1 FROM deliveries o WHERE o.sink = :sink AND o.order_key = :key AND o.rank <> {Rank.BEHIND}
  AND o.state IN ('waiting','sending') AND o.order_key IS NOT NULL"""

PROMOTE: Final = f"""UPDATE deliveries SET rank = CASE WHEN weak = 1 THEN {Rank.LAST} WHEN attempts = 0 AND round = 0 THEN {Rank.FRESH} ELSE {Rank.AGAIN} END
  WHERE id = (SELECT h.id FROM deliveries h WHERE h.sink = :sink AND h.order_key = :key AND h.rank = {Rank.BEHIND}
    AND h.state IN ('waiting','sending') ORDER BY h.id LIMIT 1)
  AND NOT EXISTS (SELECT 1 FROM deliveries o WHERE o.sink = :sink AND o.order_key = :key AND o.order_key IS NOT NULL
    AND o.rank <> {Rank.BEHIND} AND o.state IN ('waiting','sending'))"""

# -- queues: run after `session.lock` of the key ----------------------------------------------------------------------

JOIN_QUEUE: Final = f"""UPDATE deliveries SET state = 'waiting', attempts = attempts - 1, due_at = :now + :delay, owner = NULL, order_key = :key,
    rank = CASE WHEN EXISTS (SELECT 1 FROM deliveries o WHERE o.sink = :sink AND o.order_key = :key AND o.order_key IS NOT NULL
      AND o.rank <> {Rank.BEHIND} AND o.state IN ('waiting','sending') AND o.id <> :id) THEN {Rank.BEHIND}
      WHEN weak = 1 THEN {Rank.LAST} ELSE {Rank.AGAIN} END
  WHERE id = :id AND token = :token AND rank = {Rank.LEASED}"""
# Whoever claimed the row since has another token.
LEAVE_QUEUE: Final = f"""UPDATE deliveries SET order_key = NULL
  WHERE id = :id AND token = :token AND sink = :sink AND order_key = :key AND rank <> {Rank.BEHIND} AND state = 'waiting'"""

# -- circuits and pauses -------------------------------------------------------------------------------------------

GATES: Final = """SELECT name, paused_at, open_until, pauses, reason,
    stalled_ms + CASE WHEN stalled_since IS NULL OR stalled_since > :now THEN 0 ELSE :now - stalled_since END
  FROM sinks"""
GATE: Final = GATES + " WHERE name = :sink"

TRIP: Final = """INSERT INTO sinks (name, open_until, pauses, reason, stalled_since) VALUES (:sink, :now + :pause, 1, :reason, :now)
  ON CONFLICT (name) DO UPDATE SET open_until = excluded.open_until, pauses = sinks.pauses + 1, reason = excluded.reason,
    probe_until = NULL, stalled_since = coalesce(sinks.stalled_since, excluded.stalled_since)
  WHERE sinks.open_until IS NULL"""

PROBE: Final = """UPDATE sinks SET probe_until = :now + :lease WHERE name = :sink AND paused_at IS NULL AND open_until <= :now
  AND coalesce(probe_until, 0) <= :now RETURNING probe_until"""

PROBED_GOOD: Final = """UPDATE sinks SET open_until = NULL, pauses = 0, probe_until = NULL, reason = NULL,
    stalled_ms = stalled_ms + CASE WHEN paused_at IS NULL THEN :now - coalesce(stalled_since, :now) ELSE 0 END,
    stalled_since = CASE WHEN paused_at IS NULL THEN NULL ELSE stalled_since END
  WHERE name = :sink AND probe_until = :mark"""
PROBED_BAD: Final = """UPDATE sinks SET open_until = :now + :pause, pauses = pauses + 1, probe_until = NULL, reason = :reason
  WHERE name = :sink AND probe_until = :mark"""

# Time in which nobody said that it carries the sink counts as stalled, unless a pause or the circuit counts it already.
SERVING: Final = """INSERT INTO sinks (name, seen_at) VALUES (:sink, :now) ON CONFLICT (name) DO UPDATE SET
    stalled_ms = sinks.stalled_ms + CASE WHEN sinks.stalled_since IS NULL AND sinks.seen_at IS NOT NULL
      AND excluded.seen_at - sinks.seen_at > :gap THEN excluded.seen_at - sinks.seen_at ELSE 0 END,
    seen_at = excluded.seen_at"""

# -- counting: index probes and bounded counts ---------------------------------------------------------------------

_NAMES: Final = """WITH RECURSIVE names(sink) AS (
    SELECT (SELECT d.sink FROM deliveries d WHERE d.state IN ('waiting','sending') ORDER BY d.sink LIMIT 1)
    UNION ALL SELECT (SELECT d.sink FROM deliveries d WHERE d.sink > names.sink AND d.state IN ('waiting','sending')
      ORDER BY d.sink LIMIT 1) FROM names WHERE names.sink IS NOT NULL)"""
_FIRST_DUE: Final = """(SELECT d.due_at FROM deliveries d WHERE d.sink = names.sink AND d.rank = {rank}
    AND d.state IN ('waiting','sending') ORDER BY d.due_at, d.id LIMIT 1)"""
NAMES: Final = f"{_NAMES} SELECT sink FROM names WHERE sink IS NOT NULL"
DUE: Final = f"""{_NAMES} SELECT sink, :now, {_FIRST_DUE.format(rank=Rank.FRESH)}, {_FIRST_DUE.format(rank=Rank.AGAIN)}, {_FIRST_DUE.format(rank=Rank.LEASED)},
    {_FIRST_DUE.format(rank=Rank.LAST)}
  FROM names WHERE sink IS NOT NULL"""
# Since when the oldest waits, which is not when it is due: one that is tried again is due later and later. In the order of the
# index what is due first was made first but for those, so of them a thousand are looked at.
_SINCE: Final = """(SELECT min(w.since_at) FROM (SELECT d.since_at FROM deliveries d WHERE d.sink = :sink AND d.rank = {rank}
    AND d.state IN ('waiting','sending') ORDER BY d.due_at, d.id LIMIT {most}) AS w)"""
_LOOKED_AT: Final = {Rank.FRESH: 1, Rank.AGAIN: 1000, Rank.BEHIND: 1, Rank.LAST: 1}
WAITING_SINCE: Final = "SELECT " + ", ".join(_SINCE.format(rank=rank, most=most) for rank, most in _LOOKED_AT.items())
COUNTS: Final = by_rank("""SELECT count(*) FROM (SELECT 1 FROM deliveries d WHERE d.sink = :sink AND d.rank = :rank
  AND d.state IN ('waiting','sending') LIMIT :most) AS bounded""")
UNDER_WAY: Final = f"""SELECT d.id, e.id, e.variant, d.progress FROM deliveries d JOIN events e ON e.seq = d.event
  WHERE d.sink = :sink AND d.rank = {Rank.LEASED} AND d.state IN ('waiting','sending') AND d.progress IS NOT NULL
  ORDER BY d.due_at, d.id LIMIT :most"""
COUNT_DEAD: Final = """SELECT count(*) FROM (SELECT 1 FROM deliveries d WHERE d.sink = :sink AND d.state = 'dead'
  LIMIT :most) AS bounded"""
COUNT_OPEN: Final = (
    "SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE state IN ('waiting','sending') LIMIT :most) AS bounded"
)
COUNT_SOURCES: Final = """SELECT source, count(*) FROM (SELECT source FROM deliveries
  WHERE state IN ('waiting','sending') LIMIT :most) AS bounded GROUP BY source"""

# -- claims --------------------------------------------------------------------------------------------------------

# The probe past an open circuit: the oldest never tried, else the least tried among the oldest thousand.
PROBE_FRESH: Final = f"""SELECT d.id, d.rank, d.token FROM deliveries d WHERE d.sink = :sink AND d.rank = {Rank.FRESH}
  AND d.state IN ('waiting','sending') ORDER BY d.due_at, d.id LIMIT :most"""
PROBE_LAST: Final = PROBE_FRESH.replace(f"d.rank = {Rank.FRESH}", f"d.rank = {Rank.LAST}")
PROBE_TRIED: Final = f"""SELECT id, rank, token FROM (
    SELECT * FROM (SELECT d.id, d.rank, d.token, d.attempts, d.due_at FROM deliveries d WHERE d.sink = :sink AND d.rank = {Rank.AGAIN}
      AND d.state IN ('waiting','sending') ORDER BY d.due_at, d.id LIMIT 1000) AS again
    UNION ALL
    SELECT * FROM (SELECT d.id, d.rank, d.token, d.attempts, d.due_at FROM deliveries d WHERE d.sink = :sink AND d.rank = {Rank.LEASED}
      AND d.state IN ('waiting','sending') AND d.due_at <= :now ORDER BY d.due_at, d.id LIMIT 1000) AS gone) AS tried
  ORDER BY attempts, due_at, id LIMIT :most"""
# What a process died with is no gateway's until it is just about to be sent, so that another death is a loss for no more.
OWNER_AT_LEASE: Final = f"CASE WHEN {{losses}} > 0 AND {{owner}} <> '{CONSUMER}' THEN NULL ELSE {{owner}} END"
TAKE: Final = f"""UPDATE deliveries SET state = 'sending', rank = {Rank.LEASED}, token = token + 1, attempts = attempts + 1,
    due_at = :now + :lease, owner = {OWNER_AT_LEASE.format(losses="losses", owner="CAST(:owner AS text)")},
    first_at = CASE WHEN attempts = 0 THEN :now ELSE first_at END,
    stalled = CASE WHEN attempts = 0 THEN :stalled ELSE stalled END
  WHERE id = :id AND token = :token AND rank = :rank AND state NOT IN ('delivered','dead')
  RETURNING id, event, token, attempts, round, replay, first_at, stalled, due_at, order_key, memo"""
LOST: Final = """INSERT INTO attempts (delivery, token, started_at, took_ms, outcome, status, detail)
  VALUES (:id, :token, :now, 0, 'lost', NULL, '') ON CONFLICT (delivery, token) DO NOTHING"""
CONTENT: Final = "SELECT body, raw, raw_type, variant, supersedes, trace, source, id FROM events WHERE seq = :seq"

# -- losses: what was in flight when a process died -----------------------------------------------------------------

_ENDED: Final = f"sink = :sink AND rank = {Rank.LEASED} AND state IN ('waiting','sending') AND due_at <= :now"
_DIED: Final = f"""CASE WHEN owner = '{CONSUMER}' OR EXISTS (SELECT 1 FROM gateways g WHERE g.owner = deliveries.owner
    AND g.seen_at > :now - :silent) THEN 0 ELSE 1 END"""
COUNT_LOSSES: Final = f"""UPDATE deliveries SET losses = losses + {_DIED}, lone_losses = lone_losses + alone * {_DIED},
    alone = 0, owner = NULL WHERE {_ENDED} AND owner IS NOT NULL AND owner <> :owner"""
LOSSES: Final = """SELECT id, losses, lone_losses FROM deliveries
  WHERE sink = :sink AND losses > 0 AND state IN ('waiting','sending')"""
SUSPECTS: Final = """SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE losses > 0 AND state IN ('waiting','sending')
  LIMIT :most) AS bounded"""
BEGUN: Final = f"""UPDATE deliveries SET owner = :owner, alone = :alone
  WHERE id = :id AND token = :token AND rank = {Rank.LEASED}"""
SURVIVED: Final = "UPDATE deliveries SET losses = 0, alone = 0 WHERE id = :id"
PROGRESSED: Final = "UPDATE deliveries SET losses = 0, lone_losses = 0 WHERE id = :id"
DISOWN: Final = f"""UPDATE deliveries SET owner = NULL, alone = 0
  WHERE sink = :sink AND rank = {Rank.LEASED} AND state IN ('waiting','sending') AND owner = :owner"""
BEAT: Final = """INSERT INTO gateways (owner, started_at, seen_at) VALUES (:owner, :now, :now)
  ON CONFLICT (owner) DO UPDATE SET seen_at = excluded.seen_at"""

# -- repair after a clock jump -------------------------------------------------------------------------------------

PULL: Final = """UPDATE deliveries SET due_at = :now WHERE sink = :sink AND rank = :rank AND state IN ('waiting','sending')
  AND due_at > :now + :longest"""
"""`longest` is what a lease or a delay can honestly be; what lies further was written by a clock that stood wrong."""
PULL_SOME: Final = """UPDATE deliveries SET due_at = :now WHERE state IN ('waiting','sending') AND due_at > :now + :longest
  AND id IN (SELECT d.id FROM deliveries d WHERE d.sink = :sink AND d.rank = :rank AND d.state IN ('waiting','sending')
    AND d.due_at > :now + :longest ORDER BY d.due_at DESC, d.id DESC LIMIT :most)"""
"""The same of so many rows, for while others wait for the writer."""
PULL_OWN: Final = f"{PULL} AND coalesce(owner, '') <> '{CONSUMER}'"
"""The same but for what consumers hold, because they do not end with the gateway."""

# -- consumers: deliveries of a pull sink, leased, extended and settled from outside --------------------------------

EXTEND: Final = f"""UPDATE deliveries SET due_at = :now + :lease, owner = '{CONSUMER}'
  WHERE id = :id AND token = :token AND rank = {Rank.LEASED}"""

_CONTENT: Final = "e.body, e.raw, e.raw_type, e.variant, e.supersedes"
LIVE_LEASES: Final = f"""SELECT count(*) FROM (SELECT 1 FROM deliveries d WHERE d.sink = :sink AND d.rank = {Rank.LEASED}
  AND d.state IN ('waiting','sending') AND d.due_at > :now LIMIT :most) AS bounded"""
LEASED: Final = f"""SELECT :now, d.id, d.event, d.token, d.attempts, d.round, d.replay, d.first_at, d.stalled, d.due_at,
    d.order_key, d.memo, {_CONTENT}, e.trace, e.source, e.id
  FROM deliveries d JOIN events e ON e.seq = d.event
  WHERE d.id = :id AND d.token = :token AND d.sink = :sink AND d.rank = {Rank.LEASED}"""
LEASED_UNTIL: Final = f"SELECT due_at FROM deliveries WHERE id = :id AND token = :token AND rank = {Rank.LEASED}"
# How the lease with this token was ended by the consumer who had it, while nobody had the delivery since.
ENDED_AS: Final = """SELECT a.outcome FROM deliveries d JOIN attempts a ON a.delivery = d.id AND a.token = d.token
  WHERE d.id = :id AND d.token = :token AND d.state <> 'sending' AND a.started_at = :started
    AND (a.outcome <> 'delivered' OR d.state = 'delivered')"""
PEEKS: Final = by_rank(f"""SELECT d.id, d.attempts, d.due_at, {_CONTENT}, e.source, e.id FROM deliveries d JOIN events e ON e.seq = d.event
  WHERE d.sink = :sink AND d.rank = :rank AND d.state IN ('waiting','sending') AND d.due_at <= :now
  ORDER BY d.due_at, d.id LIMIT :most""")
# What no gateway calls cannot be broken: a circuit that was open when the sink was another is closed.
CLOSE: Final = """UPDATE sinks SET open_until = NULL, pauses = 0, probe_until = NULL, reason = NULL,
    stalled_ms = stalled_ms + CASE WHEN paused_at IS NULL THEN :now - coalesce(stalled_since, :now) ELSE 0 END,
    stalled_since = CASE WHEN paused_at IS NULL THEN NULL ELSE stalled_since END
  WHERE name = :sink AND open_until IS NOT NULL"""

# -- known ids -----------------------------------------------------------------------------------------------------

# What is known of (source, id): the contents there are, and those only remembered, which have no variant.
CONTENTS: Final = """SELECT variant, fingerprint, trust, held IS NOT NULL, superseded IS NOT NULL FROM events
    WHERE id = :id AND source = :source
  UNION ALL SELECT NULL, fingerprint, trust, held = 1, false FROM remembered WHERE id = :id AND source = :source"""
CONFLICT: Final = """UPDATE events SET conflicts = conflicts + 1
  WHERE seq = (SELECT min(e.seq) FROM events e WHERE e.id = :id AND e.source = :source)"""
SUPERSEDE: Final = """UPDATE events SET superseded = :ref
  WHERE id = :id AND source = :source AND held IS NULL AND superseded IS NULL AND variant <> :variant"""
# Other contents under a seal, counted to its bound; first those that are there, then those only remembered.
SEALED: Final = """SELECT (SELECT count(*) FROM (SELECT DISTINCT o.fingerprint FROM events o WHERE o.seal = :seal
    AND o.seal IS NOT NULL AND o.fingerprint <> :fingerprint LIMIT :most) AS here)
  + (SELECT count(*) FROM (SELECT DISTINCT r.fingerprint FROM remembered r WHERE r.seal = :seal
    AND r.seal IS NOT NULL AND r.fingerprint <> :fingerprint LIMIT :most) AS gone)"""
