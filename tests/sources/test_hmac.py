"""The source `hmac`: what can be described, what is refused as a description, and what its expressions make of a body."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from pydantic import ValidationError

from gateway import Event, Fault, File, Malformed, Scene, Source, Storage, Trust, Untrusted, Verified, to_json
from gateway.plugin.registry import Registry
from gateway.testing import NOW, callback
from tests.sources.vendors import KEY, OLD_KEY, make

AT = int(NOW.timestamp())
VERIFIED = Verified(trust=Trust.BODY, scheme="test", key=0)
PLAIN: dict[str, Any] = {"signed": "{body}", "timestamp_header": None, "event": {}}


def source(**options: Any) -> Source:
    return make("hmac", **{**PLAIN, **options})


def event(said: dict[str, Any], **map: Any) -> Event:
    (made,) = source(event=map).normalise(callback(said), VERIFIED)
    json.loads(to_json(made))
    return made


# --- what is signed


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64", "base64url"])
@pytest.mark.parametrize("prefix", ["", "sha=", "Signature "])
def test_every_algorithm_and_every_spelling(algorithm: str, encoding: str, prefix: str) -> None:
    body = b'{"a": [1,\n2]}'
    made = hmac.new(OLD_KEY.encode(), body, algorithm).digest()
    text = {
        "hex": made.hex(),
        "base64": base64.b64encode(made).decode(),
        "base64url": base64.urlsafe_b64encode(made).decode().rstrip("="),
    }[encoding]
    one = source(algorithm=algorithm, encoding=encoding, prefix=prefix)
    verified = one.verify(callback(body, headers={"X-SIGNATURE": prefix + text}))
    assert (verified.trust, verified.scheme, verified.key) == (Trust.BODY, f"hmac-{algorithm}", 1)
    for wrong in (text[:-4], "x" + prefix + text, (prefix + text).swapcase() if prefix else text + "0"):
        with pytest.raises(Untrusted):
            one.verify(callback(body, headers={"X-Signature": wrong}))


@pytest.mark.parametrize(
    ("options", "said", "headers", "text"),
    [
        (
            {"signed": "v0:{timestamp}:{body}", "timestamp_header": "X-Time"},
            {},
            {"x-time": str(AT)},
            f"v0:{AT}:{{}}",
        ),
        (
            {"signed": "{timestamp}\n{body}", "timestamp_header": "X-Time"},
            {},
            {"x-time": f"{AT}123"},
            f"{AT}123\n{{}}",
        ),
        (
            {"signed": "{body}{timestamp}", "timestamp_header": "X-Time"},
            {},
            {"x-time": "2026-01-01T00:00:00Z"},
            "{}2026-01-01T00:00:00Z",
        ),
        ({"signed": "{body}", "timestamp_field": "sent"}, {"sent": AT}, {}, f'{{"sent": {AT}}}'),
        ({"signed": "{timestamp}", "timestamp_field": "sent"}, {"sent": str(AT)}, {}, str(AT)),
        ({"signed": "{id}.{body}", "id_header": "X-Id"}, {}, {"x-id": "m1"}, "m1.{}"),
    ],
    ids=str,
)
def test_what_is_signed_is_put_together_from_its_pieces(options: Any, said: Any, headers: Any, text: str) -> None:
    made = hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
    one = source(**options)
    received = callback(json.dumps(said).encode(), headers={**headers, "x-signature": made})
    verified = one.verify(received)
    assert verified.trust is (Trust.BODY if "{body}" in options["signed"] else Trust.TIMESTAMP)
    (event,) = one.normalise(received, verified)
    assert "sent" not in event.extra


@pytest.mark.parametrize("time", ["", "soon", "1.5", "-1", "１７６７", f"{AT}0", "2026-01-01", " 1"])
def test_a_time_of_sending_that_is_none_is_refused(time: str) -> None:
    one = source(signed="{timestamp}.{body}", timestamp_header="X-Time", tolerance="1d")
    made = hmac.new(KEY.encode(), time.encode("latin-1", "replace") + b".{}", hashlib.sha256).hexdigest()
    received = callback(b"{}", headers={"x-signature": made})
    raw = [*received.headers.raw, (b"x-time", time.encode("latin-1", "replace"))]
    from starlette.datastructures import Headers

    with pytest.raises(Untrusted) as caught:
        one.verify(replace(received, headers=Headers(raw=raw)))
    assert caught.value.code in {"signature_missing", "signature_mismatch"}


@pytest.mark.parametrize("value", [None, True, 1.5, [], {}])
def test_a_time_in_the_body_that_is_none_is_refused(value: Any) -> None:
    one = source(timestamp_field="sent")
    body = json.dumps({"sent": value}).encode()
    made = hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest()
    with pytest.raises(Untrusted) as caught:
        one.verify(callback(body, headers={"x-signature": made}))
    assert caught.value.code == "signature_missing"
    with pytest.raises(Malformed):
        one.verify(callback(b"[]", headers={"x-signature": made}))


@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_a_key_may_be_written_in_another_way(encoding: str) -> None:
    key = bytes(range(32))
    text = key.hex() if encoding == "hex" else base64.b64encode(key).decode()
    one = source(keys=text, key_encoding=encoding)
    assert one.verify(callback(b"{}", headers={"x-signature": hmac.new(key, b"{}", "sha256").hexdigest()}))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"signed": "body"}, "{body}"),
        ({"signed": "{id}"}, "{body}"),
        ({"signed": "{body}{body}"}, "at most once"),
        ({"signed": "{body}{host}"}, "no other braces"),
        ({"signed": "{timestamp}{body}"}, "timestamp_header, timestamp_part or timestamp_field"),
        ({"timestamp_header": "X-Time"}, "proves nothing"),
        ({"timestamp_part": "t"}, "proves nothing"),
        ({"signed": "{timestamp}{body}", "timestamp_header": "X-Time", "timestamp_field": "t"}, "one place"),
        ({"id_header": "X-Id"}, "names nothing"),
        ({"signed": "{id}.{body}"}, "id_header"),
        ({"header": "X Signature"}, "a header name"),
        ({"header": "X-Signature\r\nX"}, "a header name"),
        ({"keys": []}, "at least one key"),
        ({"keys": "short"}, "at least 6 characters"),
        ({"keys": "not hex", "key_encoding": "hex"}, "a key in hex"),
        ({"keys": "not=base64!", "key_encoding": "base64"}, "a key in base64"),
        ({"event": {"stream": "body."}}, "a CEL expression over `body`"),
        ({"event": {"stream": "boddy.stream"}}, "no name 'boddy'"),
        ({"event": {"stream": "file.stream"}}, "no name 'file'"),
        ({"event": {"stream": "strng(body.x)"}}, "no function 'strng'"),
        ({"event": {"stream": 'body.x.matches("a+")'}}, "not for callbacks"),
        ({"event": {"stream": "body.a.all(x, body.b.all(y, x == y))"}}, "inside another"),
        ({"event": {"stream": "body.x == 99999999999999999999"}}, "column 11: invalid int"),
        ({"event": {"stream": "has(body)"}}, "invalid argument to has()"),
        ({"event": {"file": {"format": "body.format"}}}, "no name 'body'"),
        ({"event": {"types": {"x": "recording.nothing"}}}, "recording.started"),
        ({"event": {"streem": "body.x"}}, "streem"),
    ],
    ids=str,
)
def test_a_description_that_cannot_be_right_is_refused(options: Any, words: str) -> None:
    cls = Registry().source("hmac")
    with pytest.raises(ValidationError) as caught:
        cls.Options.model_validate({"keys": [KEY], "header": "X-Signature", **options})
    assert words in str(caught.value.errors(include_input=False)), caught.value.errors(include_input=False)
    assert "not=base64!" not in str(caught.value.errors(include_input=False))


def test_what_is_unwise_is_said() -> None:
    assert source(keys=[KEY]).advice() == []
    time_only = source(keys=[KEY, KEY + " "], signed="{timestamp}", timestamp_header="X-Time").advice()
    assert any("any other" in text for text in time_only)
    assert any("white space" in text for text in time_only)
    assert any("the same as" in text for text in source(keys=[KEY, KEY]).advice())
    joined = source(signed="{timestamp}{body}", timestamp_header="X-Time").advice()
    assert any("nothing separates" in text for text in joined)


# --- what it says


def test_the_fields_stand_where_the_expressions_say() -> None:
    said = {
        "kind": 31,
        "when": 1700000000123,
        "who": {"app": "live", "room": 1001},
        "acct": "a",
        "rec": "r1",
        "task": None,
        "err": {"code": 7, "text": "no"},
        "out": [{"name": "x.mp4", "ms": "61500", "w": 1920, "from": 1700000000, "bucket": "b"}, {}],
    }
    made = event(
        said,
        type="body.kind",
        types={"31": "recording.file.completed"},
        identity=["body.rec", "body.when"],
        time="body.when",
        app="body.who.app",
        stream="body.who.room",
        project_id="body.acct",
        job_id="body.rec",
        task_id="body.task.id",
        error_code="body.err.code",
        error_message="body.err.text",
        format='body.out[0].name.endsWith("mp4") ? "mp4" : "hls"',
        files="body.out",
        file={
            "key": "file.name",
            "bucket": "file.bucket",
            "duration_seconds": "double(file.ms) / 1000.0",
            "width": "file.w",
            "started_at": "file.from",
        },
        drop=["err"],
    )
    assert (made.type, made.vendor_type, made.stream, made.app) == ("recording.file.completed", "31", "1001", "live")
    assert (made.project_id, made.job_id, made.task_id, made.format) == ("a", "r1", None, "mp4")
    assert made.time == datetime(2023, 11, 14, 22, 13, 20, 123000, UTC)
    assert made.error == Fault(code="7", message="no")
    assert made.files == (
        File(
            duration_seconds=61.5,
            width=1920,
            started_at=datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
            storage=Storage(bucket="b", key="x.mp4"),
        ),
        File(),
    )
    assert made.problems == ()
    assert made.extra == {name: said[name] for name in said if name != "err"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1700000000, "2023-11-14T22:13:20"),
        ("1700000000", "2023-11-14T22:13:20"),
        (1700000000.5, "2023-11-14T22:13:20.500000"),
        (1700000000500, "2023-11-14T22:13:20.500000"),
        (1700000000500000, "2023-11-14T22:13:20.500000"),
        ("1700000000500000123", "2023-11-14T22:13:20.500000"),
        ("2023-11-14T23:13:20+01:00", "2023-11-14T22:13:20"),
    ],
)
def test_a_time_says_by_its_size_what_it_counts(value: Any, expected: str) -> None:
    assert event({"at": value}, time="body.at").time == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "field", "value"),
    [
        ('timestamp("2023-11-14T22:13:20Z")', "time", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ('body.a + "-" + body.b', "stream", "x-y"),
        ("body.n", "stream", "5"),
        ("body.empty", "stream", None),
        ("body.nothing.at.all", "stream", None),
        ("body.list[7]", "stream", None),
        ("body.none", "stream", None),
        ("body.none.at", "stream", None),
        ('has(body.x) ? body.x : "usual"', "stream", "usual"),
    ],
)
def test_an_expression_says_a_value_or_that_there_is_none(expression: str, field: str, value: Any) -> None:
    said = {"a": "x", "b": "y", "n": 5, "empty": "", "list": [1], "none": None}
    made = event(said, **{field: expression})
    assert getattr(made, field) == value
    assert made.problems == ()


@pytest.mark.parametrize(
    ("map", "problem"),
    [
        ({"stream": "body.n + body.a"}, "stream"),
        ({"stream": "body.list"}, "stream"),
        ({"stream": "true"}, "stream"),
        ({"stream": "1.0 / 0.0"}, "stream"),
        ({"stream": '"a\\x00b"'}, "stream"),
        ({"stream": " + ".join(["body.long"] * 20)}, "stream"),
        ({"time": "body.a"}, "time"),
        ({"time": "body.list"}, "time"),
        ({"time": "-5"}, "time"),
        ({"time": '"2023-01-01T00:00:00"'}, "time"),
        ({"type": "body.list"}, "type"),
        ({"files": "body.n", "file": {"key": "file.x"}}, "files"),
        ({"files": "body.list", "file": {"key": "file.x"}}, "files"),
        ({"files": "body.n + body.a", "file": {"key": "file.x"}}, "files"),
        ({"files": '[{"s": -1}]', "file": {"size_bytes": "file.s"}}, "files[0].size_bytes"),
        ({"files": '[{"s": "x"}]', "file": {"duration_seconds": "file.s"}}, "files[0].duration_seconds"),
        ({"files": '[{"s": 5000000000}]', "file": {"width": "file.s"}}, "files[0].width"),
    ],
    ids=str,
)
def test_what_is_of_another_type_is_a_problem_and_no_refusal(map: Any, problem: str) -> None:
    said = {"a": "x", "n": 5, "list": [1], "long": "y" * 60_000}
    made = event(said, **map)
    assert made.problems == (problem,)
    assert made.extra == said


def test_one_file_may_stand_in_the_body_itself() -> None:
    map = {"file": {"download_url": "file.url", "duration_seconds": 'duration("90s")', "size_bytes": "int(file.size)"}}
    (file,) = event({"url": "https://x", "size": "5"}, **map).files
    assert (file.download_url, file.duration_seconds, file.size_bytes) == ("https://x", 90.0, 5)
    assert event({"n": 1}, file={"download_url": "file.url"}).files == ()
    assert event({"f": {"u": "https://x"}}, files="body.f", file={"download_url": "file.u"}).files[0].download_url
    assert event({"f": None}, files="body.f", file={"download_url": "file.u"}).files == ()


def test_a_map_without_files_makes_none() -> None:
    assert event({"f": [{}]}, files="body.f").files == ()


def test_every_file_of_a_long_list_is_in_the_event() -> None:
    said = {"files": [{"n": n} for n in range(1900)]}
    made = event(said, files="body.files", file={"size_bytes": "file.n"}, stream="string(size(body.files))")
    assert (len(made.files), made.stream, made.problems) == (1900, "1900", ())
    assert made.files[-1].size_bytes == 1899


# --- headers


def signed_for(body: bytes, *keys: str) -> list[str]:
    return [hmac.new(key.encode(), body, "sha256").hexdigest() for key in keys]


def test_the_type_may_stand_in_a_header_and_the_trust_says_that_no_signature_covers_it() -> None:
    for text in ('headers["X-GitHub-Event"]', "headers['x-github-event']", 'headers [ "X-GITHUB-EVENT" ]'):
        one = source(event={"type": text, "types": {"done": "recording.ended"}})
        body = b'{"a":1}'
        headers = {"X-Signature": signed_for(body, KEY)[0], "x-github-event": "done"}
        received = callback(body, headers=headers)
        verified = one.verify(received)
        assert verified.trust is one.most_trust is Trust.FIELDS
        assert verified.seal == one.verify(callback(body, headers=headers | {"x-github-event": "other"})).seal
        assert verified.seal is not None
        assert verified.seal.most == 1
        assert "x-github-event" in " ".join(one.advice())
        (made,) = one.normalise(received, verified)
        assert (made.type, made.vendor_type, made.trust) == ("recording.ended", "done", Trust.FIELDS)
        absent = callback(body, headers={"X-Signature": signed_for(body, KEY)[0]})
        assert one.normalise(absent, verified)[0].vendor_type is None


def test_a_header_that_is_signed_costs_no_trust_and_one_that_is_there_twice_says_nothing() -> None:
    from starlette.datastructures import Headers

    one = source(signed="{id}.{body}", id_header="X-Id", event={"identity": ['headers["X-Id"]']})
    assert one.most_trust is Trust.BODY
    two = source(event={"type": "headers.topic"})
    raw = [(b"topic", b"a"), (b"topic", b"b")]
    (made,) = two.normalise(replace(callback({"a": 1}), headers=Headers(raw=raw)), VERIFIED)
    assert made.vendor_type is None


def test_headers_that_a_map_reads_are_played() -> None:
    one = source(
        event={"type": 'headers["X-Topic"]', "types": {"done": "recording.ended"}, "identity": ['headers["X-Id"]']}
    )
    received = callback(one.play(Scene(type="done", number=1, now=NOW)))
    (made,) = one.normalise(received, one.verify(received))
    assert (made.type, received.headers["x-topic"]) == ("recording.ended", "done")


@pytest.mark.parametrize("text", ["headers", "headers[body.name]", "headers.exists(h, h == 'x')"])
def test_any_header_is_some_header_that_no_signature_covers(text: str) -> None:
    one = source(
        signed="{id}.{body}", id_header="X-Id", event={"stream": f"string(size({text}))" if text == "headers" else text}
    )
    assert one.most_trust is Trust.FIELDS
    assert "any" in " ".join(one.advice())


@pytest.mark.parametrize(
    ("prefix", "template"),
    [
        ("", "{0},{1}"), ("", "{0} {1}"), ("", "{0}; {1}"), ("sha256=", "sha256={0},sha256={1}"),
        ("sha256=", "sha1=abc,sha256={0} sha256={1},sha512=x"), ("v1,", "v1,{0} v1,{1}"), ("v1,", "v1a,zz v1,{0},v1,{1}"),
    ],
)  # fmt: skip
def test_several_signatures_in_one_header_are_all_tried(prefix: str, template: str) -> None:
    body = b'{"a":1}'
    wrong = "0" * 64
    for right in signed_for(body, KEY, OLD_KEY):
        for pair in ((right, wrong), (wrong, right)):
            assert source(prefix=prefix).verify(callback(body, headers={"X-Signature": template.format(*pair)}))
    with pytest.raises(Untrusted):
        source(prefix=prefix).verify(callback(body, headers={"X-Signature": template.format(wrong, wrong)}))


@pytest.mark.parametrize(
    "template", ["ts={0};h1={1}", "ts={0}; h1={2}; h1={1}", 'ts="{0}", h1="{2}", h1="{1}"', "h1={1} ts={0}"]
)
def test_parts_may_stand_between_semicolons_and_one_name_may_have_several(template: str) -> None:
    body = b'{"a":1}'
    text = f"{AT}:".encode() + body
    (made,) = signed_for(text, KEY)
    one = source(part="h1", timestamp_part="ts", signed="{timestamp}:{body}")
    assert one.verify(callback(body, headers={"X-Signature": template.format(AT, made, "0" * 64)})).key == 0
    for twice in (f"ts={AT};ts={AT - 1};h1={made}", f"h1={made}", f"ts=;h1={made}"):
        with pytest.raises(Untrusted):
            one.verify(callback(body, headers={"X-Signature": twice}))


@pytest.mark.parametrize(
    ("signed", "most"),
    [
        ("{body}", None),
        ("{timestamp}.{body}", None),
        ("{timestamp}{body}", 1),
        ("{id}{timestamp}{body}", 1),
        ("{id}.{timestamp}.{body}", 1),
    ],
)
def test_a_signed_text_that_may_be_cut_elsewhere_has_a_seal_of_one_content(signed: str, most: int | None) -> None:
    options: dict[str, Any] = {"signed": signed}
    options |= {"timestamp_header": "X-Timestamp"} if "timestamp" in signed else {}
    options |= {"id_header": "X-Id"} if "{id}" in signed else {}
    one = source(**options, keys=[KEY, OLD_KEY])
    seal = one.verify(callback(one.play(Scene(type="callback", number=1, now=NOW)))).seal
    assert (None if seal is None else seal.most) == most


def test_types_that_are_not_listed_are_unknown_unless_they_are_ours() -> None:
    map = {"type": "body.t", "types": {"done": "recording.ended", "ping": "ignore"}}
    assert event({"t": "done"}, **map).type == "recording.ended"
    assert event({"t": "more"}, **map).type == event({}, **map).type == "recording.unknown"
    assert event({"t": "recording.failed"}, **map).error == Fault()
    assert source(event=map).normalise(callback({"t": "ping"}), VERIFIED) == ()


def test_what_names_an_event() -> None:
    by_id = {"identity": ["body.id"]}
    assert event({"id": "1", "try": 1}, **by_id).id == event({"id": "1", "try": 2}, **by_id).id
    assert event({"id": "1"}, **by_id).id != event({"id": "2"}, **by_id).id
    assert event({"try": 1}, **by_id).id != event({"try": 2}, **by_id).id  # absent: all that is said
    parts = {"identity": ["body.id", "body.part"]}
    assert event({"id": "1", "try": 1}, **parts).id != event({"id": "1", "try": 2}, **parts).id  # one is absent
    assert event({"try": 1, "a": 1}, drop=["try"]).id == event({"try": 2, "a": 1}, drop=["try"]).id
    for expression in (
        'timestamp("2023-01-01T00:00:00Z")',
        "1.0 / 0.0",
        "body.a",
        'b"x"',
        "[body.n, 1.5]",
        "body.n + body.a",
    ):
        assert event({"a": {"x": None}, "n": 1}, identity=[expression]).id


def test_the_signed_id_names_an_event_where_nothing_else_is_said_to() -> None:
    one = source(signed="{id}.{body}", id_header="X-Id")
    ids = []
    for id, body in (("m1", b'{"try": 1}'), ("m1", b'{"try": 2}'), ("m2", b'{"try": 1}')):
        made = hmac.new(KEY.encode(), id.encode() + b"." + body, hashlib.sha256).hexdigest()
        received = callback(body, headers={"x-id": id, "x-signature": made})
        (event,) = one.normalise(received, one.verify(received))
        ids.append(event.id)
    assert ids[0] == ids[1] != ids[2]


def test_credentials_in_the_body_are_in_no_event() -> None:
    assert event({"api_key": "s", "a": {"token": "s", "b": 1}}).extra == {"a": {"b": 1}}


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


@given(said=st.dictionaries(st.sampled_from(["event", "id", "at", "channel", "files", "why"]), _values, max_size=6))
def test_whatever_a_verified_body_says_it_becomes_an_event_that_can_be_stored(said: dict[str, Any]) -> None:
    one = make("hmac")
    body = json.dumps(said).encode()
    received = callback(body)
    try:
        received.json()
    except Malformed:
        return
    for event in one.normalise(received, VERIFIED):
        assert json.loads(to_json(event))["id"] == event.id


# --- playing


def test_a_described_vendor_can_be_played_with_its_own_types() -> None:
    one = make("hmac")
    assert list(one.scenes) == ["rec.begun", "rec.done", "rec.failed", "ping"]
    received = callback(one.play(Scene(type="rec.done", number=3, now=NOW)))
    (event,) = one.normalise(received, one.verify(received))
    assert (event.type, event.stream, event.app, event.problems) == ("recording.file.completed", "stream-3", "live", ())
    assert event.files[0].duration_seconds == 0.12
    assert event.files[0].download_url


def test_a_vendor_without_types_is_played_with_ours_or_with_one() -> None:
    assert "recording.failed" in source(event={"type": "body.a.b"}).scenes
    assert list(source(event={}).scenes) == ["callback"]
    one = source(event={"type": "body.a.b", "stream": "body.a", "identity": ["size(body.a)", "1"]})
    received = callback(one.play(Scene(type="recording.failed", number=1, now=NOW)))
    assert one.normalise(received, one.verify(received))


def test_an_old_callback_is_refused_by_the_time_it_was_signed_for() -> None:
    one = make("hmac")
    played = one.play(Scene(type="rec.done", number=1, now=NOW))
    with pytest.raises(Untrusted) as caught:
        one.verify(callback(played, received_at=NOW + timedelta(minutes=5, microseconds=1)))
    assert caught.value.code == "signature_expired"
