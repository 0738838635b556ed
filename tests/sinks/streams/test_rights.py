"""Users with passwords and few rights: a NATS server of the test's own, and a user of the machine's Redis."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import Retry, Unavailable
from gateway.testing import delivery, event, opened
from plugins.sinks.nats import Nats
from tests.certificates import certificates
from tests.patience import PATIENCE_S
from tests.ports import free_port

AT_ONCE_S = 10.0  # who waits for an answer that never comes takes longer
PASSWORD = "canary-password-0123456789"
CONFIG = """
listen: 127.0.0.1:{port}
jetstream {{ store_dir: "{folder}/store" }}
tls {{ cert_file: "{folder}/cert.pem", key_file: "{folder}/key.pem" }}
authorization {{ users: [
  {{ user: gateway, password: "{password}", permissions: {{ publish: ["recordings.>", "$JS.API.>"], subscribe: "_INBOX.>" }} }}
] }}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The options for a NATS server that speaks TLS only, and lets `gateway` publish to `recordings.>` only."""
    program = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")
    if program is None:
        pytest.skip("no NATS server to start")
    folder, port = tmp_path_factory.mktemp("nats"), free_port()
    certificates(folder)
    (folder / "nats.conf").write_text(CONFIG.format(port=port, folder=folder, password=PASSWORD))
    process = subprocess.Popen([program, "-c", str(folder / "nats.conf"), "-l", str(folder / "log")])
    options = {
        "url": f"tls://127.0.0.1:{port}",
        "username": "gateway",
        "password": PASSWORD,
        "ca": str(folder / "ca.pem"),
        "subject": "recordings.{type}",
    }
    try:
        asyncio.run(_make_stream(options, folder))
        yield options
    finally:
        process.kill()
        process.wait(PATIENCE_S)


async def _make_stream(options: dict[str, Any], folder: Path) -> None:
    import nats

    from gateway import client_context

    async def ignore(error: Exception) -> None: ...

    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            client = await nats.connect(
                options["url"],
                user="gateway",
                password=PASSWORD,
                tls=client_context(folder / "ca.pem"),
                error_cb=ignore,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
            )
        except nats.errors.NoServersError:
            assert time.monotonic() < until, (folder / "log").read_text()
            await asyncio.sleep(0.05)
        else:
            break
    await client.jetstream().add_stream(name="all", subjects=["recordings.>"])
    await client.close()


async def test_events_go_over_tls_to_a_server_that_is_known(server: dict[str, Any]) -> None:
    async with opened(Nats, server) as sink:
        assert await sink.deliver(delivery(event())) == "all 1"
    without = {name: value for name, value in server.items() if name != "ca"}
    async with opened(Nats, without) as sink:
        with pytest.raises(Unavailable, match="certificate is not accepted"):
            await sink.deliver(delivery(event(number=1)))
    plain = {**without, "url": server["url"].replace("tls:", "nats:")}
    async with opened(Nats, plain) as sink:
        with pytest.raises((Unavailable, Retry)):  # whoever asks for no TLS trusts the system's authorities
            await sink.deliver(delivery(event(number=2)))


async def test_a_wrong_password_opens_the_circuit_and_is_in_no_text(server: dict[str, Any]) -> None:
    async with opened(Nats, {**server, "password": "canary-wrong-password"}) as sink:
        with pytest.raises(Unavailable, match="does not let us in") as failed:
            await sink.deliver(delivery(event()))
    assert "canary" not in str(failed.value)


async def test_a_subject_that_may_not_be_published_to_is_told_at_once_and_only_to_its_own_event(
    server: dict[str, Any],
) -> None:
    """The server says so to nobody in particular, and sends no answer."""
    async with opened(Nats, {**server, "subject": "forbidden"}) as sink:
        with pytest.raises(Unavailable, match="may not publish there"):
            await sink.deliver(delivery(event()))
    async with opened(Nats, {**server, "subject": "{app}.x"}) as sink:
        async with asyncio.timeout(AT_ONCE_S):
            results = await sink.deliver_batch(
                [delivery(event(app="forbidden"), id=1), delivery(event(number=5, app="recordings"), id=2)]
            )
    assert isinstance(results[0], Retry)
    assert not results[0].service
    assert "may not publish there" in str(results[0])
    assert isinstance(results[1], str)


@pytest.mark.parametrize("broker", ["redis"], indirect=True)
async def test_a_redis_user_needs_the_right_to_add_and_no_more(broker: Any) -> None:
    user = broker.name
    await broker.client.acl_setuser(
        user, enabled=True, passwords=[f"+{PASSWORD}"], commands=["+xadd", "+ping", "+client|setname"], keys=[broker.name]
    )  # fmt: skip
    login = {"username": user, "password": PASSWORD}
    try:
        async with opened(broker.sink, broker.options(**login)) as sink:
            await sink.deliver(delivery(event()))
        async with opened(broker.sink, broker.options(**login, stream=f"{broker.name}-other")) as sink:
            with pytest.raises(Unavailable, match="rights") as failed:
                await sink.deliver(delivery(event()))
        assert "canary" not in str(failed.value)
        assert len(await broker.read()) == 1
    finally:
        await broker.client.acl_deluser(user)
