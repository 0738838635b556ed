"""A target whose certificate files were renewed has other connections than before."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.egress.client import POOLS_MAX, Http
from gateway.egress.via import Via
from gateway.errors import Retry
from gateway.fields.config_file import NamedFile
from gateway.testing.server import ScriptedServer
from tests.egress.test_client_tls import make_certificate, server_context


def of_this_day(folder: Path, day: str) -> tuple[Path, Path]:
    """`ca.pem` and `client.pem` of an authority made for a day; its own file, and that of a server."""
    folder.mkdir(exist_ok=True)
    ca, authority = make_certificate(folder, f"authority-{day}")
    client, _ = make_certificate(folder, f"client-{day}", authority)
    server, _ = make_certificate(folder, f"server-{day}", authority)
    for file, name in ((ca, "ca.pem"), (client, "client.pem")):
        beside = folder / f"{name}.new"
        beside.write_bytes(file.read_bytes())
        beside.replace(folder / name)
    return ca, server


async def test_each_content_of_a_certificate_has_connections_of_its_own_and_only_the_last_two_stay(
    http: Http, tmp_path: Path
) -> None:
    def via() -> Via:
        return Via(ca=NamedFile.as_found(tmp_path / "ca.pem"), certificate=NamedFile.as_found(tmp_path / "client.pem"))

    shown = []
    for day in ("monday", "tuesday", "wednesday"):
        ca, certificate = of_this_day(tmp_path, day)
        async with ScriptedServer(tls=server_context(certificate, trusts=ca)) as server:
            for old in shown:
                with pytest.raises(Retry):
                    await http.get(server.url, via=old)
            shown.append(via())
            assert via() == shown[-1]
            assert (await http.get(server.url, via=shown[-1])).status == 200
    assert len(http._pools) == POOLS_MAX
