"""Reads a database's URL: which kind of database, where, and with what its driver is told. No secret stays in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from gateway import is_loopback, suggestion

Dialect = Literal["sqlite", "postgresql", "mysql"]
_DIALECTS: Final[Mapping[str, Dialect]] = {
    "sqlite": "sqlite",
    "sqlite+aiosqlite": "sqlite",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "postgresql+psycopg": "postgresql",
    "mysql": "mysql",
    "mysql+aiomysql": "mysql",
    "mariadb": "mysql",
    "mariadb+aiomysql": "mysql",
}
_PARAMETERS: Final[Mapping[Dialect, tuple[str, ...]]] = {
    "sqlite": (),
    "postgresql": (
        "host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslsni", "sslnegotiation",
        "channel_binding", "require_auth", "gssencmode", "krbsrvname", "application_name", "connect_timeout", "options",
        "target_session_attrs", "load_balance_hosts", "keepalives", "keepalives_idle", "keepalives_interval",
        "keepalives_count", "tcp_user_timeout",
    ),
    "mysql": ("unix_socket", "connect_timeout", "ssl_mode", "ssl_ca", "ssl_cert", "ssl_key"),
}  # fmt: skip
SSL_MODES: Final = ("disabled", "required", "verify_ca", "verify_identity")
_FORMS: Final = (
    "a database such as postgresql://user@host:5432/database, mysql://user@host:3306/database or sqlite:///file.db"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseAddress:
    """A database's place, as its driver is told; `shown` names it in errors."""

    dialect: Dialect
    shown: str
    path: Path = Path()  # SQLite: the file
    host: str = ""
    port: str = ""
    user: str = ""
    database: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def goes_in_clear(self) -> bool:
        """Whether somebody between here and the server could read along, or pretend to be it."""
        given = self.parameters
        host = self.host or given.get("host", "")
        if self.dialect == "sqlite" or "unix_socket" in given or not host or host.startswith("/") or is_loopback(host):
            return False
        if self.dialect == "postgresql":
            return given.get("sslmode", "prefer") not in {"require", "verify-ca", "verify-full"}
        return not {"ssl_ca", "ssl_cert"} & given.keys() and given.get("ssl_mode", "disabled").lower() == "disabled"


def split_password(url: str) -> tuple[str, str | None]:
    """The URL without the password, and the password, wherever in the URL it stood. Anything else is left as it is."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme.lower().startswith("sqlite"):
        return url, None
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return url, None
    userinfo, at, hosts = parts.netloc.rpartition("@")
    user, _, inline = userinfo.partition(":")
    named = [value for key, value in query if key in {"password", "passwd"}]
    rest = parts.query
    if named:
        rest = urlencode([(key, value) for key, value in query if key not in {"password", "passwd"}], safe="/")
    # by hand, because urlunsplit drops the // of a URL without a host
    bare = f"{parts.scheme}://{user}{at}{hosts}{parts.path}" + (f"?{rest}" if rest else "")
    if parts.fragment or "@" in userinfo:
        return url, None  # `parse` says what is wrong, without repeating it
    return bare, unquote(inline) or next((value for value in named if value), None)


def parse(url: str, base: Path | None = None) -> DatabaseAddress:
    """The place that a URL names. A relative SQLite file is beside `base`. Raises ValueError, which repeats no value."""
    scheme, separator, rest = url.partition("://")
    dialect = _DIALECTS.get(scheme.lower())
    if not separator or dialect is None:
        driver = " (leave the driver after the + out)" if "+" in scheme else ""
        raise ValueError(_FORMS + driver)
    return _sqlite_file(rest, base) if dialect == "sqlite" else _server(dialect, rest)


def _sqlite_file(rest: str, base: Path | None) -> DatabaseAddress:
    name, question, _ = rest[1:].partition("?")
    if not rest.startswith("/"):
        raise ValueError("a SQLite file has three slashes (sqlite:///file.db), or four before an absolute path")
    if question:
        raise ValueError("a SQLite file without options after a question mark; a file's ? is written %3F")
    name = unquote(name, errors="surrogateescape")
    if name in {"", ":memory:"} or "\0" in name or name.endswith("/"):
        raise ValueError("the path of a SQLite file: what is only in memory is lost with the process")
    try:
        path = Path(name).expanduser()
    except RuntimeError:  # ~ of a user there is not
        raise ValueError("the path of a SQLite file, and a user after the ~ who is there") from None
    path = path if base is None else base / path
    return DatabaseAddress(dialect="sqlite", path=path, shown=f"SQLite {path.name}")


def _server(dialect: Dialect, rest: str) -> DatabaseAddress:
    # Picky, because a mark that should have been escaped moves a piece of the password to where the host or the
    # database is read, and from there into logs and DNS.
    try:
        parts = urlsplit(f"{dialect}://{rest}")
        query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise ValueError(_FORMS) from None
    userinfo, _, hosts = parts.netloc.rpartition("@")
    if "@" in userinfo or "@" in parts.path or parts.fragment:
        raise ValueError("a URL in whose user and password the marks @ / ? # : % are written as %40 %2F …")
    names, ports = _hosts(hosts, many=dialect == "postgresql")
    for key in query:
        if key not in _PARAMETERS[dialect]:  # which is not repeated, because it may be a piece of a password
            raise ValueError(f"in the URL only parameters there are{suggestion(key, _PARAMETERS[dialect])}")
    mode = query.get("ssl_mode", "required").lower().replace("-", "_")
    if mode not in SSL_MODES:
        raise ValueError(f"ssl_mode {', '.join(SSL_MODES)}")
    if not re.fullmatch(r"[0-9]{1,4}", query.get("connect_timeout", "10"), re.ASCII):
        raise ValueError("connect_timeout in whole seconds")
    database = unquote(parts.path[1:])
    if not database or "/" in database or "\0" in database:
        raise ValueError(f"a URL that ends with the database's name: {_FORMS}")
    where = names or query.get("host", "") or query.get("unix_socket", "") or "localhost"
    kind = "PostgreSQL" if dialect == "postgresql" else "MySQL"
    return DatabaseAddress(
        dialect=dialect,
        host=names,
        port=ports,
        user=unquote(userinfo.partition(":")[0]),
        database=database,
        parameters=query,
        shown=f"{kind} {where}{f':{ports}' if ports else ''}/{database}",
    )


def _hosts(hosts: str, *, many: bool) -> tuple[str, str]:
    """libpq's two comma-separated lists from `a:1,b,[::1]:3`; for MySQL one of each."""
    names: list[str] = []
    ports: list[str] = []
    for host in hosts.split(",") if hosts else ():
        match = re.fullmatch(r"(\[[\w:.%]+\]|[\w.%-]*)(?::(\d*))?", host, re.ASCII)
        if match is None or int(match[2] or 1) not in range(1, 65536):
            raise ValueError(f"a URL whose host can be read: {_FORMS}")
        names.append(unquote(match[1].strip("[]")))
        ports.append(match[2] or "")
    if len(names) > 1 and not many:
        raise ValueError("a URL with one host")
    return ",".join(names), ",".join(ports) if any(ports) else ""


def absolute(url: str, base: Path | None) -> str:
    """The URL, that of a relative SQLite file made absolute. Raises ValueError like `parse`."""
    address = parse(url, base)
    return "sqlite:///" + quote(os.fsencode(address.path)) if address.dialect == "sqlite" else url
