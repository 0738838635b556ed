"""A database's URL: read with care, shown without secrets, whatever somebody writes into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway import learn_secret, redact
from gateway.fields import secrets_of
from plugins.sinks.database import Database
from plugins.sinks.database.address import absolute, parse, split_password

CANARY = "CaNaRy-p4ssw0rd"


def read(url: str, **more: Any) -> Any:
    return Database.Options.model_validate({"url": url, **more})


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{CANARY}@db.example.com:5432/app",
        f"postgresql://me@db.example.com:5432/app?password={CANARY}",
        f"postgres://me@db.example.com/app?sslmode=require&password={CANARY}",
        f"mysql://me:{CANARY}@db.example.com/app",
        f"mariadb+aiomysql://me@db.example.com/app?passwd={CANARY}",
    ],
)
def test_a_password_in_the_url_is_taken_out_of_it(url: str) -> None:
    options = read(url)
    assert CANARY not in options.url
    assert [secret.reveal() for _, secret in secrets_of(options)] == [CANARY]
    assert CANARY not in f"{options!r} {options.model_dump_json()} {options.model_dump()}"
    assert CANARY not in repr(parse(options.url))
    assert options.url.count("sslmode=require") == url.count("sslmode=require")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:p@{CANARY}@db.example.com/app",  # SQLAlchemy would look the tail up as a host
        f"mysql://me:p/{CANARY}@db.example.com/app",
        f"mysql://me:p?{CANARY}@db.example.com/app",
        f"postgresql://me:p#{CANARY}@db.example.com/app",
        f"postgresql://me:{CANARY}@db.example.com:99999/app",
        f"postgresql://me:{CANARY}@db.example.com/",
        f"postgresql://[{CANARY}/app",
        f"postgresql://me@h/app?{CANARY}",
        f"postgresql://me@h/app?{CANARY}=1",
        f"oracle://me:{CANARY}@h/app",
        f"sqlite://{CANARY}",
        f"sqlite:///x.db?key={CANARY}",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(url)
    said = [error["msg"] for error in refused.value.errors(include_input=False)]
    assert said
    assert CANARY not in str(said)


@given(st.text(max_size=60))
@example("postgresql://\udcff@h/d")
@example("postgresql://h:x/d")
def test_no_text_breaks_the_reader(text: str) -> None:
    for url in (text, f"postgresql://{text}", f"mysql://u:{text}@h/d", f"sqlite:///{text}"):
        bare, _ = split_password(url)
        try:
            parse(bare)
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+asyncpg://h/d", "leave the driver after the + out"),
        ("postgresql://h/d?ssl_mode=require", "only parameters there are; did you mean 'sslmode'?"),
        ("mysql://h/d?ssl_mode=sometimes", "ssl_mode disabled, required, verify_ca, verify_identity"),
        ("mysql://h/d?connect_timeout=soon", "connect_timeout in whole seconds"),
        ("mysql://a,b/d", "a URL with one host"),
        ("mysql://h", "ends with the database's name"),
        ("sqlite:///~nobody-here/x.db", "a user after the ~ who is there"),
        ("sqlite:///:memory:", "lost with the process"),
        ("sqlite://x.db", "three slashes"),
        ("mongodb://h/d", "a database such as postgresql://"),
        ("recordings.db", "a database such as postgresql://"),
    ],
)
def test_an_error_says_what_was_expected(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        parse(url)
    assert said in str(refused.value)


def test_two_passwords_are_one_too_many() -> None:
    with pytest.raises(ValidationError, match="in the URL or beside it, not both"):
        read("mysql://me:one@h/d", password="two")
    assert read("mysql://me@h/d", password=CANARY).password.reveal() == CANARY


def test_a_relative_file_is_beside_the_configuration(tmp_path: Path) -> None:
    options = Database.Options.model_validate({"url": "sqlite:///a b%3F.db"}, context={"base": tmp_path})
    assert parse(options.url).path == tmp_path / "a b?.db"
    assert absolute("sqlite:////abs/x.db", tmp_path) == "sqlite:////abs/x.db"
    assert absolute("sqlite:////abs/x.db", None) == "sqlite:////abs/x.db"


def test_what_is_shown_names_the_place_and_not_the_user() -> None:
    assert parse("postgresql://me@a:1,b:2/app").shown == "PostgreSQL a,b:1,2/app"
    assert parse("postgresql:///app?host=/run/pg").shown == "PostgreSQL /run/pg/app"
    assert parse("mysql://[::1]:3307/app").shown == "MySQL ::1:3307/app"
    assert parse("sqlite:////var/lib/x.db").shown == "SQLite x.db"


def test_a_url_is_no_secret_so_that_its_words_are_not_masked_everywhere() -> None:
    options = read(f"postgresql://recorder:{CANARY}@db/recordings")
    for _, secret in secrets_of(options):
        learn_secret(secret.reveal())
    assert redact("/recordings recorder") == "/recordings recorder"
    assert CANARY not in redact(f"it said {CANARY}")


@pytest.mark.parametrize(
    ("url", "clear"),
    [
        ("sqlite:///x.db", False),
        ("postgresql://h/d", True),
        ("postgresql://h/d?sslmode=prefer", True),
        ("postgresql://h/d?sslmode=verify-full", False),
        ("postgresql://localhost/d", False),
        ("postgresql:///d?host=/run/postgresql", False),
        ("mysql://192.0.2.1/d", True),
        ("mysql://h/d?ssl_mode=disabled", True),
        ("mysql://h/d?ssl_mode=verify_identity", False),
        ("mysql://h/d?ssl_ca=/ca.pem", False),
        ("mysql://[::1]/d", False),
        ("mysql://h/d?unix_socket=/run/mysqld.sock", False),
    ],
)
def test_a_way_in_clear_is_advised_against(url: str, clear: bool) -> None:
    sink = Database("db", read(url), http=None, log=None)  # type: ignore[arg-type]
    assert [line.startswith("without ssl") for line in sink.advice()] == [True] * clear
