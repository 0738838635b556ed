"""A file that somebody names is opened where it is regular, and nothing else is waited for, whatever takes its place."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.egress.tls import client_context
from gateway.runtime.file_watch import identity_of
from gateway.text.regular_file import NotRegular, open_regular, require_libpq_files, require_regular


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


KINDS = [(os.mkfifo, "a named pipe"), (Path.mkdir, "a folder"), (a_socket, "a socket"), (a_device, "a device")]


@pytest.mark.parametrize(("make", "kind"), KINDS, ids=[kind for _, kind in KINDS])
def test_what_is_no_regular_file_is_named_and_not_opened(
    tmp_path: Path, make: Callable[[Path], None], kind: str
) -> None:
    path = tmp_path / "ca.pem"
    make(path)
    for opening in (require_regular, open_regular, client_context, lambda path: client_context(None, path, path)):
        with pytest.raises(NotRegular, match=f"it is no regular file, but {kind}") as refused:
            opening(path)
        assert refused.value.kind == kind
    with pytest.raises(NotRegular, match=f"sslkey is no regular file, but {kind}"):
        require_libpq_files(
            {"host": "h", "sslrootcert": "system", "sslkey": str(path), "sslcert": str(tmp_path / "none")}
        )
    assert identity_of(path) == identity_of(path)


def test_a_pipe_that_takes_the_files_place_between_the_look_and_the_opening_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, beside = tmp_path / "ca.pem", tmp_path / "beside"
    beside.write_bytes(b"x")
    os.mkfifo(path)
    status = os.stat(beside)
    monkeypatch.setattr("gateway.text.regular_file.os.stat", lambda _: status)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NotRegular, match="a named pipe"):
        open_regular(path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_regular_file_is_read_also_through_a_link_and_one_that_is_not_there_is_the_systems_error(
    tmp_path: Path,
) -> None:
    (tmp_path / "real").write_bytes(b"content")
    (tmp_path / "link").symlink_to("real")
    with open_regular(tmp_path / "link") as opened:
        assert opened.read() == b"content"
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")
