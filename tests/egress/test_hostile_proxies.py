"""A proxy that does not do its part: nothing it says is the target's answer, and nothing of ours goes where it should not."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.egress.client import Http
from gateway.egress.via import Via
from gateway.errors import DeliveryFailed, Retry, Unavailable
from tests.certificates import certificates
from tests.egress.wire import PAUSE_SECONDS, saying

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
SECRETS = ("proxyuser", "proxypass-canary", "cHJveHl1c2VyOnByb3h5cGFzcy1jYW5hcnk")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    certificates(folder, separate=True)
    return folder


@pytest.fixture
def tls(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@dataclass
class Proxy:
    """Where it is, each head that it was sent, and what came behind an answer that was no tunnel."""

    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    rest: list[bytes] = field(default_factory=list)

    def via(self, folder: Path, credentials: str = "proxyuser:proxypass-canary@") -> Via:
        return Via(proxy=f"http://{credentials}127.0.0.1:{self.port}", ca=folder / "ca.pem")


@asynccontextmanager
async def tunnel(
    *pieces: bytes, to: int = 0, closes: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Proxy]:
    """Says these pieces to CONNECT, then leads to the port `to`; 0: reads what comes, or `closes`."""
    proxy, tasks = Proxy(), set[asyncio.Task[None]]()

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(2**16):
            sink.write(data)
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            proxy.heads.append(await reader.readuntil(b"\r\n\r\n"))
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(PAUSE_SECONDS)
            if to:
                up, down = await asyncio.open_connection("127.0.0.1", to)
                try:
                    await asyncio.gather(copy(reader, down), copy(up, writer))
                finally:
                    down.transport.abort()
            elif not closes:
                proxy.rest.append(await reader.read(2**16))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


REFUSALS: dict[str, tuple[Sequence[bytes], bool, type[DeliveryFailed], str]] = {
    "407": ([b"HTTP/1.1 407 Who\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n"], False, Unavailable, "407"),
    "502": ([b"HTTP/1.1 502 Bad\r\ncontent-length: 0\r\n\r\n"], False, Retry, "the proxy answered 502"),
    "302": ([b"HTTP/1.1 302 Go\r\nlocation: http://127.0.0.1:1/\r\n\r\n"], False, Retry, "the proxy answered 302"),
    "201": ([b"HTTP/1.1 201 Made\r\ncontent-length: 0\r\n\r\n"], False, Retry, "the proxy answered 201"),
    "closes at once": ([], True, Retry, "closed the connection"),
    "closes in its answer": ([b"HTTP/1.1 200 Conn"], True, Retry, "closed the connection"),
    "closes behind it": ([ESTABLISHED], True, Retry, "127.0.0.1:9"),
    "no HTTP": ([b"SSH-2.0-x\r\n\r\n"], False, Retry, "not HTTP"),
    "interim answers without end": ([b"HTTP/1.1 100 Continue\r\n\r\n" * 9000], False, Retry, "without end"),
    "a head without end": ([b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 40000], False, Retry, "not HTTP"),
    "an answer behind the tunnel's": ([ESTABLISHED + OK], False, Retry, "closed the connection before"),
    "an answer a moment later": ([ESTABLISHED, OK], False, Retry, "TLS failed"),
    "an answer as the body": (
        [b"HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n" + OK],
        False,
        Retry,
        "closed the connection before",
    ),
}


@pytest.mark.parametrize(("pieces", "closes", "kind", "said"), REFUSALS.values(), ids=REFUSALS)
async def test_a_tunnel_that_is_none_is_a_failure_of_its_own_and_the_request_stays_here(
    http: Http, folder: Path, pieces: Sequence[bytes], closes: bool, kind: type[DeliveryFailed], said: str
) -> None:
    async with tunnel(*pieces, closes=closes) as proxy:
        with pytest.raises(DeliveryFailed, match=said) as failed:
            await http.post(
                "https://127.0.0.1:9/PATH-CANARY",
                content=b"BODY-CANARY",
                headers={"authorization": "HEADER-CANARY"},
                via=proxy.via(folder),
            )
    assert type(failed.value) is kind
    [head] = proxy.heads
    assert head.startswith(b"CONNECT 127.0.0.1:9 HTTP/1.1\r\n")
    assert b"CANARY" not in head + b"".join(proxy.rest)
    assert not [secret for secret in (*SECRETS, "CANARY") if secret in failed.value.detail]


@pytest.mark.parametrize(
    "pieces",
    [[ESTABLISHED], [ESTABLISHED[:9], ESTABLISHED[9:30], ESTABLISHED[30:]],
     [b"HTTP/1.1 100 Continue\r\n\r\n", ESTABLISHED], [b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"],
     [b"HTTP/1.0 200 OK\r\n\r\n"], [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"]],
    ids=["at once", "in pieces", "behind an interim answer", "with a length", "in HTTP/1.0", "with an encoding"],
)  # fmt: skip
async def test_a_tunnel_is_one_however_it_is_said_and_the_target_sees_nothing_of_the_proxy(
    http: Http, folder: Path, tls: ssl.SSLContext, pieces: Sequence[bytes]
) -> None:
    async with saying([OK], tls=tls) as target, tunnel(*pieces, to=target.port) as proxy:
        for _ in range(2):
            assert (await http.post(target.url, content=b"x", via=proxy.via(folder))).body == b"hi"
    assert target.used == [1, 1]
    [head] = proxy.heads
    assert SECRETS[2].encode() in head
    for _, seen in target.requests:
        assert b"proxy" not in seen.lower()
        assert SECRETS[2].encode() not in seen


async def test_a_tunnel_that_ends_while_it_is_kept_costs_no_attempt(
    http: Http, folder: Path, tls: ssl.SSLContext
) -> None:
    async with saying([OK], [None], [OK], tls=tls) as target, tunnel(ESTABLISHED, to=target.port) as proxy:
        answers = [await http.post(target.url, content=b"x", via=proxy.via(folder)) for _ in range(2)]
    assert [answer.resent for answer in answers] == [False, True]
    assert target.used == [1, 1, 2]


async def test_what_a_proxy_says_behind_an_answer_is_neither_the_same_targets_nor_anothers(http: Http) -> None:
    late = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate"
    async with saying([OK, late], [OK, late[:20]], [OK]) as proxy:
        via = Via(proxy=proxy.url.replace("http://", "http://proxyuser:proxypass-canary@"))
        for host in ("a.invalid", "b.invalid", "a.invalid", "b.invalid"):
            assert (await http.post(f"http://{host}/", content=b"x", via=via)).body == b"hi"
            await proxy.all_said()
    assert proxy.used == [1, 2, 3, 4]


async def test_each_user_and_each_target_of_a_proxy_has_connections_of_its_own(http: Http) -> None:
    async with saying([OK]) as proxy:
        for _ in range(2):
            for user in ("", "a:1@", "b:2@"):
                for host in ("x.invalid", "y.invalid"):
                    via = Via(proxy=proxy.url.replace("http://", f"http://{user}"))
                    await http.post(f"http://{host}/", content=b"x", via=via)
    assert proxy.used == [1, 2, 3, 4, 5, 6] * 2
    said = {}
    for number, head in proxy.requests:
        lines = [line for line in head.lower().split(b"\r\n") if line.startswith((b"host:", b"proxy-authorization:"))]
        assert said.setdefault(number, lines) == lines


async def test_a_proxy_that_lets_nobody_in_means_the_same_for_both_kinds_of_target(http: Http) -> None:
    async with saying([b"HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n"]) as proxy:
        via = Via(proxy=proxy.url.replace("http://", "http://proxyuser:proxypass-canary@"))
        for url in ("http://target.invalid/", "https://target.invalid/"):
            with pytest.raises(Unavailable, match="407") as failed:
                await http.post(url, content=b"x", via=via)
            assert not [secret for secret in SECRETS if secret in failed.value.detail]


def asking_context(folder: Path, mode: ssl.VerifyMode) -> ssl.SSLContext:
    """Of a server that asks for the client's certificate."""
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    asking.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    asking.load_verify_locations(folder / "ca.pem")
    asking.verify_mode = mode
    return asking


async def test_a_proxy_over_tls_is_verified_whatever_the_target_is_and_is_shown_no_certificate(
    http: Http, folder: Path, tls: ssl.SSLContext
) -> None:
    """It is given a password; and the certificate is the target's to see."""
    asking = asking_context(folder, ssl.CERT_OPTIONAL)
    own, key, ca = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
    async with saying([OK], tls=asking) as proxy:
        named = proxy.url.replace("https://", "https://proxyuser:proxypass-canary@")
        for url in ("http://target.invalid/", "https://target.invalid/"):
            for via in (Via(proxy=named, verify=False), Via(proxy=named)):
                with pytest.raises(Retry, match="TLS certificate is not accepted"):
                    await http.post(url, content=b"x", via=via)
        assert proxy.requests == []
        for verify in (True, False):
            via = Via(proxy=named, ca=ca, verify=verify, certificate=own, key=key)
            assert (await http.post("http://target.invalid/", content=b"x", via=via)).body == b"hi"
        assert [peer.getpeercert() for peer in proxy.peers if peer is not None] == [None, None]


async def test_a_target_behind_a_proxy_over_tls_is_checked_by_its_own_settings(
    http: Http, folder: Path, tls: ssl.SSLContext
) -> None:
    asking = asking_context(folder, ssl.CERT_REQUIRED)
    async with saying([OK], tls=asking) as target, tunnel(ESTABLISHED, to=target.port, tls=tls) as proxy:
        via = Via(
            proxy=f"https://127.0.0.1:{proxy.port}",
            ca=folder / "ca.pem",
            certificate=folder / "cert.pem",
            key=folder / "key.pem",
        )
        assert (await http.post(target.url, content=b"x", via=via)).body == b"hi"
    [peer] = target.peers
    assert peer is not None
    assert peer.getpeercert()
