"""What the expressions of the source `hmac` make of a body: fields, files, names, types; and how it is played."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import Fault, File, Malformed, Scene, Storage, Untrusted, to_json
from gateway.testing import NOW, callback
from tests.sources.described import VERIFIED, event, source
from tests.sources.vendors import KEY, make

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
        ({"time": 'timestamp("0001-01-01T00:00:00+14:00")'}, "time"),
        ({"time": 'timestamp("9999-12-31T23:59:59-14:00")'}, "time"),
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


def test_a_format_is_lower_case_whoever_says_it() -> None:
    """Because a route's `format: mp4` is compared with upper and lower case."""
    made = event(
        {"out": [{"ext": "MP4"}], "kind": "HLS"}, format="body.kind", files="body.out", file={"format": "file.ext"}
    )
    assert (made.format, made.files[0].format) == ("hls", "mp4")


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
    for each in one.normalise(received, VERIFIED):
        assert json.loads(to_json(each))["id"] == each.id


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


def test_a_map_that_reads_one_field_as_a_text_and_as_an_object_is_played_as_far_as_it_can_be() -> None:
    one = source(
        event={"stream": "body.who", "app": "body.who.app", "job_id": "body.job.id", "identity": ["body.job.id"]}
    )
    received = callback(one.play(Scene(type="callback", number=1, now=NOW)))
    (event,) = one.normalise(received, one.verify(received))
    assert (event.stream, event.app) == ("stream-1", None)
    assert event.job_id


def test_an_old_callback_is_refused_by_the_time_it_was_signed_for() -> None:
    one = make("hmac")
    played = one.play(Scene(type="rec.done", number=1, now=NOW))
    with pytest.raises(Untrusted) as caught:
        one.verify(callback(played, received_at=NOW + timedelta(minutes=5, microseconds=1)))
    assert caught.value.code == "signature_expired"
