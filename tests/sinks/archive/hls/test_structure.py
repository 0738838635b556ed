"""Whatever a valid playlist says, its copy says the same to a player, with names in the place of addresses."""

from __future__ import annotations

from typing import Any

import m3u8  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.sinks.archive.hls.addresses import absolute
from plugins.sinks.archive.hls.plan import media_addresses, plan_of
from plugins.sinks.archive.hls.playlist import parse_playlist

BASE = "https://cdn.example.com/live/main/record.m3u8?auth_key=1"
COPY = "https://copy.example.com/a/index.m3u8"

plain = st.text(
    st.characters(
        min_codepoint=33, max_codepoint=0x4FF, exclude_characters="\"'#{},\\:\x7f", exclude_categories=["C", "Z"]
    ),
    min_size=1,
    max_size=12,
)
words = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x4FF, exclude_characters="\"'{", exclude_categories=["C", "Z"]),
    max_size=20,
)
addresses = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "a/", "../", "../../x/", "/top/", "//other.example.com/", "https://cdn.example.com/live/main/"]),
    st.sampled_from(["seg", "0001", "Äö", "con", "index", ".hidden", "a b", "x.y.z"]) | plain.map(lambda text: text.replace("/", "_").replace("?", "_")),
    st.sampled_from([".ts", ".m4s", ".mp4", ".TS", ".php", "", ".aac"]),
    st.sampled_from(["", "?n=1", "?n=2", "?sign=a%2Fb&t=9", "?"]),
)  # fmt: skip
durations = st.floats(0, 20, allow_nan=False).map(lambda value: f"{value:.3f}")
tags = st.one_of(
    st.sampled_from(
        ["#EXT-X-DISCONTINUITY", "#EXT-X-KEY:METHOD=NONE", "## a comment", "", "#EXT-X-VENDOR:1,A=2", "#EXT-X-BITRATE:800",
         "#EXT-X-PROGRAM-DATE-TIME:2020-03-08T14:10:25.000Z", "#EXT-X-CUE-OUT:DURATION=30", "#EXT-X-CUE-IN",
         '#EXT-X-DATERANGE:ID="a",START-DATE="2020-03-08T14:10:25Z",DURATION=3.5,SCTE35-OUT=0xFC002F0000']
    ),
    st.builds('#EXT-X-KEY:METHOD=AES-128,URI="{}",IV=0x{:032x}'.format, addresses, st.integers(0, 99)),
    st.builds('#EXT-X-MAP:URI="{}"{}'.format, addresses, st.sampled_from(["", ',BYTERANGE="720@0"'])),
)  # fmt: skip
segments = st.builds(
    "{}\n#EXTINF:{},{}\n{}{}".format,
    st.lists(tags, max_size=3).map("\n".join),
    durations,
    words.map(str.strip),
    st.sampled_from(["", "#EXT-X-BYTERANGE:100@50\n", "#EXT-X-GAP\n", "#EXT-X-BYTERANGE:7@0\n"]),
    addresses,
)
media = st.lists(segments, min_size=1, max_size=5).map(
    lambda blocks: "\n".join(
        [
            "#EXTM3U",
            "#EXT-X-VERSION:7",
            "#EXT-X-TARGETDURATION:20",
            "#EXT-X-MEDIA-SEQUENCE:5",
            *blocks,
            "#EXT-X-ENDLIST",
            "",
        ]
    )
)
variants = st.one_of(
    st.builds('#EXT-X-STREAM-INF:BANDWIDTH={},CODECS="avc1.4d401f,mp4a.40.2",AUDIO="a"\n{}'.format, st.integers(1, 9), addresses),
    st.builds('#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="{}",URI="{}"'.format, words, addresses),
    st.builds('#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="{}"'.format, addresses),
    st.just('#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="CC",INSTREAM-ID="CC1"'),
)  # fmt: skip


def addresses_of(read: Any) -> list[str]:
    shared = [one.uri for one in [*read.segment_map, *read.keys, *read.session_keys] if one and one.uri]
    named = [one.uri for one in [*read.segments, *read.playlists, *read.iframe_playlists, *read.media] if one.uri]
    return shared + named


def without_addresses(read: Any) -> list[Any]:
    """What else m3u8's objects say."""
    said: list[Any] = [str(one.stream_info) for one in read.playlists]
    said += [str(one.iframe_stream_info) for one in read.iframe_playlists]
    said += [(one.type, one.group_id, one.name, one.instream_id) for one in read.media]
    for one in read.segments:
        key = (one.key.method, one.key.iv) if one.key else None
        first = (one.init_section.byterange,) if one.init_section else None
        said.append(
            (one.duration, one.title, one.byterange, one.discontinuity, one.current_program_date_time, key, first)
        )
    return [*said, read.is_variant, read.is_endlist, read.target_duration, read.media_sequence]


@given(media)
def test_a_media_playlist(text: str) -> None:
    plan = plan_of(parse_playlist(text.encode(), BASE, keys="beside"))
    [(_, copy)] = plan.playlists
    before, after = m3u8.loads(text), m3u8.loads(copy.decode())
    assert without_addresses(after) == without_addresses(before)
    names = {item.url: item.name for item in plan.items}
    new = {absolute(BASE, old): name for old, name in zip(addresses_of(before), addresses_of(after), strict=True)}
    assert new.items() >= names.items()  # what is a gap has a name, and is not fetched
    assert len(set(new.values())) == len(new)
    assert [plan.seconds] == [round(sum(segment.duration for segment in before.segments), 3)]
    again = plan_of(parse_playlist(copy, COPY, keys="beside"))
    assert again.playlists == plan.playlists


@pytest.mark.wide
@given(st.lists(variants, min_size=1, max_size=5), st.lists(media, min_size=1, max_size=2))
def test_a_master(lines: list[str], texts: list[str]) -> None:
    text = "\n".join(["#EXTM3U", *lines, ""])
    master = parse_playlist(text.encode(), BASE, keys="beside")
    urls = media_addresses(master)
    read = [parse_playlist(texts[n % len(texts)].encode(), url, keys="beside") for n, url in enumerate(urls)]
    if {spot.url for one in read for spot in one.spots} & {*urls, BASE}:
        return  # a segment that is a playlist: refused
    plan = plan_of(master, read)
    before, after = m3u8.loads(text), m3u8.loads(plan.playlists[-1][1].decode())
    assert without_addresses(after) == without_addresses(before)
    named = dict(zip(urls, (name for name, _ in plan.playlists), strict=False))
    assert [named[absolute(BASE, old)] for old in addresses_of(before)] == addresses_of(after)
    copies = [parse_playlist(copy, absolute(COPY, name), keys="beside") for name, copy in plan.playlists]
    assert plan_of(copies[-1], copies[:-1]).playlists == plan.playlists  # a copy of a copy is the copy
