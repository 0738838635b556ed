"""The receivers of docs/receivers.md accept what the gateway forwards, once, and nothing else."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from gateway import Cause, Refused, Unavailable, sign_webhook, signing_key, to_json, verify_webhook
from gateway.signing.ed25519 import generate
from gateway.testing import ScriptedServer, delivery, event, events
from tests import threads
from tests.receivers.conftest import SECRET

STRANGER = "whsec_" + base64.b64encode(b"somebody else's secret here").decode()
AT = 1614265330
BODY = '{"a": "录制"}'.encode()


def signed(secret: str = SECRET, body: bytes = BODY) -> dict[str, str]:
    signature = sign_webhook("abc", AT, body, [signing_key(secret)])
    return {"webhook-id": "abc", "webhook-timestamp": str(AT), "webhook-signature": signature}


@contextmanager
def fastapi_server(module: ModuleType) -> Iterator[str]:
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(module.app, port=0, log_config=None, lifespan="off"))
    thread = threads.start(server.run)
    try:
        while not server.started:
            thread.join(0.01)
            assert thread.is_alive()
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        threads.end(thread)
        module.db.close()


@contextmanager
def flask_server(module: ModuleType) -> Iterator[str]:
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, module.app, threaded=False)
    thread = threads.start(server.serve_forever, poll_interval=0.01)
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        threads.end(thread)
        server.server_close()


@pytest.mark.parametrize(("name", "serve"), [("fastapi", fastapi_server), ("flask", flask_server)])
async def test_a_receiver_takes_every_event_once_and_refuses_strangers(
    name: str, serve: Any, load: Callable[[str], ModuleType], forwarding: Any, tmp_path: Path
) -> None:
    with serve(load(name)) as url:
        async with forwarding(url + "/recordings") as sink:
            for one in events():
                assert await sink.deliver(delivery(one)) == "HTTP 200"
                assert (
                    await sink.deliver(replace(delivery(one), attempt=2)) == "HTTP 200"
                )  # a repeat is well, and dropped
        async with forwarding(url + "/recordings", STRANGER) as sink:
            with pytest.raises(Unavailable, match="HTTP 401"):
                await sink.deliver(delivery(event(number=99)))
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.post(url + "/recordings", content=BODY)).status_code == 401
            assert (await client.post(url + "/recordings", content=BODY, headers=signed())).status_code == 401  # old
    with closing(sqlite3.connect(tmp_path / "app.db")) as db:
        rows = db.execute("SELECT id, body FROM event ORDER BY rowid").fetchall()
    assert rows == [(one.id, to_json(one)) for one in events()]


async def test_a_receiver_of_batches_takes_every_event_once_and_answers_for_a_part(
    load: Callable[[str], ModuleType], forwarding: Any, tmp_path: Path
) -> None:
    batch = [delivery(one, id=number) for number, one in enumerate(events())]
    odd = delivery(replace(event(number=99), type="other.thing"), id=99)
    with fastapi_server(load("batch")) as url:
        async with forwarding(url + "/recordings") as sink:
            sink.batched = True
            assert await sink.deliver_batch(batch) == ["HTTP 200"] * len(batch)
            *again, refused = await sink.deliver_batch([*batch[::-1], odd])
            assert again == ["HTTP 200"] * len(batch), "in other company: known, and dropped"
            assert isinstance(refused, Refused)
            assert await sink.deliver(batch[0]) == "HTTP 200", "an array of one"
        async with forwarding(url + "/recordings", STRANGER) as sink:
            given = await sink.deliver_batch(batch)
            assert {type(one) for one in given} == {Unavailable}
    with closing(sqlite3.connect(tmp_path / "app.db")) as db:
        rows = db.execute("SELECT id FROM event ORDER BY rowid").fetchall()
    assert rows == [(one.id,) for one in events()]


CHECKS = (
    ("as it was signed", {}, BODY, True),
    ("another body", {}, BODY + b" ", False),
    ("another id", {"webhook-id": "abd"}, BODY, False),
    ("another time", {"webhook-timestamp": str(AT + 1)}, BODY, False),
    ("an old time", {"webhook-timestamp": str(AT - 1000)}, BODY, False),
    ("a stranger's", signed(STRANGER), BODY, False),
    ("ours among others", {"webhook-signature": "v1a,x v1,eHg= " + signed()["webhook-signature"]}, BODY, True),
    ("no signature", {"webhook-signature": "v1,"}, BODY, False),
    ("no time", {"webhook-timestamp": "soon"}, BODY, False),
)


@pytest.mark.parametrize(("headers", "body", "good"), [c[1:] for c in CHECKS], ids=[c[0] for c in CHECKS])
def test_the_plain_check_and_the_packages_own_agree(
    headers: dict[str, str], body: bytes, good: bool, load: Callable[[str], ModuleType]
) -> None:
    import webhook  # type: ignore[import-not-found]

    given = {**signed(), **headers}
    for check in (webhook.verify, verify_webhook):
        if good:
            assert check(body, given, SECRET, now=AT) == "abc"
        else:
            with pytest.raises(Exception, match=r"\w"):
                check(body, given, SECRET, now=AT)


def test_the_library_examples_verify_what_was_signed_just_now(examples: dict[str, str]) -> None:
    import time

    now = int(time.time())
    headers = {"webhook-id": "abc", "webhook-timestamp": str(now)}
    headers["webhook-signature"] = sign_webhook("abc", now, BODY, [signing_key(SECRET)])
    space: dict[str, Any] = {
        "body": BODY,
        "headers": headers,
        "old_secret": STRANGER,
        "new_secret": SECRET,
        "secret": SECRET,
    }
    exec(examples["library"], space)
    exec(examples["standardwebhooks"], space)
    assert space["id"] == "abc"
    assert space["event"] == json.loads(BODY)


@pytest.mark.skipif(shutil.which("node") is None, reason="no node here to run the JavaScript example with")
def test_the_javascript_check_agrees(examples: dict[str, str]) -> None:
    asked = [[base64.b64encode(body).decode(), {**signed(), **headers}] for _, headers, body, _ in CHECKS]
    code = (
        examples["verify"]
        + f"""
for (const [body, headers] of {json.dumps(asked)}) {{
  try {{ console.log(verify(Buffer.from(body, "base64"), headers, {json.dumps(SECRET)}, {AT}) === "abc"); }}
  catch {{ console.log(false); }}
}}"""
    )
    done = subprocess.run(["node", "-e", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == [str(good).lower() for *_, good in CHECKS]
    subprocess.run(["node", "--check", "-"], input=examples["express"], check=True, text=True)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("javac") is None, reason="no javac here to compile the Java example with")
def test_the_java_check_agrees(examples: dict[str, str], tmp_path: Path) -> None:
    calls = "\n".join(
        "        System.out.println(Webhook.verify(java.util.Base64.getDecoder().decode({}), {}));".format(
            json.dumps(base64.b64encode(body).decode()),
            ", ".join(json.dumps(value) for value in ({**signed(), **headers} | {"secret": SECRET}).values())
            + f", {AT}L",
        )
        for _, headers, body, _ in CHECKS
    )
    main = (
        f"public class Main {{\n    public static void main(String[] args) throws Exception {{\n{calls}\n    }}\n}}\n"
    )
    (tmp_path / "Main.java").write_text(main)
    (tmp_path / "Webhook.java").write_text(examples["Webhook.java"])
    subprocess.run(["javac", "-d", str(tmp_path), *map(str, tmp_path.glob("*.java"))], check=True, capture_output=True)
    done = subprocess.run(["java", "-cp", str(tmp_path), "Main"], check=True, capture_output=True, text=True)
    assert done.stdout.split() == [str(good).lower() for *_, good in CHECKS]


def test_the_values_to_try_a_check_with_are_right(examples: dict[str, str]) -> None:
    from tests.receivers.conftest import DOCS

    rows = dict(
        line.strip("| ").split(" | ")
        for line in (DOCS / "receivers.md").read_text().splitlines()
        if line.startswith("| ") and "`" in line
    )
    value = {name.strip("`"): text.strip(" `") for name, text in rows.items()}
    headers = {name: text for name, text in value.items() if name.startswith("webhook-")}
    assert verify_webhook(value["body"].encode(), headers, value["secret"], now=AT) == headers["webhook-id"]


async def test_a_receiver_with_the_public_key_accepts_and_a_stranger_is_refused(
    load: Callable[[str], ModuleType], forwarding: Any
) -> None:
    key, one = generate(), event()
    check = load("ed25519").verify_with_public_key
    async with ScriptedServer() as server, forwarding(server.url, key.text) as sink:
        await sink.deliver(delivery(one))
        [got] = server.received
    assert check(got.body, dict(got.headers), key.public) == one.id
    assert verify_webhook(got.body, dict(got.headers), key.public) == one.id
    for body, public in ((got.body + b" ", key.public), (got.body, generate().public)):
        with pytest.raises(ValueError, match="wrong signature"):
            check(body, dict(got.headers), public)


async def test_a_receiver_of_http_message_signatures_accepts_what_was_sent_to_it_and_nothing_else(
    load: Callable[[str], ModuleType], forwarding: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, one = load("rfc9421"), event()
    sign = {"scheme": "rfc9421", "key": SECRET, "keyid": "k"}
    async with ScriptedServer() as server, forwarding(f"{server.url}/in?a=b", sign=sign) as sink:
        monkeypatch.setattr(receiver, "URL", f"{server.url}/in?a=b")
        await sink.deliver(delivery(one))
        [got] = server.received
    headers = dict(got.headers)
    assert receiver.verify_message(got.body, headers) == one.id
    for body, changed in (
        (got.body + b" ", headers),
        (got.body, {**headers, "webhook-id": "x"}),
        (got.body, {name: value for name, value in headers.items() if name != "signature"}),
    ):
        with pytest.raises(receiver.InvalidSignature):
            receiver.verify_message(body, changed)
    monkeypatch.setattr(receiver, "URL", f"{server.url}/elsewhere")
    with pytest.raises(receiver.InvalidSignature):
        receiver.verify_message(got.body, headers)
    with pytest.raises(ValueError, match="`url`"):
        verify_webhook(got.body, headers, SECRET, scheme="rfc9421")
    with pytest.raises(ValueError, match="at least one secret"):
        verify_webhook(got.body, headers, [], scheme="rfc9421", url="https://x/")


async def test_a_receiver_made_for_github_accepts_and_a_changed_body_is_refused(
    load: Callable[[str], ModuleType], forwarding: Any
) -> None:
    secret = "a secret of two dozen letters"
    check = load("github").verify_as_github
    async with ScriptedServer() as server, forwarding(server.url, sign={"scheme": "github", "secret": secret}) as sink:
        await sink.deliver(delivery())
        [got] = server.received
    check(got.body, dict(got.headers), secret)
    with pytest.raises(ValueError, match="wrong signature"):
        check(got.body + b" ", dict(got.headers), secret)


FAR = Cause("a" * 200, "s" * 64, ("t" * 64, "u" * 64, "v" * 64))


@pytest.mark.parametrize("cause", [None, Cause("c~1", "archive"), FAR], ids=["a callback", "a follow-up", "a far one"])
async def test_a_receiver_of_binary_mode_reads_the_event_whole(
    load: Callable[[str], ModuleType], forwarding: Any, cause: Cause | None
) -> None:
    one = replace(event(stream="录制 100%"), cause=cause, depth=0 if cause is None else len(cause.sinks))
    async with ScriptedServer() as server, forwarding(server.url, body="binary") as sink:
        await sink.deliver(delivery(one))
        [got] = server.received
    read = load("binary").read_binary(got.body, dict(got.headers))
    assert {**read, "datacontenttype": "application/json"} == json.loads(to_json(one))
