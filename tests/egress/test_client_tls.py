"""TLS of the client: certificates, authorities, old versions, and files that cannot be read."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

from gateway.egress import tls
from gateway.egress.client import Http
from gateway.egress.via import Via
from gateway.errors import Retry, Unavailable
from gateway.testing.server import ScriptedServer

# -- TLS


def _usage(x509: Any, *, authority: bool) -> Any:
    names = (
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=authority, crl_sign=authority, **dict.fromkeys(names, False)
    )


def make_certificate(folder: Path, name: str, issuer: tuple[Any, Any] | None = None) -> tuple[Path, tuple[Any, Any]]:
    """A PEM file with key and certificate for 127.0.0.1, signed by `issuer` or by itself."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key((issuer[1] if issuer else key).public_key()),
            critical=False,
        )
        .add_extension(_usage(x509, authority=issuer is None), critical=True)  # Python 3.13 asks for it by default
    )
    certificate = built.sign(issuer[1] if issuer else key, hashes.SHA256())
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path, (certificate, key)


def server_context(certificate: Path, trusts: Path | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if trusts:
        context.load_verify_locations(trusts)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_a_certificate_that_nobody_vouches_for_is_a_retry_and_nothing_is_sent(http: Http, tmp_path: Path) -> None:
    path, _ = make_certificate(tmp_path, "server")
    async with ScriptedServer(tls=server_context(path)) as server:
        with pytest.raises(Retry, match="TLS certificate is not accepted: self-signed certificate") as failed:
            await http.post(server.url, content=b"x")
        assert server.received == []
        assert failed.value.service
        assert (await http.get(server.url, via=Via(verify=False))).status == 200


async def test_a_private_authority_and_a_client_certificate_are_used_where_configured(
    http: Http, tmp_path: Path
) -> None:
    ca, authority = make_certificate(tmp_path, "authority")
    mine, _ = make_certificate(tmp_path, "server", authority)
    client, _ = make_certificate(tmp_path, "client", authority)
    async with ScriptedServer(tls=server_context(mine, trusts=ca)) as server:
        with pytest.raises(Retry):
            await http.get(server.url, via=Via(ca=ca))
        assert (await http.get(server.url, via=Via(ca=ca, certificate=client))).status == 200
        assert len(server.received) == 1


async def test_old_tls_is_not_spoken(http: Http, tmp_path: Path) -> None:
    path, _ = make_certificate(tmp_path, "server")
    context = server_context(path)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with ScriptedServer(tls=context) as server:
        with pytest.raises(Retry):
            await http.get(server.url, via=Via(verify=False))
        assert server.received == []


async def test_a_machine_without_authorities_of_its_own_falls_back_to_a_packaged_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "none.pem"
    empty.write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(empty))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    context = tls.context_of(Via())
    assert context.cert_store_stats()["x509_ca"] > 50
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


async def test_certificate_files_that_cannot_be_read_stop_the_target_and_lose_nothing(
    http: Http, tmp_path: Path
) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    for via in (Via(ca=tmp_path / "nothing.pem"), Via(ca=junk), Via(certificate=junk)):
        with pytest.raises(Unavailable, match="TLS files"):
            await http.prepare("https://127.0.0.1/", via)


async def test_a_plain_text_server_behind_an_https_url_is_a_retry(http: Http) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ready\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Retry, match="TLS failed: WRONG_VERSION_NUMBER") as failed:
        await http.get(f"https://127.0.0.1:{port}/")
    assert failed.value.service
    server.close()
    await server.wait_closed()
