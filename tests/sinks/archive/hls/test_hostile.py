"""A hostile playlist is refused in words and within bounds, or its copy names nothing outside of its own folder."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from m3u8.parser import parse  # type: ignore[import-untyped]

from gateway import Refused, Retry
from plugins.sinks.archive.hls.bounds import ADDRESSES_MAX, LINE_CHARS_MAX, LINES_MAX, PLAYLIST_BYTES_MAX
from plugins.sinks.archive.hls.copy_names import CopyNames
from plugins.sinks.archive.hls.plan import Plan, media_addresses, plan_of
from plugins.sinks.archive.hls.playlist import parse_playlist
from plugins.sinks.archive.hls.rewrite import rewritten
from plugins.sinks.archive.hls.tags import Role

BASE = "https://cdn.example.com/live/record.m3u8?auth_key=canary-secret"
NAME = re.compile(r"(?:[A-Za-z0-9_-]{1,90}/)?[A-Za-z0-9_-]{1,90}\.[a-z0-9]{2,6}", re.A)
M, S, E = "#EXTM3U\n", "#EXTINF:1,\n", "#EXT-X-ENDLIST\n"


def copied(content: str | bytes, url: str = BASE) -> Plan:
    """The plan; where it is a master, each playlist that it names has one segment."""
    octets = content if isinstance(content, bytes) else content.encode()
    top = parse_playlist(octets, url, keys="beside")
    stub = (M + S + "stub.ts\n" + E).encode()
    return plan_of(top, [parse_playlist(stub, media, keys="beside") for media in media_addresses(top)])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            M + S + "file:///etc/passwd\n" + E,
            "line 3: the address begins with file:, and only http: and https: are fetched",
        ),
        (M + S + "FILE:/etc/passwd\n" + E, "begins with file:"),
        (M + S + "gopher://x/\n" + E, "begins with gopher:"),
        (M + S + "javascript:alert(1)\n" + E, "begins with javascript:"),
        (M + S + "data:video/mp2t;base64,AAAA\n" + E, "begins with data:"),
        (M + S + "//user:pw@10.0.0.1/x.ts\n" + E, "a user name or a password"),
        (M + S + "http://[::1/x.ts\n" + E, "cannot be read"),
        (M + S + "http://h:99999/x.ts\n" + E, "cannot be read"),
        (M + S + "http:///x.ts\n" + E, "names no host"),
        (M + S + "a\tb.ts\n" + E, "a tab or an unusual blank"),
        (M + "a.ts\n" + E, "line 2: an address without #EXTINF"),
        (
            M + '#EXT-X-MAP:URI="../../../etc/passwd\n' + S + "a.ts\n" + E,
            "line 2 (#EXT-X-MAP): its attributes cannot be",
        ),
        (M + '#EXT-X-MAP:URI="a",URI="b"\n' + E, "URI stands twice"),
        (M + '#EXT-X-MAP:URI=""\n' + E, "the address is empty"),
        (M + "#EXT-X-MAP:\n" + E, "it has no URI"),
        (M + "#EXT-X-KEY:METHOD=AES-128\n" + E, "it has no URI"),
        (M + '#EXT-X-KEY:METHOD=AES-128,URI="file:///k"\n' + E, "begins with file:"),
        (M + "#EXT-X-BYTERANGE:x\na.ts\n" + E, "line 3: its byte range"),
        (M + '#EXT-X-MAP:URI="a",BYTERANGE="-1@2"\n' + E, "its byte range"),
        (M + '#EXT-X-DATERANGE:ID="1",X-ASSET-URI="ad.m3u8"\n' + E, "(#EXT-X-DATERANGE): it carries an address"),
        (M + '#EXT-X-DATERANGE:ID="1",X-ASSET-LIST="/ads"\n' + E, "carries an address"),
        (M + "#EXT-X-NEW-TAG:HTTPS://ads.example.com/\n" + E, "carries an address"),
        (M + '#EXT-X-NEW-TAG:A="//ads.example.com/x"\n' + E, "carries an address"),
        (M + "#ext-x-map:URI=a\n" + E, "carries an address"),
        (M + '#EXT-X-DEFINE:NAME="a",VALUE="http"\n#EXT-X-NEW-TAG:X={$a}://h\n' + E, "carries an address"),
        (M + '#EXT-X-KEY:METHOD=AES-128,URI="k",THUMBNAILS="http://h/"\n' + E, "THUMBNAILS carries an address"),
        (M + S + "{$nope}/a.ts\n" + E, "the variable nope is not defined"),
        (M + '#EXT-X-DEFINE:NAME="a",VALUE="1"\n#EXT-X-DEFINE:NAME="a",VALUE="2"\n', "defined twice"),
        (M + '#EXT-X-DEFINE:NAME="a",IMPORT="a"\n', "one of NAME, IMPORT and QUERYPARAM"),
        (M + '#EXT-X-DEFINE:VALUE="a"\n', "one of NAME, IMPORT and QUERYPARAM"),
        (M + '#EXT-X-DEFINE:NAME="a b",VALUE="1"\n', "letters, digits, - and _"),
        (M + '#EXT-X-DEFINE:NAME="a"\n', "the variable a has no VALUE"),
        (M + "".join(f'#EXT-X-DEFINE:NAME="v{n}",VALUE="1"\n' for n in range(257)), "may define 256 variables"),
        (M + '#EXT-X-DEFINE:IMPORT="a"\n', "from a master playlist"),
        (M + '#EXT-X-DEFINE:QUERYPARAM="b"\n', "from the query"),
        (M + '#EXT-X-DEFINE:QUERYPARAM="auth_key"\n#EXTINF:1,{$auth_key}\na.ts\n' + E, "uses the variable auth_key"),
        (
            M
            + "".join(
                f'#EXT-X-DEFINE:NAME="v{n + 1}",VALUE="{f"{{$v{n}}}" * 9 if n else "ha" * 9}"\n' for n in range(9)
            ),
            "over 4096 characters",
        ),
        (M + S + "a.ts\n#EXT-X-STREAM-INF:BANDWIDTH=1\nb.m3u8\n", "is a master playlist and a media playlist"),
        (M + "#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n" + S + "a.ts\n", "only what is new was sent"),
        (M + S + BASE + "\n" + E, "line 3, names a playlist as a segment"),
        (M + S + "a.ts\x0bhttp://evil/\n" + E, "line 3, has the control character U+000B"),
        (M + "#EXTINF:1,x\u2028http://evil/x.ts\na.ts\n" + E, "line 2, has the control character U+2028"),
        (M + "#EXTINF:1,x\rhttp://evil/x.ts\na.ts\n" + E, "U+000D"),
        (M + S + "a\0.ts\n" + E, "U+0000"),
        (b"#EXTM3U\n#EXTINF:1,\xff\na.ts\n", "is not UTF-8: byte 18"),
        (M + "#EXTINF:1," + "x" * LINE_CHARS_MAX + "\na.ts\n", "line 2, has over 16384 characters"),
        (M + "\n" * LINES_MAX, "has over 200000 lines"),
        (b"#" * (PLAYLIST_BYTES_MAX + 1), "is over 8388608 bytes"),
        pytest.param(M + (S + "a\n") * (ADDRESSES_MAX + 1), "the address number 50001", marks=pytest.mark.wide),
        (b"\n" * 10_000_000, "is over 8388608 bytes"),
        (M + "#EXTINF\na.ts\n" + E, "m3u8 cannot read it"),
        (M + '#EXT-X-STREAM-INF:BANDWIDTH=1,URI="c"\nb.m3u8\n', "carries an address"),
    ],
    ids=lambda value: repr(value[:60]) if isinstance(value, (str, bytes)) else None,
)
def test_what_cannot_be_copied_as_it_is_is_refused_in_words(content: str | bytes, words: str) -> None:
    before = time.process_time()
    with pytest.raises(Refused) as refusal:
        copied(content)
    assert words in refusal.value.detail
    assert "canary" not in refusal.value.detail
    assert "evil" not in refusal.value.detail
    assert time.process_time() - before < 3


def test_a_long_part_of_a_query_is_no_variable() -> None:
    with pytest.raises(Refused, match="the variable long has over 4096 characters"):
        copied(M + '#EXT-X-DEFINE:QUERYPARAM="long"\n' + E, f"https://cdn.example.com/r.m3u8?long={'x' * 4097}")


def test_a_recording_of_very_many_files_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.sinks.archive.hls.plan.OBJECTS_MAX", 2)
    same = M + (S + "a.ts\n") * 5 + S + "b.ts\n"
    assert len(copied(same + E).items) == 2
    with pytest.raises(Refused, match="the recording has over 2 files"):
        copied(same + S + "c.ts\n" + E)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\n#EXTM3U\n", b'{"error": "no such key"}'])
def test_what_is_no_playlist_is_asked_for_again(content: bytes) -> None:
    with pytest.raises(Retry, match="does not begin with #EXTM3U"):
        copied(content)


def test_a_master_names_neither_itself_nor_a_master_nor_too_many() -> None:
    variant = "#EXT-X-STREAM-INF:BANDWIDTH=1\n{}\n"
    master = parse_playlist((M + variant.format("v.m3u8")).encode(), BASE, keys="beside")
    with pytest.raises(Refused, match="named by a master playlist, and is one itself"):
        plan_of(master, [master._replace(url=media_addresses(master)[0])])
    for text, words in [
        (variant.format(BASE + "#x"), "names itself"),
        ("".join(variant.format(n) for n in range(129)), "names over 128 playlists"),
    ]:
        with pytest.raises(Refused, match=words):
            media_addresses(parse_playlist((M + text).encode(), BASE, keys="beside"))


def test_an_address_that_m3u8_sees_and_we_did_not_is_refused() -> None:
    read = parse_playlist((M + S + "a.ts\n" + S + "b.ts\n" + E).encode(), BASE, keys="beside")
    with pytest.raises(Refused, match="an address where its grammar has none"):
        rewritten(read._replace(spots=read.spots[:1]), {spot.url: "a.ts" for spot in read.spots})


paths = st.one_of(
    st.sampled_from(
        ["..", ".", "", "a.ts", "A.TS", "a.ts/", "con.ts", ".htaccess", "x.php", "index.m3u8", "-rf.ts", "%2e%2e"]
    ),
    st.text(max_size=200).map(lambda text: quote(text, safe="/?=&;")),
    st.integers(0, 9).map(lambda n: f"a.ts?n={n}"),
)


@given(st.lists(st.tuples(paths, st.sampled_from(Role), st.booleans(), st.sampled_from(["", "v1"])), max_size=60))
def test_names_are_safe_short_and_each_there_once(wanted: list[tuple[str, Role, bool, str]]) -> None:
    names = CopyNames()
    given_names = [names.name(f"https://h/{p}", role, folder=f, fragmented=m) for p, role, m, f in wanted]
    assert [name for name in given_names if not NAME.fullmatch(name)] == []
    lowered = [name.lower() for name in [*given_names, "index.m3u8"]]
    assert len(set(lowered)) == len(lowered)


def test_very_many_addresses_that_differ_only_in_their_query_get_names_in_time() -> None:
    names, before = CopyNames(), time.process_time()
    for number in range(50_000):
        last = names.name(f"https://h/a.ts?n={number}", Role.SEGMENT)
    assert last == "a-50000.ts"
    assert time.process_time() - before < 3


addresses = st.one_of(
    st.sampled_from(
        ["a.ts", "../../x", "/etc/passwd", "//evil.example/x", "http://10.0.0.1/", "file:///x", "{$v}/a", "", "a b", "é.ts",
         "data:,x", "a.ts?x=1", "a.ts?x=2", BASE, "#EXTINF:1,", "'", '"', "http:a", "https://h:0x/"]
    ),
    st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=12),
)  # fmt: skip
lines = st.one_of(
    st.sampled_from(
        ["#EXTINF:1,", "#EXTINF:9.9,x", "#EXTINF:,", "#EXT-X-ENDLIST", "#EXT-X-DISCONTINUITY", "#EXT-X-GAP", "#", "",
         "#EXT-X-STREAM-INF:BANDWIDTH=1", "#EXT-X-BYTERANGE:5", "#EXT-X-BYTERANGE:5@7", "#EXT-X-KEY:METHOD=NONE",
         '#EXT-X-DEFINE:NAME="v",VALUE="https://evil.example"', '#EXT-X-DEFINE:QUERYPARAM="auth_key"', "#EXT-X-MAPS:URI=x",
         "#EXT-X-NEW:1"]
    ),
    addresses,
    st.builds(
        '{}{}{}URI={}{}{}{}'.format,
        st.sampled_from(["#EXT-X-KEY:", "#EXT-X-MAP:", "#EXT-X-MEDIA:", "#EXT-X-PART:", "#EXT-X-SESSION-KEY:",
                         "#EXT-X-I-FRAME-STREAM-INF:", "#EXT-X-SESSION-DATA:", "#EXT-X-NEW:", "#EXT-X-PRELOAD-HINT:"]),
        st.sampled_from(["", "METHOD=AES-128,", "TYPE=AUDIO,", "DURATION=1,", 'X="', "BANDWIDTH=1,"]),
        st.sampled_from(["", " "]), st.sampled_from(['"', "'", ""]), addresses, st.sampled_from(['"', "'", ""]),
        st.sampled_from(["", ',BYTERANGE="5@1"', ",IV=0x1", ',URI="b"', ",DURATION=1"]),
    ),
)  # fmt: skip


@given(st.lists(lines, max_size=12), st.sampled_from(["\n", "\r\n"]))
@example(["#EXTINF:1,", "a.ts", '#EXT-X-MAP:URI="x\'"'], "\n")
@example(['#EXT-X-KEY:X="URI=\'a.ts",URI="b"'], "\n")
@example(['#EXT-X-KEY:X=URI=a.ts,URI="b"'], "\n")
@example(['#EXT-X-KEY:XURI="a.ts",URI="b"'], "\n")
def test_whatever_is_in_a_playlist_its_copy_names_only_files_of_its_folder(body: list[str], end: str) -> None:
    text = "#EXTM3U" + end + end.join(body)
    plan = attempted(text)
    if isinstance(plan, str):
        assert "canary" not in plan
        return
    name, copy = plan.playlists[-1]
    assert name == "index.m3u8"
    named = {item.name for item in plan.items} | {name for name, _ in plan.playlists[:-1]}
    assert addresses_in(copy.decode()) <= named
    assert all(item.url.startswith(("http:", "https:")) for item in plan.items)
    again = copied(copy, "https://copy.example.com/x/index.m3u8")
    assert again.playlists[-1] == plan.playlists[-1]  # a copy of a copy is the copy


def attempted(text: str) -> Plan | str:
    try:
        return copied(text)
    except (Refused, Retry) as failure:
        return failure.detail


def addresses_in(text: str) -> set[str]:
    """What m3u8 and a reader that only knows lines and `URI=` see; `data:` is no file."""
    seen = set(uris(parse(text)))
    seen |= {line for line in text.split("\n") if line and not line.startswith("#")}
    seen |= {uri.strip("\"'") for line in text.split("\n") if line.startswith("#EXT") for uri in _URI.findall(line)}
    return {one for one in seen if not one.startswith("data:")}


def uris(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (value[name] for name in ("uri", "server_uri") if isinstance(value.get(name), str))
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from uris(part)


_URI = re.compile(r"""URI=("[^"]*"|[^,]*)""")
