"""Settings can be made in Python as well as in YAML, and know what they mean."""

from __future__ import annotations

import base64
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.admin.store_place import store_address
from gateway.config.grammar.network import overlap
from gateway.config.grammar.settings import (
    DeliverySettings,
    MatchSettings,
    RouteSettings,
    ServerSettings,
    Settings,
    TestSettings,
)
from gateway.config.grammar.store import StoreSettings
from gateway.config.loaded import Loaded
from gateway.errors import StoreUnavailable
from gateway.fields.hosts import is_loopback
from gateway.plugin.registry import Registry
from tests.config.configs import Configs


def test_settings_made_in_python_take_values_and_texts() -> None:
    server = ServerSettings(host="[::1]", port=0, uds_mode=0o600, trusted_proxies=(ip_network("10.0.0.0/8"),))
    assert (server.address, server.uds_mode) == (("::1", 0), 0o600)
    assert ServerSettings(uds=Path("a.sock")).address == "a.sock"
    route = RouteSettings.model_validate({"name": "a", "match": {"app": "x"}, "to": ("b",)})
    assert route.match == {"app": ("x",)}
    assert RouteSettings.model_validate({"name": "a", "match": MatchSettings(), "stop": True}).match == {}
    assert TestSettings(event={"type": "x"}, expect=()).event == {"type": "x"}


@pytest.mark.parametrize(
    "change", [{"host": 5}, {"port": -1}, {"uds_mode": 0o1000}, {"uds_mode": True}, {"trusted_proxies": [5]}, {"x": 1}]
)
def test_settings_made_in_python_are_checked_too(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ServerSettings(**change)  # type: ignore[arg-type]


def test_settings_are_final() -> None:
    with pytest.raises(ValidationError):
        Settings().server.port = 5


def test_settings_are_written_as_people_write_them() -> None:
    assert DeliverySettings().model_dump(mode="json")["retry"]["give_up_after"] == "3d"
    assert ServerSettings().model_dump(mode="json")["uds_mode"] == "0660"


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.255.255.254", True), ("::1", True), ("::ffff:127.0.0.1", True), ("localhost", True), ("LOCALHOST.", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("localhost.example", False), ("::ffff:10.0.0.1", False), ("gateway", False)],
)  # fmt: skip
def test_only_this_machine_can_reach_a_loopback_address(host: str, local: bool) -> None:
    assert is_loopback(host) is local


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("127.0.0.1", 1), ("127.0.0.1", 1), True), (("127.0.0.1", 1), ("127.0.0.1", 2), False), (("::", 1), ("10.0.0.1", 1), True),
        (("localhost", 1), ("127.0.0.1", 1), True), (("127.0.0.1", 0), ("127.0.0.1", 0), False), (("127.0.0.1", 1), ("127.0.0.2", 1), False),
        ("a", "a", True), ("a", "b", False), ("a", ("127.0.0.1", 1), False),
    ],
)  # fmt: skip
def test_two_listeners_cannot_have_one_address(
    one: str | tuple[str, int], other: str | tuple[str, int], same: bool
) -> None:
    assert overlap(one, other) is same
    assert overlap(other, one) is same


def test_a_problem_is_placed_at_the_nearest_line_that_the_file_has(tmp_path: Path) -> None:
    loaded = Loaded(settings=Settings(), registry=Registry(), path=tmp_path, places={"sinks.a": ("f.yaml", 3, 5)})
    assert str(loaded.problem("sinks.a.url.x", found="y")) == "f.yaml:3:5: sinks.a.url.x: y"
    assert loaded.problem("server", found="y").line == 0


@pytest.mark.parametrize(
    ("admin", "page"),
    [
        ("{}", "http://127.0.0.1:9090"),
        ("{host: '::1', port: 9191}", "http://[::1]:9191"),
        ("{host: 0.0.0.0}", None),
        ("{uds: run/admin.sock}", None),
        ("{host: 0.0.0.0, public_url: 'https://gw.example.com/recordings/'}", "https://gw.example.com/recordings"),
    ],
)
def test_an_alarm_links_to_where_the_dashboard_is_seen_or_to_nowhere(
    configs: Configs, admin: str, page: str | None
) -> None:
    assert configs.load(f"admin: {admin}").settings.alarm_setup.page == page


@pytest.mark.parametrize(
    ("key", "fits"),
    [
        ("0f" * 32, True),
        (base64.b64encode(b"k" * 32).decode(), True),
        (base64.b64encode(b"k" * 16).decode(), False),
        ("0f" * 31, False),
        ("no key at all", False),
    ],
)
def test_a_key_of_the_store_is_256_bits_in_hex_or_base64(configs: Configs, key: str, fits: bool) -> None:
    text = f"store: {{encryption: {{keys: [{{name: a, key: '{key}'}}]}}}}"
    if fits:
        assert configs.load(text).settings.store.encryption is not None
    else:
        problem = configs.problem(text)
        assert problem.path == "store.encryption.keys.0.key"
        assert "the base64 of 32 bytes" in problem.message
        assert key not in str(problem)


def test_settings_made_in_python_name_a_store_that_there_can_be_or_say_so() -> None:
    assert store_address(Settings(store=StoreSettings(url="sqlite:///a.db"))).backend == "sqlite"
    with pytest.raises(StoreUnavailable, match="sqlite:///"):
        store_address(Settings(store=StoreSettings(url="mysql://db.example.com/g")))
