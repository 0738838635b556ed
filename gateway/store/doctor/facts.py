"""What an operator wants to know of a PostgreSQL beside what the store asks of it: settings, room, clock, and what stands between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from gateway.fields.hosts import is_loopback
from gateway.store.doctor.diagnosis import Finding
from gateway.store.doctor.two_sessions import Server

VERSION_MIN: Final = 130_000
CONNECTIONS_EACH: Final = 8  # of a gateway: one writes, one reads, one listens, and five for pages, the API and jobs
CLOCK_SECONDS_MAX: Final = 2.0  # that the server's clock may differ from ours
OLD_SECONDS_MIN: Final = 300  # age of a transaction that keeps dead rows from going


def _version(server: Server) -> Iterator[Finding]:
    number, text = server.first.info.server_version, server.ask("SELECT version()")
    well = number >= VERSION_MIN
    yield Finding(
        "server", "ok" if well else "missing", str(text).partition(",")[0], "" if well else "13 or newer is needed"
    )


def _encoding(server: Server) -> Iterator[Finding]:
    encoding = server.setting("server_encoding")
    well = encoding in ("UTF8", "")
    yield Finding(
        "encoding", "ok" if well else "missing", encoding or "not told", "" if well else "the database must be of UTF8"
    )


def _durable(server: Server) -> Iterator[Finding]:
    fsync, commit = server.setting("fsync"), server.setting("synchronous_commit")
    seen = f"fsync={fsync or 'not told'}, synchronous_commit={commit or 'not told'}"
    if "off" in (fsync, commit):
        yield Finding("durability", "missing", seen, "it says yes before the disk has it: set both to on")
    else:
        yield Finding("durability", "ok", seen)
    if server.setting("full_page_writes") == "off":
        yield Finding(
            "full_page_writes", "unwise", "off", "a power cut can leave half a page, unless the file system never does"
        )


def _writable(server: Server) -> Iterator[Finding]:
    if server.setting("transaction_read_only") == "on":
        yield Finding(
            "writable",
            "missing",
            "a replica, or default_transaction_read_only",
            "name the primary (target_session_attrs=read-write)",
        )


def _isolation(server: Server) -> Iterator[Finding]:
    level = server.setting("default_transaction_isolation")
    meaning = "" if level in ("read committed", "") else "it works; what is out of order is run again, which costs time"
    yield Finding("isolation", "ok" if not meaning else "noted", level or "not told", meaning)


def _clock(server: Server) -> Iterator[Finding]:
    before = time.time()
    at = float(server.ask("SELECT extract(epoch FROM clock_timestamp())"))
    offset = at - (before + time.time()) / 2
    well = abs(offset) <= CLOCK_SECONDS_MAX
    meaning = (
        "" if well else "times of callbacks are the gateway's, retries and leases the server's: let both follow NTP"
    )
    yield Finding("clock", "ok" if well else "unwise", f"{offset:+.2f} s from here", meaning)


def _connections(server: Server) -> Iterator[Finding]:
    most = int(server.setting("max_connections") or 0)
    if server.pooled or not most:
        return
    ((used, gateways),) = server.rows("""SELECT count(*), count(*) FILTER (WHERE datname = current_database()
      AND application_name = 'recording-gateway') FROM pg_stat_activity WHERE backend_type = 'client backend'""")
    free = most - int(server.setting("superuser_reserved_connections") or 0) - int(used)
    seen = f"{used} of {most} taken, {gateways} by gateways"
    meaning = f"room for {max(free, 0) // CONNECTIONS_EACH} more gateways, of {CONNECTIONS_EACH} each"
    yield Finding("connections", "ok" if free >= CONNECTIONS_EACH else "unwise", seen, meaning)


def _pooler(server: Server) -> Iterator[Finding]:
    if server.pooled:
        yield Finding(
            "pooler",
            "noted",
            "one stands between",
            "nothing is prepared, gateways poll; its mode must be session or transaction",
        )


def _private(server: Server) -> Iterator[Finding]:
    host = server.first.info.host
    if not host or host.startswith("/") or is_loopback(host):
        return
    if not server.first.pgconn.ssl_in_use:
        yield Finding(
            "TLS",
            "unwise",
            "the connection is not encrypted",
            "events and the password go over the network: sslmode=verify-full",
        )


def _old_transaction(server: Server) -> Iterator[Finding]:
    age = server.ask("""SELECT coalesce(CAST(extract(epoch FROM max(now() - xact_start)) AS integer), 0) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()""")
    if age >= OLD_SECONDS_MIN:
        yield Finding(
            "old transaction",
            "unwise",
            f"one is {age} s old",
            "dead rows stay, and claims grow slow: end it (pg_stat_activity)",
        )
    if server.setting("autovacuum") == "off":
        yield Finding("autovacuum", "unwise", "off", "dead rows stay, and claims grow slow: turn it on")


def _standby(server: Server) -> Iterator[Finding]:
    if server.setting("synchronous_standby_names"):
        yield Finding("standbys", "ok", server.setting("synchronous_standby_names"))
    else:
        yield Finding(
            "standbys", "noted", "none is waited for", "a failover to a replica may lose the last acknowledged events"
        )


FACTS: Final[tuple[Callable[[Server], Iterator[Finding]], ...]] = (
    _version, _encoding, _durable, _writable, _isolation, _clock, _connections, _pooler, _private, _old_transaction, _standby,
)  # fmt: skip
