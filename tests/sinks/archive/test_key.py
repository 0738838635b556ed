"""Keys: whatever a vendor or a publisher writes, each value is one harmless segment, and no two files share a key."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway import File
from gateway.testing import event
from plugins.sinks.archive import ArchiveOptions
from plugins.sinks.archive.key import DEFAULT_KEY, KEY_BYTES_MAX, KeyTemplate, names_of, numbered, safe_value

AT = datetime(2026, 3, 8, 14, 12, 25, tzinfo=UTC)
FILE = File(format="mp4", ended_at=AT, download_url="https://x.example/live/record-1.mp4?sig=1")


@pytest.mark.parametrize(
    ("template", "key"),
    [
        (DEFAULT_KEY, "push.example.com/live/main/2026/03/08/job.mp4"),
        ("{name}.{format}", "record-1.mp4"),
        ("{ended_at}", "20260308T141225Z"),
        ("a {source}/{started_at:%H}h", "a live/00h"),  # no start is known: when the callback came
        ("{asset_id}.x", "ref.x"),  # no asset is known: the event's id
    ],
)
def test_a_template_is_the_event_in_words(template: str, key: str) -> None:
    one = event(domain="push.example.com", app="live", stream="main", job_id="job", files=(FILE,))
    assert KeyTemplate(template).key(one, FILE) == key.replace("ref", one.ref)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{steam}", "no field `steam`; did you mean 'stream'?"),
        ("{stream:%Y}", "`stream` is no time"),
        ("{ended_at:%s}", "a time's format"),
        ("{ended_at:}", "a time's format"),
        ("/{stream}", "no empty segment"),
        ("{stream}//x", "no empty segment"),
        ("{stream}/", "no empty segment"),
        ("../{stream}", "no segment begins with a dot"),
        (".{stream}", "no segment begins with a dot"),
        ("{stream}/../x", "no segment begins with a dot"),
        ("{stream", "each brace closed"),
        ("a\\{stream}", "outside of braces"),
        ("a%2F{stream}", "outside of braces"),
        ("", "a template such as"),
        ("{stream}" * 30, "at most 24 fields"),
        ("x" * 501, "at most 500 characters"),
    ],
)
def test_a_template_that_cannot_be_is_refused_with_what_is_wrong(template: str, text: str) -> None:
    with pytest.raises(ValidationError) as raised:
        ArchiveOptions.model_validate({"to": "kept", "key": template})
    assert text in raised.value.errors()[0]["msg"]


NAMES = st.text(max_size=300) | st.sampled_from(
    ["..", ".", "../../etc/passwd", "a/b", "😀" * 200, "%2e%2e", "x ", "a."]
)


@given(NAMES, NAMES, NAMES, NAMES)
@example("..", "..", "..", "..")
@example("", " ", "\x00", "\u202e")
def test_a_key_has_the_segments_of_its_template_and_none_climbs(domain: str, app: str, stream: str, form: str) -> None:
    one = event(domain=domain, app=app, stream=stream, job_id=stream, files=(FILE.replace(format=form),))
    [(key, _)] = names_of(KeyTemplate(DEFAULT_KEY), one, one.files)
    segments = key.split("/")
    assert len(segments) == 7
    assert len(key.encode()) <= KEY_BYTES_MAX
    for segment in segments:
        assert 0 < len(segment.encode()) <= 200
        assert segment.isprintable()
        assert not segment.startswith(".")
        assert not set(segment) & set('\\:*?"<>|')


@given(st.text(), st.text())
@example("a/b", "a%2Fb")
@example("x" * 300, "x" * 301)
def test_two_values_have_two_names(one: str, other: str) -> None:
    assert (safe_value(one) == safe_value(other)) is (one == other)


def test_a_key_whose_values_cannot_be_short_enough_is_a_hash_and_its_last_segment() -> None:
    template = KeyTemplate("/".join(["{stream}" + "y" * 12] * 22) + "/{job_id}.{format}")
    keys = {template.key(event(stream="s" * 40 + end, job_id="job", files=(FILE,)), FILE) for end in ("1", "2")}
    assert len(keys) == 2
    for key in keys:
        folder, _, name = key.partition("/")
        assert (len(folder), name) == (64, "job.mp4")


def test_a_long_segment_without_an_ending_is_cut_and_two_of_them_are_still_two() -> None:
    template = KeyTemplate("{stream}-{app}")
    keys = {template.key(event(stream="s" * 150, app="a" * 150 + end, files=(FILE,)), FILE) for end in ("1", "2")}
    assert [len(key) for key in keys] == [200, 200]


def test_an_address_that_cannot_be_read_gives_no_name() -> None:
    file = FILE.replace(format=None, download_url="https://[x/a.mp4")
    one = event(files=(file,), format=None)
    assert KeyTemplate("{name}.{format}").key(one, file) == f"{one.ref}.bin"


@pytest.mark.parametrize(
    ("form", "ending"),
    [("MP4", "mp4"), ("flv", "flv"), ("html", "bin"), ("php", "bin"), ("../x", "bin"), (None, "mp4")],
)
def test_no_file_ends_like_a_page_or_a_program(form: str | None, ending: str) -> None:
    file = FILE.replace(format=form)
    assert KeyTemplate("{stream}.{format}").key(event(stream="a", format=None), file) == f"a.{ending}"


def test_files_on_one_key_are_numbered_in_the_order_of_the_event() -> None:
    one = event(stream="a", files=(FILE, FILE, FILE.replace(format="flv"), FILE))
    assert [name.key for name in names_of(KeyTemplate("{stream}.{format}"), one, one.files)] == [
        "a.mp4", "a-2.mp4", "a.flv", "a-3.mp4",
    ]  # fmt: skip
    files = [FILE.replace(asset_id=name) for name in ("a", "a-2", "a", "a", "a-2")]
    names = [name.key for name in names_of(KeyTemplate("{asset_id}"), one, files)]
    assert names == ["a", "a-2", "a-3", "a-4", "a-2-2"]


@pytest.mark.parametrize(
    ("key", "second"),
    [("a/b.mp4", "a/b-2.mp4"), ("a.b/c", "a.b/c-2"), ("v1.2026-03-08T14", "v1.2026-03-08T14-2"), ("x", "x-2")],
)
def test_a_number_stands_before_the_ending(key: str, second: str) -> None:
    assert (numbered(key, 1), numbered(key, 2)) == (key, second)
