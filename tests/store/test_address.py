"""Store URLs: what is taken, what is refused, and that no secret is ever shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import StoreUnavailable
from gateway.store.postgres.session import PostgresSession
from gateway.text.store_address import parse_address

CANARY = "PWSECRETCANARY"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///gateway.db", "gateway.db"),
        ("sqlite:////var/lib/gateway.db", "/var/lib/gateway.db"),
        ("SQLITE:///a%20b%3F.db", "a b?.db"),
        ("sqlite:///日志.db", "日志.db"),
    ],
)
def test_a_sqlite_url_names_a_file(url: str, path: str) -> None:
    assert str(parse_address(url).path) == path


def test_a_postgresql_url_may_leave_out_its_host_and_its_database() -> None:
    assert "dbname" not in parse_address("postgresql://me@db.internal").parameters
    assert "host" not in parse_address("postgresql:///events").parameters


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gateway.db",
        "mysql://host/db",
        "sqlite://gateway.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///folder/",
        "sqlite:///a.db?mode=ro",
        "sqlite:///a%00.db",
    ],
)
def test_what_names_no_file_is_refused_with_the_right_form(url: str) -> None:
    with pytest.raises(ValueError, match=r"sqlite:///|SQLite"):
        parse_address(url)


@pytest.mark.parametrize(
    ("url", "parameters", "shown"),
    [
        (
            "postgres://me@db.example.com:6543/gw",
            {"user": "me", "host": "db.example.com", "port": "6543", "dbname": "gw"},
            "postgresql://me@db.example.com:6543/gw",
        ),
        ("postgresql:///gw?host=/run/pg", {"host": "/run/pg", "dbname": "gw"}, "postgresql:///run/pg/gw"),
        ("postgresql://u@[::1]:5432/gw", {"user": "u", "host": "::1", "port": "5432", "dbname": "gw"}, None),
        ("postgresql://a:1,b/gw", {"host": "a,b", "port": "1,", "dbname": "gw"}, None),
        ("postgresql://u@%2Frun%2Fpg/gw", {"user": "u", "host": "/run/pg", "dbname": "gw"}, None),
        (
            "postgresql://u:p%40w@h/gw?sslmode=require",
            {"user": "u", "password": "p@w", "host": "h", "dbname": "gw", "sslmode": "require"},
            "postgresql://u@h/gw",
        ),
    ],
)
def test_a_postgresql_url_becomes_what_libpq_is_told(url: str, parameters: dict[str, str], shown: str | None) -> None:
    address = parse_address(url)
    assert dict(address.parameters) == parameters
    if shown:
        assert address.shown == shown


def test_a_password_beside_the_url_wins() -> None:
    assert parse_address("postgresql://u:old@h/d", "new").parameters["password"] == "new"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{CANARY}@x@h/d",
        f"postgresql://u:a/{CANARY}@h/d",
        f"postgresql://u:{CANARY}#x@h/d",
        f"postgresql://u:{CANARY}",
        f"postgresql://u@h:{CANARY}/d",
        f"postgresql://[{CANARY}/d",
        f"postgresql://u@h/d?{CANARY}",
    ],
)
def test_a_url_that_would_move_a_piece_of_the_password_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match="PostgreSQL URL") as refused:
        parse_address(url)
    assert CANARY not in str(refused.value)


USUAL = repr(parse_address("postgresql://user@127.0.0.1:1/database")) + "postgresql://user@127.0.0.1:1/database"
"""A password that is one of these words by luck is in every text."""


@given(
    password=st.text(min_size=4).filter(lambda text: text not in USUAL and "\0" not in text),
    where=st.sampled_from(["userinfo", "password", "sslpassword", "beside"]),
)
def test_no_error_and_no_repr_shows_the_password_wherever_it_stood(password: str, where: str) -> None:
    from urllib.parse import quote

    try:
        written = quote(password, safe="")
    except UnicodeEncodeError:
        return
    url = "postgresql://user@127.0.0.1:1/database"
    if where == "userinfo":
        url = f"postgresql://user:{written}@127.0.0.1:1/database"
    elif where != "beside":
        url += f"?{where}={written}"
    address = parse_address(url, password if where == "beside" else None)
    assert password not in address.shown
    assert password not in repr(address)
    assert (
        password not in address.redact(f"an error with {password} in it") or password in "an error with in it ********"
    )


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{CANARY}@127.0.0.1:1/d",
        f"postgresql://u@127.0.0.1:1/d?password={CANARY}",
        f"postgresql://u@127.0.0.1:1/d?sslpassword={CANARY}&sslmode=disable",
        f"postgresql://u@127.0.0.1:1/d?nonsense={CANARY}",
        f"postgresql://u@127.0.0.1:1/d?connect_timeout={CANARY}",
        f"postgresql://u@127.0.0.1:1/d?sslmode={CANARY}",
    ],
)
def test_a_failing_connection_does_not_show_the_password(url: str) -> None:
    with pytest.raises(StoreUnavailable) as failed:
        PostgresSession(parse_address(url))
    if "password" in url or f":{CANARY}@" in url:
        assert CANARY not in str(failed.value)
    assert "127.0.0.1:1" in str(failed.value)
    assert failed.value.__cause__ is None
