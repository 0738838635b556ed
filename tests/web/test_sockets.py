"""The listening sockets: taken addresses, both addresses of localhost, and socket files."""

from __future__ import annotations

import os
import resource
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.web.listener_limits import TooFewDescriptors, reserve_descriptors
from gateway.web.sockets import CannotListen, bind


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, because that of a unix socket may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="gw") as name:
        yield Path(name)


def test_port_0_is_any_port_and_known_at_once() -> None:
    bound = bind("server", "127.0.0.1", 0)
    try:
        assert bound.port
        assert bound.url == f"http://127.0.0.1:{bound.port}"
    finally:
        bound.close()
    bound.close()


def test_all_addresses_of_a_name_get_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: both)
    bound = bind("server", "localhost", 0)
    try:
        assert {one.getsockname() for one in bound.sockets} == {("127.0.0.1", bound.port), ("127.0.0.2", bound.port)}
    finally:
        bound.close()


def test_an_ipv6_address_is_bracketed_in_the_url() -> None:
    with socket.socket(socket.AF_INET6) as one:
        if not _has_ipv6_loopback(one):
            pytest.skip("the machine has no ::1")
    bound = bind("server", "::1", 0)
    assert bound.url == f"http://[::1]:{bound.port}"
    bound.close()


def _has_ipv6_loopback(one: socket.socket) -> bool:
    try:
        one.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_a_taken_port_is_named_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen) as raised:
            bind("admin", "127.0.0.1", port)
    text = str(raised.value)
    assert f"admin: cannot listen on 127.0.0.1:{port}" in text
    assert "admin.port" in text


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host.invalid"])
def test_an_address_that_is_not_ours_is_named(host: str) -> None:
    with pytest.raises(CannotListen, match=r"server.*host"):
        bind("server", host, 0)


def test_a_socket_file_has_its_mode_and_goes_with_the_listener(folder: Path) -> None:
    path = folder / "in.sock"
    bound = bind("server", "ignored", 0, path, 0o640)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert (bound.url, bound.port) == (f"unix:{path}", None)
    bound.close()
    assert not path.exists()
    bound.close()


def test_a_socket_file_that_another_made_meanwhile_is_left_alone(folder: Path) -> None:
    path = folder / "in.sock"
    bound = bind("server", "", 0, path)
    path.unlink()
    (folder / "placeholder").touch()  # so that the new file cannot get the old one's number
    other = bind("server", "", 0, path)
    bound.close()
    assert path.exists()
    other.close()


def test_the_socket_file_of_a_gateway_that_died_is_replaced(folder: Path) -> None:
    path = folder / "in.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    bound = bind("server", "", 0, path)
    bound.close()


def test_a_socket_file_that_answers_is_not_taken_away(folder: Path) -> None:
    path = folder / "in.sock"
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(str(path))
        alive.listen()
        with pytest.raises(CannotListen, match="another program answers"):
            bind("server", "", 0, path)
    assert path.exists()


def test_a_file_that_is_no_socket_is_never_removed(folder: Path) -> None:
    path = folder / "in.sock"
    path.write_text("precious")
    with pytest.raises(CannotListen, match="not a socket"):
        bind("server", "", 0, path)
    assert path.read_text() == "precious"


def test_a_folder_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(CannotListen, match="make the folder first"):
        bind("admin", "", 0, folder / "no" / "in.sock")


def test_a_socket_that_cannot_be_asked_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "in.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(CannotListen, match="Permission denied"):
        bind("server", "", 0, path)
    assert path.exists()


# --- descriptors -----------------------------------------------------------------------------------------------------


def test_too_few_descriptors_stop_the_start_with_a_clear_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (64, 256))
    with pytest.raises(TooFewDescriptors) as raised:
        reserve_descriptors(1200)
    text = str(raised.value)
    assert "256" in text
    assert "1200" in text
    assert "server.connections" in text


@pytest.mark.parametrize("limit", [(1200, 1200), (resource.RLIM_INFINITY, resource.RLIM_INFINITY)])
def test_enough_descriptors_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch, limit: tuple[int, int]) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limit)
    monkeypatch.setattr(resource, "setrlimit", lambda *args: pytest.fail("the limit was changed"))
    reserve_descriptors(1200)


@pytest.mark.parametrize("hard", [4096, resource.RLIM_INFINITY])
def test_a_soft_limit_is_raised_where_that_is_allowed(monkeypatch: pytest.MonkeyPatch, hard: int) -> None:
    raised: list[object] = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, values: raised.append(values))
    reserve_descriptors(1200)
    assert raised == [(1200, hard)]
