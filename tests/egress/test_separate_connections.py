"""Settings that differ never share a connection, and a renewed certificate is shown over a new one, also while the old one is kept."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from gateway.egress.client import Http
from gateway.egress.via import Via
from gateway.errors import Retry, Unavailable
from gateway.fields.config_file import NamedFile
from tests.certificates import certificates
from tests.egress.test_client_tls import make_certificate, server_context
from tests.egress.wire import Wire, saying

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Pair:
    """Certificates of one authority, and `client.pem` with `key.pem` of the one that is used now."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca, self._authority = make_certificate(folder, "authority")
        self.server, _ = make_certificate(folder, "server", self._authority)

    def renew(self, name: str, *, certificate: bool = True, key: bool = True) -> None:
        """Put a fresh certificate, its key, or both in the place of the last."""
        made, _ = make_certificate(self.folder, name, self._authority)
        private, mark, public = made.read_bytes().partition(b"-----BEGIN CERTIFICATE")
        for file, content, wanted in (("client.pem", mark + public, certificate), ("key.pem", private, key)):
            if wanted:
                (self.folder / "beside").write_bytes(content)
                (self.folder / "beside").replace(self.folder / file)

    @property
    def via(self) -> Via:
        """As a sink has it whose options are read now."""
        found = NamedFile.as_found
        return Via(ca=found(self.ca), certificate=found(self.folder / "client.pem"), key=found(self.folder / "key.pem"))

    def context(self) -> ssl.SSLContext:
        return server_context(self.server, trusts=self.ca)


def shown(wire: Wire) -> list[str]:
    """The name in the certificate that each request's connection had shown; empty: none."""
    names = []
    for peer in wire.peers:
        certificate: Any = peer.getpeercert() if peer is not None else None
        subject = dict(part[0] for part in certificate["subject"]) if certificate else {}
        names.append(str(subject.get("commonName", "")))
    return names


async def test_a_renewed_client_certificate_is_shown_at_once_and_the_last_one_no_more(
    http: Http, tmp_path: Path
) -> None:
    pair = Pair(tmp_path)
    pair.renew("monday")
    async with saying([OK], tls=pair.context()) as wire:
        for name in ("monday", "monday", "tuesday", "tuesday"):
            if name not in shown(wire):
                pair.renew(name)
            await http.post(wire.url, content=b"x", via=pair.via)
        assert wire.used == [1, 1, 2, 2]
        assert shown(wire) == ["monday", "monday", "tuesday", "tuesday"]


@pytest.mark.parametrize("half", ["certificate", "key"])
async def test_half_a_renewed_pair_is_refused_and_what_runs_with_the_last_one_goes_on(
    http: Http, tmp_path: Path, half: str
) -> None:
    pair = Pair(tmp_path)
    pair.renew("monday")
    monday = pair.via
    async with saying([OK], tls=pair.context()) as wire:
        await http.post(wire.url, content=b"x", via=monday)
        pair.renew("tuesday", certificate=half == "certificate", key=half == "key")
        with pytest.raises(Unavailable, match="the TLS files of this target cannot be used"):
            await http.prepare(wire.url, pair.via)
        with pytest.raises(Unavailable, match="the TLS files of this target cannot be used"):
            await http.post(wire.url, content=b"x", via=pair.via)
        await http.post(wire.url, content=b"x", via=monday)
        pair.renew("wednesday")
        await http.post(wire.url, content=b"x", via=pair.via)
        assert shown(wire) == ["monday", "monday", "wednesday"]


async def test_the_same_target_with_other_settings_of_tls_has_connections_of_its_own(
    http: Http, tmp_path: Path
) -> None:
    pair = Pair(tmp_path)
    pair.renew("client")
    context = pair.context()
    context.verify_mode = ssl.CERT_OPTIONAL
    (tmp_path / "other").mkdir()
    certificates(tmp_path / "other")
    settings = [
        Via(ca=pair.ca),
        pair.via,
        Via(verify=False),
        Via(verify=False, certificate=pair.via.certificate, key=pair.via.key),
    ]
    async with saying([OK], tls=context) as wire:
        for _ in range(2):
            for via in settings:
                await http.post(wire.url, content=b"x", via=via)
            for via in (Via(), Via(ca=tmp_path / "other/ca.pem")):
                with pytest.raises(Retry, match="TLS certificate is not accepted"):
                    await http.post(wire.url, content=b"x", via=via)
        assert shown(wire) == ["", "client", "", "client"] * 2
        assert len(set(wire.used)) == len(settings)


async def test_no_session_of_tls_is_taken_up_again_under_another_certificate(http: Http, tmp_path: Path) -> None:
    """A session that is taken up again shows no certificate: what the last one was let in for, the next would be."""
    pair = Pair(tmp_path)
    pair.renew("monday")
    context = pair.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # whose sessions are there from the first moment
    async with saying([OK, None], tls=context) as wire:
        for name in ("monday", "monday", "tuesday"):
            if name == "tuesday":
                pair.renew(name)
            await http.post(wire.url, content=b"x", via=pair.via)
        with pytest.raises(Retry):
            await http.post(wire.url, content=b"x", via=Via(ca=pair.ca))
        assert shown(wire) == ["monday", "monday", "tuesday"]
        assert context.session_stats()["hits"] == 0
        assert not [peer for peer in wire.peers if peer is None or peer.session_reused]


async def test_a_kept_connection_is_of_one_name_even_where_both_names_are_one_address(
    http: Http, tmp_path: Path
) -> None:
    """Its certificate was checked for the name that it was made for."""
    pair = Pair(tmp_path)  # which vouches for 127.0.0.1, and not for localhost
    async with saying([OK], tls=server_context(pair.server)) as wire:
        via = Via(ca=pair.ca)
        await http.post(wire.url, content=b"x", via=via)
        with pytest.raises(Retry, match="TLS certificate is not accepted"):
            await http.post(wire.url.replace("127.0.0.1", "localhost"), content=b"x", via=via)
        await http.post(wire.url, content=b"x", via=via)
        assert wire.used == [1, 1]
