"""What the environment says stands above the file, and paths are beside the file."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from gateway.config.load import load
from gateway.config.store_location import without_password
from tests.config.configs import KEY, Configs


def test_a_token_is_short_for_one_of_tokens(configs: Configs) -> None:
    admin = configs.load(f"admin: {{token: {KEY}, tokens: [{{name: r, token: {KEY}x}}]}}").settings.admin
    assert [(one.name, one.role) for one in admin.all_tokens] == [("admin", "operate"), ("r", "read")]


def test_an_admin_token_from_an_empty_variable_is_an_error_unless_a_default_says_none(configs: Configs) -> None:
    assert configs.load("admin: {token: '${T:-}'}", {"T": ""}).settings.admin.all_tokens == ()
    assert "not empty" in configs.problem("admin: {token: '${T}'}", {"T": ""}).expected


def test_three_variables_stand_above_the_file(configs: Configs) -> None:
    environ = {"GATEWAY_SERVER_HOST": "0.0.0.0", "GATEWAY_ADMIN_HOST": "::", "GATEWAY_STORE": "sqlite:///over.db"}
    for text in (
        "",
        "server: {host: 127.0.0.2}\nadmin:\nstore: sqlite:///x.db",
        "store: {url: sqlite:///x.db, remember: 9d}",
    ):
        made = configs.load(text, environ).settings
        assert (made.server.host, made.admin.host) == ("0.0.0.0", "::")
        assert made.store.url == f"sqlite:///{configs.folder}/over.db"
    assert made.store.remember == timedelta(days=9)
    assert configs.load("", {"GATEWAY_STORE": ""}).settings.store.url.endswith("gateway.db")


def test_a_wrong_variable_is_named(configs: Configs) -> None:
    problem = configs.problem("", {"GATEWAY_SERVER_HOST": "a b"})
    assert (problem.file, problem.path) == ("$GATEWAY_SERVER_HOST", "server.host")
    assert configs.problem("server: 5", {"GATEWAY_SERVER_HOST": "::1"}).expected == "a mapping"


def test_a_variable_is_not_read_for_forms(configs: Configs) -> None:
    assert "file_${X}.db" not in str(configs.load("", {"GATEWAY_STORE": "sqlite:///a.db"}).settings)
    assert configs.load("", {"GATEWAY_STORE": "sqlite:///${X}.db"}).settings.store.url.endswith("/%24%7BX%7D.db")


def test_a_listener_on_a_unix_socket_has_no_host_to_override(configs: Configs) -> None:
    made = configs.load(
        "server: {uds: run/a.sock, uds_mode: '0600'}", {"GATEWAY_SERVER_HOST": "0.0.0.0"}
    ).settings.server
    assert made.address == str(configs.folder / "run/a.sock")
    assert made.uds_mode == 0o600


def test_a_store_of_the_environment_takes_the_place_of_url_and_password(configs: Configs) -> None:
    text = "store: {url: postgresql://u@h/d, password: old-password}"
    made = configs.load(text, {"GATEWAY_STORE": "postgresql://v:new@i/d"}).settings.store
    assert (made.url, made.password and made.password.reveal()) == ("postgresql://v@i/d", "new")
    made = configs.load(text, {"GATEWAY_STORE": "sqlite:///x.db"}).settings.store
    assert made.password is None
    made = configs.load(text).settings.store
    assert made.password is not None
    assert made.password.reveal() == "old-password"


@pytest.mark.parametrize(
    ("url", "bare", "password"),
    [
        ("postgresql://u:p%40q@h:5/d?sslmode=require", "postgresql://u@h:5/d?sslmode=require", "p@q"),
        ("postgresql://h/d?password=x&a=b", "postgresql://h/d?a=b", "x"),
        ("postgresql://u@h/d", "postgresql://u@h/d", None),
        ("postgresql:///d?host=/run/pg", "postgresql:///d?host=%2Frun%2Fpg", None),
    ],
)
def test_a_password_is_taken_out_of_the_url(url: str, bare: str, password: str | None) -> None:
    assert without_password(url) == (bare, password)


def test_paths_are_beside_the_file_whatever_the_working_directory_is(
    configs: Configs, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = configs.write("store: sqlite:///data/my gateway.db\n")
    monkeypatch.chdir(configs.folder.parent)
    made = load(os.path.relpath(path), environ={}).settings
    assert made.store.url == f"sqlite:///{configs.folder}/data/my%20gateway.db"
    assert load(configs.write("store: sqlite:////var/x.db"), environ={}).settings.store.url == "sqlite:////var/x.db"
