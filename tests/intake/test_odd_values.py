"""A verified callback is not refused for a value nobody needs: what is odd in it is repaired, named, and kept as it came."""

from __future__ import annotations

import hashlib
import hmac
import random
from typing import Any

import pytest

from gateway import Callback, Event, Source, Trust, Verified, event_id
from gateway.cli.sink_trial import preview_of
from gateway.errors import Refused, Untrusted
from gateway.events.cloudevents import to_json
from gateway.testing import NOW, FrozenClock, RunningGateway, cases, running

KEY = "a-key-of-thirty-two-characters-00"
UNTIL = str(int(NOW.timestamp()) + 600)
LIVE = {"sources": {"live": {"type": "huawei-live", "keys": [KEY]}}, "store": {"url": "sqlite:///g.db"}}
WHERE = '"event_type":"RECORD_FILE_COMPLETE","publish_domain":"push.example.com","app":"live"'
AUTH = '"auth_timestamp":"%s","auth_sign":"%s"'


def signed(more: str, *, stream: str = "main", sign: str | None = None, only_time: bool = True) -> bytes:
    """A Huawei callback with `more` in its JSON, by the formula that covers the time, or the one that covers fields."""
    fields = f"RECORD_FILE_COMPLETEpush.example.comlive{stream}"
    text = (KEY + UNTIL) if only_time else UNTIL + fields
    made = hmac.new(KEY.encode(), text.encode("utf-8", "surrogatepass"), "sha256").hexdigest()
    return ("{" + ",".join((WHERE, AUTH % (UNTIL, sign or made), more)) + "}").encode()


def live(**more: Any) -> Any:
    return running({**LIVE, **more}, clock=FrozenClock(NOW))


async def taken(gateway: RunningGateway, body: bytes) -> Event:
    answer = await gateway.post(body)
    assert answer.status == 200, answer.body
    assert answer.json()["status"] == "accepted", answer.body
    event = gateway.events()[-1]
    assert event.raw == body, "the vendor's bytes are whole"
    return event


MAIN = '"stream":"main","job_id":"j","download_url":"https://x/a"'
ODD = {
    "half an emoji": (MAIN + r',"error_message":"a\ud800b"', "error_message", "a\ufffdb"),
    "NUL": (MAIN + r',"note":"a\u0000b"', "note", "a\ufffdb"),
    "a long integer": (MAIN + ',"note":9223372036854775808', "note", "9223372036854775808"),
    "a size past 64 bits": (MAIN + ',"file_size":99999999999999999999', "file_size", "99999999999999999999"),
    "4301 digits": (MAIN + ',"file_size":' + "1" * 4301, "file_size", "1" * 4301),
    "infinite": (MAIN + ',"record_duration":1e999', "record_duration", "1e999"),
    "a long text": (MAIN + ',"note":"' + "x" * 70_000 + '"', "note", "x" * 65_536),
    "a long key": (MAIN + ',"' + "k" * 200_000 + '":1', "k" * 200, None),
    "too deep": (MAIN + ',"note":' + "[" * 40 + "]" * 40, "note" + "[0]" * 15, None),
    "a doubled key": (MAIN + ',"note":1,"note":2', "note", None),
    "a doubled key inside": (MAIN + ',"note":{"a":{"b":1,"b":2}}', "note.a.b", None),
}


@pytest.mark.parametrize("name", ODD)
async def test_what_is_odd_in_a_verified_callback_is_repaired_and_named(name: str) -> None:
    more, problem, kept = ODD[name]
    async with live() as gateway:
        event = await taken(gateway, signed(more))
        assert problem in event.problems
        if kept is not None:
            assert event.extra[problem] == kept
        again = await gateway.post(signed(more))
        assert again.json() == {"status": "duplicate", "events": [event.id]}


async def test_a_byte_order_mark_is_dropped_and_named() -> None:
    async with live() as gateway:
        assert "byte-order mark" in (await taken(gateway, b"\xef\xbb\xbf" + signed(MAIN))).problems


@pytest.mark.parametrize("case", [case for case in cases("body") if "problems" in case.expected], ids=str)
async def test_the_hostile_values_are_taken_once_they_are_signed(case: Any) -> None:
    odd = case.value.removeprefix(b"\xef\xbb\xbf")
    more = odd[1:-1].decode() or '"note":1'
    body = signed(more if '"stream"' in more else more + ',"stream":"main"')
    async with live() as gateway:
        assert (await taken(gateway, case.value[: -len(odd)] + body)).problems
        assert (await gateway.post(case.value)).status == 401


ORIGINALS = {
    "stream": [r'"\ud800"', r'"\ud801"', r'"\u0000"', '"\ufffd"', r'"\\ud800"', r'"\\u0000"'],
    "job_id": [
        *(r'"\ud800"', r'"\ud801"', r'"\ufffd"', r'"\\ud800"', "9223372036854775808", '"9223372036854775808"'),
        *("1e999", "2e999", *(f'"{"x" * length}"' for length in (65_536, 65_537, 65_538))),
    ],
}


@pytest.mark.parametrize("name", ORIGINALS)
async def test_two_originals_never_share_an_id(name: str) -> None:
    async with live() as gateway:
        ids = []
        for value in ORIGINALS[name]:
            said = {"stream": '"main"', "job_id": '"j"', name: value}
            answer = await gateway.post(signed(",".join(f'"{key}":{value}' for key, value in said.items())))
            assert answer.json()["status"] == "accepted"
            ids += answer.events
        assert len(set(ids)) == len(ORIGINALS[name])


@pytest.mark.parametrize(
    "pair", [(r'"\ud800"', r'"\ud801"'), ("1e998", "1e999"), ('"' + "x" * 65_537 + '"', '"' + "x" * 65_538 + '"')]
)
async def test_two_originals_of_one_id_are_two_contents(pair: tuple[str, str]) -> None:
    async with live() as gateway:
        for value in pair:
            answer = await gateway.post(signed(f'{MAIN},"note":{value}'))
            assert answer.status == 200
        assert len({event.id for event in gateway.events()}) == 1
        assert len(gateway.events()) == 2, "the second is held as a conflict, and is no duplicate"


@pytest.mark.parametrize(
    "key", ["stream", "app", "event_type", "publish_domain", "auth_sign", "auth_timestamp", "job_id", "asset_id"]
)
@pytest.mark.parametrize("sign", [None, "0" * 64])
async def test_two_values_of_a_key_that_verification_or_identity_reads_are_refused(key: str, sign: str | None) -> None:
    async with live() as gateway:
        body = signed(f'{MAIN},"asset_id":"a"', sign=sign)[:-1] + f',"{key}":"other"}}'.encode()
        answer = await gateway.post(body)
        assert (answer.status, answer.json()["code"]) == (400, "malformed_body")
        assert f"the key {key} is there twice" in answer.json()["detail"]


async def test_a_signature_that_does_not_fit_is_401_whatever_is_odd_beside_it() -> None:
    async with live() as gateway:
        for name, (more, _, _) in ODD.items():
            answer = await gateway.post(signed(more, sign="0" * 64))
            assert (answer.status, answer.json()["code"]) == (401, "signature_mismatch"), name


@pytest.mark.parametrize(
    ("stream", "covered"),
    [(r"a\u0000b", "a\0b"), (r"a\u0000b", r"a\u0000b"), (r"a\ud800", r"a\ud800"), (r"a\ud800", "a\ud800")],
)
async def test_a_signature_covers_the_text_before_repair(stream: str, covered: str) -> None:
    async with live() as gateway:
        started = signed("", stream=covered, only_time=False).replace(
            b'"RECORD_FILE_COMPLETE"', b'"RECORD_FILE_COMPLETE"'
        )
        body = started.replace(b",}", f',"stream":"{stream}"}}'.encode())
        assert (await taken(gateway, body)).stream == stream[0] + "\ufffd" + ("b" if stream.endswith("b") else "")
        wrong = signed("", stream="a\ufffdb", only_time=False).replace(b",}", f',"stream":"{stream}"}}'.encode())
        assert (await gateway.post(wrong)).status == 401


class Careless(Source):
    """A plugin whose author has never heard of any of this: he signs a field, and names an event by another."""

    type = "careless"

    def verify(self, callback: Callback) -> Verified:
        said = callback.json()
        if said.get("mark") != hashlib.sha256(str(said.get("room")).encode()).hexdigest():
            raise Untrusted("signature_mismatch", "no")
        return Verified(Trust.FIELDS, "mine")

    def normalise(self, callback: Callback, verified: Verified) -> list[Event]:
        said = dict(callback.json())
        names = (self.name, "recording.started", None, None, said.get("room"), None)
        return [
            Event(
                id=event_id(*names, [said.get("session")]),
                type="recording.started",
                source=self.name,
                provider="mine",
                received_at=callback.received_at,
                stream=str(said.get("room")),
                extra={key: value for key, value in said.items() if key not in ("room", "session", "mark")},
            )
        ]


CARELESS = {"sources": {"mine": {"type": "careless"}}}


def marked(more: str, room: str = "r") -> bytes:
    return f'{{"room":"{room}","mark":"{hashlib.sha256(room.encode()).hexdigest()}",{more}}}'.encode()


async def test_an_author_of_a_plugin_cannot_forget_it() -> None:
    async with running(CARELESS, plugins=[Careless], clock=FrozenClock(NOW)) as gateway:
        fine = await taken(gateway, marked(r'"session":1,"note":1,"note":2,"more":{"a\u0000":1e999}'))
        assert fine.problems == ("note", "more.a\ufffd", "more.a\ufffd")
        assert fine.extra == {"more": {"a\ufffd": "1e999"}}
        for more, key in (
            ('"session":1,"session":2', "session"),
            ('"session":{"a":1,"a":2}', "session.a"),
            ('"session":1,"mark":"x"', "mark"),
            ('"session":1,"room":"x"', "room"),
        ):
            answer = await gateway.post(marked(more))
            assert (answer.status, answer.json()["code"]) == (400, "malformed_body")
            assert f"the key {key} is there twice" in answer.json()["detail"]
        ids = [
            (await gateway.post(marked(rf'"session":"{one}"'))).events[0] for one in (r"\ud800", r"\ud801", "\ufffd")
        ]
        assert len({*ids}) == 3
        assert (await gateway.post(marked('"session":1', room=r"\ud800").replace(b"r", b"r"))).status in (200, 401)


ODDITIES = (
    *(
        r'"\ud800"',
        r'"a\u0000b"',
        '"\u202e😀<@all>\\n*_`|[x](y)"',
        "9223372036854775808",
        "-1e999",
        "1" * 4301,
        "1.5",
        "null",
    ),
    *(
        '"' + "é" * 33_000 + '"',
        "[" * 30 + "]" * 30,
        r'{"\u0000":{"a":1,"b":2}}',
        r'["\udc00",{"k":1e400}]',
        "true",
        '"2020-03-08"',
    ),
)
FIELDS = (
    *(
        "job_id",
        "task_id",
        "error_message",
        "download_url",
        "play_url",
        "obs_location",
        "obs_bucket",
        "obs_object",
        "width",
    ),
    *(
        "project_id",
        "file_size",
        "record_duration",
        "start_time",
        "record_format",
        "asset_id",
        "note",
        r"\ud800",
        "k" * 300,
    ),
)
URL = "http://127.0.0.1:9/hook"
CHAT = {
    **{name: {"url": URL} for name in ("feishu", "dingtalk", "wecom", "slack", "discord", "teams", "google-chat")},
    **{name: {"url": URL} for name in ("mattermost", "rocket-chat")},
    "telegram": {"token": "123456:" + "a" * 35, "chat_id": "1"},
}
SINKS: dict[str, Any] = {
    "console": {"type": "console"},
    "file": {"type": "file", "path": "out.ndjson"},
    "structured": {"type": "forward", "url": URL, "sign": {"scheme": "github", "secret": "s" * 32}},
    "binary": {"type": "forward", "url": URL, "body": "binary"},
    "raw": {"type": "forward", "url": URL, "body": "raw"},
    "mail": {
        "type": "email",
        "host": "127.0.0.1",
        "port": 9,
        "tls": "none",
        "from": "a@x.example",
        "to": "b@x.example",
    },
    **{name: {"type": "chat", "service": name, **options} for name, options in CHAT.items()},
}


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> str:
    return "sqlite:///g.db" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


async def test_everything_that_gets_in_can_be_held_by_every_store_and_written_by_every_renderer(store: str) -> None:
    chance = random.Random(10)
    where = {"url": store, "password": "postgres"} if "password" in store else {"url": store}
    async with live(store=where, sinks=SINKS, server={"max_body": "1MiB"}) as gateway:
        for n in range(40):
            chosen = {chance.choice(FIELDS): chance.choice(ODDITIES) for _ in range(5)}
            stream = chance.choice([one for one in ODDITIES if one.startswith('"')])
            more = ",".join(f'"{key}":{value}' for key, value in chosen.items())
            answer = await gateway.post(signed(f'"stream":{stream},"n":{n},{more}'), settle=False)
            assert answer.status == 200, answer.body
        events = gateway.events()
        assert len(events) > 30
        for event in events:
            to_json(event).encode()
            for name in SINKS if event is events[0] else chance.sample(list(SINKS), 4):
                looked = await preview_of(gateway.gateway.loaded, name, event)
                assert looked.failure is None or isinstance(looked.failure, Refused), (name, looked.failure)
