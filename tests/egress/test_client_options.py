"""Every method and every option of the client, tried against real servers: what one of them allows, no other undoes."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from gateway.egress.client import Http
from gateway.egress.guard import AddressGuard
from gateway.egress.via import Via
from gateway.errors import DeliveryFailed, Refused, Retry, Unavailable
from gateway.testing.server import Reply, ScriptedServer
from gateway.text import redaction
from tests.patience import PATIENCE_S

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
LOOPBACK = AddressGuard((ip_network("127.0.0.0/8"),))


# --- redirects -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_method_follows_a_redirect(http: Http, method: str, status: int) -> None:
    async with ScriptedServer() as elsewhere:
        reply = Reply(status=status, headers=[("Location", elsewhere.url + "/x")])
        async with ScriptedServer(otherwise=reply) as server:
            for via in (Via(), Via(guard=LOOPBACK)):
                with pytest.raises(Unavailable, match="redirects are not followed"):
                    await http.request(method, server.url, via=via)
            assert len(server.received) == 2
        assert elsewhere.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_what_is_fetched_from_an_untrusted_url_follows_no_redirect(http: Http, status: int) -> None:
    async with ScriptedServer() as elsewhere:
        reply = Reply(status=status, headers=[("Location", elsewhere.url)])
        async with ScriptedServer(reply) as server:
            with pytest.raises(Unavailable, match="redirects are not followed"):
                await http.fetch_untrusted(server.url, max_bytes=100, allow=LOOPBACK)
        assert elsewhere.connections == 0


async def test_a_redirect_through_a_proxy_is_not_followed_either(http: Http) -> None:
    async with ScriptedServer() as elsewhere:
        reply = Reply(status=302, headers=[("Location", elsewhere.url)])
        async with ScriptedServer(reply) as proxy:
            with pytest.raises(Unavailable):
                await http.get("http://target.invalid/", via=Via(proxy=proxy.url))
        assert elsewhere.connections == 0


@pytest.mark.parametrize("method", METHODS)
async def test_no_method_keeps_a_cookie_or_uses_the_environment(
    http: Http, method: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b")
    monkeypatch.setenv("NETRC", str(netrc))
    async with ScriptedServer(otherwise=Reply(headers=[("Set-Cookie", "s=1; Path=/")])) as server:
        for _ in range(2):
            await http.request(method, server.url)
        for got in server.received:
            assert (got.header("cookie"), got.header("authorization")) == (None, None)
            assert got.header("accept-encoding") == "identity"


@pytest.mark.parametrize("method", [method for method in METHODS if method != "HEAD"])
async def test_every_method_ends_at_its_deadline_and_at_its_limit(http: Http, method: str) -> None:
    async with ScriptedServer(Reply(drip=True), Reply(body=b"x" * 100)) as server:
        with pytest.raises(Retry, match=r"within 0\.1 s"):
            await http.request(method, server.url, timeout=0.1, limit=10**9)
        answer = await http.request(method, server.url, limit=10)
        assert (answer.body, answer.truncated) == (b"x" * 10, True)


async def test_fetching_an_untrusted_url_keeps_every_option_of_a_request(http: Http) -> None:
    async with ScriptedServer(Reply(drip=True), Reply(body=b"x" * 100), Reply(body=b"ok")) as server:
        with pytest.raises(Retry, match=r"within 0\.1 s"):
            await http.fetch_untrusted(server.url, max_bytes=10**9, timeout=0.1, allow=LOOPBACK)
        with pytest.raises(Refused, match="over 10 bytes"):
            await http.fetch_untrusted(server.url, max_bytes=10, allow=LOOPBACK)
        answer = await http.fetch_untrusted(server.url, max_bytes=2, headers={"Range": "bytes=0-1"}, allow=LOOPBACK)
        assert answer.body == b"ok"
        assert server.received[-1].header("range") == "bytes=0-1"


@pytest.mark.parametrize("size", [8300, 100_000, 2_000_000])
async def test_a_header_without_end_is_a_retry(http: Http, size: int) -> None:
    async with ScriptedServer(Reply(headers=[("X-Long", "x" * size)])) as server:
        with pytest.raises(Retry, match="is not HTTP"):
            await http.get(server.url)


# --- half a secret ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", range(1, 40, 3))
async def test_a_body_that_is_cut_in_the_middle_of_a_secret_shows_no_half_of_it(http: Http, kept: int) -> None:
    secret = "cut-canary-0123456789abcdefghijklmnopqrs"
    redaction.learn_secret(secret)
    async with ScriptedServer(Reply(status=400, body=b"key=" + secret.encode() + b" " * 100)) as server:
        with pytest.raises(Refused) as failed:
            await http.get(server.url, limit=4 + kept)
    assert secret[: min(kept, 8)] not in failed.value.detail.replace("key=", "") or kept < 6
    assert "cut-canary" not in failed.value.detail


# --- TLS, each option with a server that should be refused ---------------------------------------------------------------------


class Authority:
    """Makes certificates."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.key, self.certificate = self._make(name, None)
        self.path = self._write(name, self.key, self.certificate)

    def issue(self, name: str, *, host: str = "127.0.0.1", days: int = 1) -> Path:
        key, certificate = self._make(name, self, host=host, days=days)
        return self._write(f"{self.name}-{name}", key, certificate)

    def _make(self, name: str, issuer: Authority | None, *, host: str = "127.0.0.1", days: int = 1) -> tuple[Any, Any]:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        signer = issuer.key if issuer else key
        now = datetime.datetime.now(datetime.UTC)
        alternative: Any = x509.DNSName(host)
        if host[0].isdigit():
            alternative = x509.IPAddress(ipaddress.ip_address(host))
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
            False,
        )  # fmt: skip
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=9))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .add_extension(
                x509.KeyUsage(digital_signature=True, key_cert_sign=issuer is None, crl_sign=issuer is None, **usage),
                critical=True,
            )
            .sign(signer, hashes.SHA256())
        )
        return key, certificate

    def _write(self, name: str, key: Any, certificate: Any) -> Path:
        from cryptography.hazmat.primitives import serialization as of

        path = self.folder / f"{name}.pem"
        private = key.private_bytes(of.Encoding.PEM, of.PrivateFormat.PKCS8, of.NoEncryption())
        path.write_bytes(private + certificate.public_bytes(of.Encoding.PEM))
        return path


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("theirs"), "theirs")


def context(certificate: Path, trusts: Path | None = None) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate)
    if trusts:
        made.load_verify_locations(trusts)
        made.verify_mode = ssl.CERT_REQUIRED
    return made


@asynccontextmanager
async def tunnel(port: int) -> AsyncIterator[str]:
    """An http proxy that connects every tunnel to this port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        up, down = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
            sink.close()

        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(copy(reader, down), copy(up, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


GOOD, WRONG_HOST, EXPIRED, FOREIGN = "good", "host", "expired", "foreign"


def certificates(ours: Authority, theirs: Authority) -> dict[str, Path]:
    return {
        GOOD: ours.issue(GOOD),
        WRONG_HOST: ours.issue(WRONG_HOST, host="elsewhere.example"),
        EXPIRED: ours.issue(EXPIRED, days=-1),
        FOREIGN: theirs.issue(FOREIGN),
    }


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("shown", [GOOD, WRONG_HOST, EXPIRED, FOREIGN])
@pytest.mark.parametrize("options", ["ca", "ca and certificate", "ca and guard", "ca and proxy", "ca and timeout"])
async def test_a_private_authority_vouches_for_its_own_and_for_nobody_else(
    http: Http, ours: Authority, theirs: Authority, method: str, shown: str, options: str
) -> None:
    client = ours.issue("client")
    served = context(certificates(ours, theirs)[shown], trusts=ours.path if options == "ca and certificate" else None)
    async with ScriptedServer(tls=served) as server, tunnel(server.port) as proxy:
        via = {
            "ca and certificate": Via(ca=ours.path, certificate=client),
            "ca and guard": Via(ca=ours.path, guard=LOOPBACK),
            "ca and proxy": Via(ca=ours.path, proxy=proxy),
        }.get(options, Via(ca=ours.path))
        timeout = 5.0 if options == "ca and timeout" else None
        if shown == GOOD:
            assert (await http.request(method, server.url, via=via, timeout=timeout)).status == 200
        else:
            with pytest.raises(Retry, match="TLS certificate is not accepted"):
                await http.request(method, server.url, via=via, timeout=timeout)
            assert server.received == []


@pytest.mark.parametrize("user", ["", "user:pw@"])
async def test_a_tunnel_is_kept_for_the_next_request(http: Http, ours: Authority, user: str) -> None:
    async with ScriptedServer(tls=context(ours.issue(GOOD))) as server, tunnel(server.port) as proxy:
        via = Via(ca=ours.path, proxy=proxy.replace("http://", f"http://{user}"))
        for _ in range(3):
            await http.post(server.url, content=b"x", via=via)
        assert (len(server.received), server.connections) == (3, 1)


@pytest.mark.parametrize("shown", [GOOD, FOREIGN, EXPIRED, WRONG_HOST])
async def test_without_an_authority_nobody_of_these_is_trusted_unless_it_is_said(
    http: Http, ours: Authority, theirs: Authority, shown: str
) -> None:
    async with ScriptedServer(tls=context(certificates(ours, theirs)[shown])) as server:
        for via in (Via(), Via(certificate=ours.issue("me")), Via(guard=LOOPBACK)):
            with pytest.raises(Retry, match="TLS certificate is not accepted"):
                await http.post(server.url, content=b"x", via=via)
        with pytest.raises(DeliveryFailed, match="TLS certificate is not accepted"):
            await http.fetch_untrusted(server.url, max_bytes=10, allow=LOOPBACK)
        assert server.received == []
        assert (await http.post(server.url, content=b"x", via=Via(verify=False))).status == 200


async def test_a_server_that_wants_a_certificate_gets_only_the_configured_one(
    http: Http, ours: Authority, theirs: Authority
) -> None:
    async with ScriptedServer(tls=context(ours.issue("server"), trusts=ours.path)) as server:
        for via in (Via(ca=ours.path), Via(ca=ours.path, certificate=theirs.issue("me"))):
            with pytest.raises(Retry):
                await http.get(server.url, via=via)
        assert server.received == []
        assert (await http.get(server.url, via=Via(ca=ours.path, certificate=ours.issue("me")))).status == 200
