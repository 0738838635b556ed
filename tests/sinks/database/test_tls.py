"""TLS to MySQL: a MariaDB of the test's own, with a certificate of an authority made here."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import Retry, Unavailable
from gateway.testing import delivery
from plugins.sinks.database.address import parse
from plugins.sinks.database.engine import tls_context
from tests.certificates import certificates
from tests.patience import PATIENCE_S, until
from tests.ports import free_port
from tests.sinks.database.conftest import making

PASSWORD = "p@ss:w/rd% canary"


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """The port of a MariaDB that lets user `u` in over TLS only, and the folder of its certificates."""
    server = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
    if server is None or shutil.which("mariadb-install-db") is None:
        pytest.skip("no MariaDB server to start")
    folder = tmp_path_factory.mktemp("mariadb")
    certificates(folder)
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", f"--datadir={folder}/data", "--user=root", "--auth-root-authentication-method=normal"],
        check=True, capture_output=True,
    )  # fmt: skip
    port, socket = free_port(), folder / "s"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                server, "--no-defaults", f"--datadir={folder}/data", "--user=root", f"--socket={socket}", f"--port={port}",
                "--bind-address=127.0.0.1", f"--ssl-ca={folder}/ca.pem", f"--ssl-cert={folder}/cert.pem", f"--ssl-key={folder}/key.pem",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        import pymysql  # type: ignore[import-untyped]

        until(socket.exists, said=(folder / "log").read_text)
        admin = pymysql.connect(unix_socket=str(socket), user="root", autocommit=True)
        with admin, admin.cursor() as cursor:
            cursor.execute("CREATE DATABASE d")
            cursor.execute("CREATE USER u@'127.0.0.1' IDENTIFIED BY %s REQUIRE SSL", (PASSWORD,))
            cursor.execute("CREATE USER u@localhost IDENTIFIED BY %s REQUIRE SSL", (PASSWORD,))
            cursor.execute("GRANT ALL ON d.* TO u@'127.0.0.1', u@localhost")
        yield port, folder
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.mark.parametrize(
    ("query", "checked", "by_name"),
    [
        ("ssl_mode=required", ssl.CERT_NONE, False),
        ("ssl_mode=verify_ca", ssl.CERT_REQUIRED, False),
        ("ssl_mode=VERIFY-IDENTITY", ssl.CERT_REQUIRED, True),
        ("ssl_ca={0}/ca.pem", ssl.CERT_REQUIRED, True),
        ("ssl_cert={0}/cert.pem&ssl_key={0}/key.pem", ssl.CERT_NONE, False),
        ("ssl_ca={0}/ca.pem&ssl_cert={0}/cert.pem&ssl_key={0}/key.pem", ssl.CERT_REQUIRED, True),
    ],
)
def test_a_mode_checks_as_much_as_mysqls_own_words_say(
    query: str, checked: ssl.VerifyMode, by_name: bool, tmp_path: Path
) -> None:
    certificates(tmp_path)
    context = tls_context(parse(f"mysql://u@h/d?{query.format(tmp_path)}"))
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (checked, by_name)


def test_encrypted_is_only_what_is_to_be() -> None:
    assert tls_context(parse("mysql://u@h/d")) is tls_context(parse("mysql://u@h/d?ssl_mode=disabled")) is None


@pytest.mark.slow
async def test_each_mode_does_what_mysqls_own_words_say(encrypted: tuple[int, Path]) -> None:
    port, folder = encrypted
    url, ca = f"mysql://u@127.0.0.1:{port}/d", f"ssl_ca={folder}/ca.pem"
    mutual = f"ssl_cert={folder}/cert.pem&ssl_key={folder}/key.pem"
    for good in (
        "ssl_mode=required",
        f"ssl_mode=verify_ca&{ca}",
        ca,
        f"ssl_mode=VERIFY-IDENTITY&{ca}&{mutual}",
        mutual,
    ):
        async with making(f"{url}?{good}", password=PASSWORD) as sink:
            assert await sink.deliver(delivery()) == "1 row"
    for bad, failure in (
        (url, Unavailable),
        (f"{url}?ssl_mode=verify_identity", Retry),
        (f"{url.replace('127.0.0.1', 'localhost')}?{ca}", Retry),
    ):
        async with making(bad, password=PASSWORD, opened=False) as sink:
            with pytest.raises(failure) as failed:
                await sink.open()
            assert "canary" not in str(failed.value)
    async with making(f"{url}?ssl_mode=required", password="another-canary", opened=False) as sink:
        with pytest.raises(Unavailable, match="1045"):
            await sink.open()
