"""A pipe that takes the place of a certificate is not waited for: libpq reads it for each connection, on the thread that connects."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway import Retry
from tests import threads
from tests.sinks.database.conftest import making


@pytest.fixture
def encrypted() -> Iterator[int]:
    """The port of what says yes to TLS, as PostgreSQL does, and nothing more."""

    def say_yes() -> None:
        with suppress(OSError):
            while True:
                there, _ = listening.accept()
                with there:
                    there.recv(8)
                    there.sendall(b"S")
                    there.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threads.start(say_yes)
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    threads.end(thread)


@pytest.mark.parametrize("name", ["sslrootcert", "sslcert", "sslcrl"])
async def test_the_sink_says_so_and_holds_nobody_up(encrypted: int, tmp_path: Path, name: str) -> None:
    os.mkfifo(pipe := tmp_path / "pipe.pem")
    url = f"postgresql://u@127.0.0.1:{encrypted}/d?sslmode=verify-full&{name}={pipe}"
    async with making(url, opened=False) as sink:
        with pytest.raises(Retry, match=f"{name} is no regular file, but a named pipe") as failed:
            await sink.open()
        assert failed.value.service
