"""A copied playlist is the vendor's, line by line, with names of its own folder in the place of addresses."""

from __future__ import annotations

import pytest

from gateway import Refused
from plugins.sinks.archive.hls.plan import Plan, media_addresses, plan_of
from plugins.sinks.archive.hls.playlist import Playlist, parse_playlist
from plugins.sinks.archive.hls.tags import KeyMode

BASE = "https://cdn.example.com/live/main/record.m3u8?auth_key=canary"


def playlist(text: str, url: str = BASE, keys: KeyMode = "beside") -> Playlist:
    return parse_playlist(text.encode(), url, keys=keys)


def copied(text: str, url: str = BASE, keys: KeyMode = "beside") -> Plan:
    return plan_of(playlist(text, url, keys))


def written(plan: Plan) -> dict[str, str]:
    return {name: text.decode() for name, text in plan.playlists}


MEDIA = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:10
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-PLAYLIST-TYPE:VOD
## a comment of the vendor
#EXT-X-VENDOR-MARK:1,"kept"
#EXT-X-MAP:URI="{map}",BYTERANGE="718@0"
#EXT-X-KEY:METHOD=AES-128,URI="{key}",IV=0x0000000000000000000000000000002A
#EXT-X-PROGRAM-DATE-TIME:2020-03-08T14:10:25.000Z
#EXTINF:9.96,a title, with http://example.com in it
{one}
#EXT-X-DISCONTINUITY
#EXT-X-KEY:METHOD=NONE
#EXTINF:4.04,
#EXT-X-BYTERANGE:1000@718
{two}
#EXT-X-GAP
#EXTINF:10,
{three}
#EXT-X-ENDLIST
"""


def test_every_address_of_a_media_playlist_becomes_a_name_and_all_else_stays() -> None:
    plan = copied(
        MEDIA.format(
            map="/init/Video Äö.mp4?sign=a",
            key="https://keys.example.com/k?id=1",
            one="../a.ts?sign=b",
            two="//other.example.com/a.ts",
            three="https://cdn.example.com/live/a.ts?sign=b#t=1",
        )
    )
    assert written(plan) == {
        "index.m3u8": MEDIA.format(map="Video.mp4", key="k.key", one="a.ts", two="a-2.ts", three="a.ts")
    }
    assert [(item.url, item.name, item.reach) for item in plan.items] == [
        ("https://cdn.example.com/init/Video Äö.mp4?sign=a", "Video.mp4", 718),
        ("https://keys.example.com/k?id=1", "k.key", 0),
        ("https://cdn.example.com/live/a.ts?sign=b", "a.ts", 0),
        ("https://other.example.com/a.ts", "a-2.ts", 1718),
    ]
    assert plan.seconds == 24.0


MASTER = """#EXTM3U
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",DEFAULT=YES,URI="{audio}"
#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="CC",INSTREAM-ID="CC1"
#EXT-X-STREAM-INF:BANDWIDTH=1280000,CODECS="avc1.4d401f,mp4a.40.2",RESOLUTION=1280x720,AUDIO="a"
{high}
#EXT-X-STREAM-INF:BANDWIDTH=640000,AUDIO="a"

{low}
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=86000,URI="{frames}"
#EXT-X-SESSION-DATA:DATA-ID="com.example.title",VALUE="https://example.com/"
#EXT-X-SESSION-DATA:DATA-ID="com.example.lyrics",URI="{data}"
"""
SHORT = (
    '#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI="{map}"\n#EXTINF:4,\n{one}\n#EXTINF:4,\n{two}\n#EXT-X-ENDLIST\n'
)


def test_a_master_has_its_playlists_beside_it_and_their_files_in_folders() -> None:
    master = playlist(
        MASTER.format(audio="aac/index.m3u8", high="720p/index.m3u8", low="low.m3u8?x=1", frames="i.M3U8", data="d")
    )
    texts = {
        "aac/index.m3u8": SHORT.format(map="i.mp4", one="a.m4s", two="b.m4s"),
        "720p/index.m3u8": SHORT.format(map="i.mp4", one="1", two="2"),
        "low.m3u8?x=1": SHORT.format(map="720p/i.mp4", one="720p/1", two="other"),
        "i.M3U8": "#EXTM3U\n#EXT-X-I-FRAMES-ONLY\n#EXTINF:4,\n#EXT-X-BYTERANGE:9@5\n720p/2\n#EXT-X-ENDLIST\n",
    }
    root = "https://cdn.example.com/live/main/"
    assert media_addresses(master) == [root + name for name in texts]
    plan = plan_of(master, [playlist(text, root + name) for name, text in texts.items()])
    assert written(plan) == {
        "index-2.m3u8": SHORT.format(map="index-2/i.mp4", one="index-2/a.m4s", two="index-2/b.m4s"),
        "index-3.m3u8": SHORT.format(map="index-3/i.mp4", one="index-3/1.m4s", two="index-3/2.m4s"),
        "low.m3u8": SHORT.format(map="index-3/i.mp4", one="index-3/1.m4s", two="low/other.m4s"),
        "i.m3u8": "#EXTM3U\n#EXT-X-I-FRAMES-ONLY\n#EXTINF:4,\n#EXT-X-BYTERANGE:9@5\nindex-3/2.m4s\n#EXT-X-ENDLIST\n",
        "index.m3u8": MASTER.format(
            audio="index-2.m3u8", high="index-3.m3u8", low="low.m3u8", frames="i.m3u8", data="d.json"
        ),
    }
    assert list(written(plan))[-1] == "index.m3u8"  # written last: what can be played is whole
    assert [item.reach for item in plan.items if item.name == "index-3/2.m4s"] == [14]
    assert plan.seconds == 8.0


def test_variables_are_filled_in_where_an_address_uses_them_and_stay_where_they_are_defined() -> None:
    master = playlist(
        '#EXTM3U\n#EXT-X-DEFINE:NAME="host",VALUE="https://a.example.com"\n#EXT-X-DEFINE:QUERYPARAM="auth_key"\n'
        "#EXT-X-STREAM-INF:BANDWIDTH=1\n{$host}/v.m3u8?k={$auth_key}\n"
    )
    [url] = media_addresses(master)
    assert url == "https://a.example.com/v.m3u8?k=canary"
    media = parse_playlist(
        b'#EXTM3U\n#EXT-X-DEFINE:IMPORT="host"\n#EXT-X-DEFINE:NAME="d",VALUE="{$host}/x"\n#EXTINF:1,{$d}\n{$d}/1.ts\n'
        b"#EXT-X-ENDLIST\n",
        url,
        keys="beside",
        imported=master.variables.defined,
    )
    plan = plan_of(master, [media])
    assert [item.url for item in plan.items] == ["https://a.example.com/x/1.ts"]
    assert written(plan) == {
        "v.m3u8": '#EXTM3U\n#EXT-X-DEFINE:IMPORT="host"\n#EXT-X-DEFINE:NAME="d",VALUE="{$host}/x"\n#EXTINF:1,{$d}\n'
        "v/1.ts\n#EXT-X-ENDLIST\n",
        # a copy has no query of its own, and what stood there may be a signature
        "index.m3u8": '#EXTM3U\n#EXT-X-DEFINE:NAME="host",VALUE="https://a.example.com"\n'
        '#EXT-X-DEFINE:NAME="auth_key",VALUE=""\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n',
    }


def test_what_helps_only_while_a_stream_is_live_is_left_out() -> None:
    plan = copied(
        "#EXTM3U\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n"
        '#EXT-X-PART:DURATION=1,URI="p.mp4",BYTERANGE="5@0"\n#EXT-X-PART:DURATION=1,URI="p.mp4",BYTERANGE=7\n'
        '#EXTINF:2,\ns.mp4\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI="https://live/next"\n'
        '#EXT-X-RENDITION-REPORT:URI="../1/x.m3u8",LAST-MSN=3\n#EXT-X-ENDLIST\n'
    )
    assert [(item.name, item.reach) for item in plan.items] == [("p.mp4", 12), ("s.mp4", 0)]
    assert written(plan)["index.m3u8"].splitlines()[-3:] == [
        "# EXT-X-PRELOAD-HINT is left out of the copy",
        "# EXT-X-RENDITION-REPORT is left out of the copy",
        "#EXT-X-ENDLIST",
    ]


def test_the_breaks_of_lines_and_blanks_around_them_are_no_part_of_an_address() -> None:
    text = "\ufeff#EXTM3U \r\n\r\n #EXTINF:1,\r\n  a.ts?x=1 \r\n\t#EXT-X-PROGRAM-DATE-TIME:yesterday\r\n"
    assert written(copied(text))["index.m3u8"] == "#EXTM3U\n\n#EXTINF:1,\na.ts\n#EXT-X-PROGRAM-DATE-TIME:yesterday\n"


KEY = '#EXTM3U\n#EXT-X-KEY:METHOD={method},URI="{uri}"{more}\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n'
FAIRPLAY = ',KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1"'
WIDEVINE = ',KEYFORMAT="urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"'


@pytest.mark.parametrize(
    ("keys", "method", "uri", "more", "becomes"),
    [
        ("beside", "AES-128", "k/1?x=2", "", "1.key"),
        ("beside", "SAMPLE-AES", "k.key", ',KEYFORMAT="identity"', "k.key"),
        ("beside", "SAMPLE-AES-CTR", "data:text/plain;base64,AAAA//8=", WIDEVINE, None),
        ("beside", "SAMPLE-AES", "skd://key-1", FAIRPLAY, "hls.keys: leave"),
        ("leave", "AES-128", "k/1?x=2", "", "https://cdn.example.com/live/main/k/1?x=2"),
        ("leave", "SAMPLE-AES", "skd://key-1", FAIRPLAY, None),
        ("leave", "AES-128", "file:///etc/passwd", "", "only http: and https:"),
        ("refuse", "AES-128", "k.key", "", "hls.keys: beside"),
        ("refuse", "SAMPLE-AES", "data:,x", "", "hls.keys: leave"),
    ],
)
def test_keys_are_kept_left_or_refused_as_the_operator_says(
    keys: KeyMode, method: str, uri: str, more: str, becomes: str | None
) -> None:
    """`becomes` is the address in the copy (None: as it was), or words of the refusal."""
    text = KEY.format(method=method, uri=uri, more=more)
    if becomes and " " in becomes:
        with pytest.raises(Refused, match=becomes):
            copied(text, keys=keys)
        return
    plan = copied(text, keys=keys)
    assert written(plan)["index.m3u8"] == KEY.format(method=method, uri=becomes or uri, more=more)
    assert len(plan.items) == (2 if becomes in ("1.key", "k.key") else 1)


def test_a_playlist_that_is_not_encrypted_needs_no_option() -> None:
    text = "#EXTM3U\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n"
    assert written(copied(text, keys="refuse"))["index.m3u8"] == text


def test_a_link_that_was_signed_anew_leads_to_the_same_plan() -> None:
    text = "#EXTM3U\n#EXTINF:1,\n{}a.ts?sign={}\n#EXT-X-ENDLIST\n"
    one, other = copied(text.format("", 1)), copied(text.format("https://b.example.com/", 2))
    assert one.digest == other.digest
    assert one.digest != copied(text.format("", 1).replace("a.ts", "b.ts")).digest


@pytest.mark.parametrize(("text", "ended"), [("#EXTM3U\n#EXTINF:1,\na.ts\n", False), (MEDIA, True)])
def test_only_an_end_mark_says_that_nothing_more_comes(text: str, ended: bool) -> None:
    assert playlist(text).is_ended is ended


@pytest.mark.parametrize("duration", ["-1", "nan", "1e999", "1e308"])
def test_a_duration_that_cannot_be_added_is_none(duration: str) -> None:
    assert copied(f"#EXTM3U\n#EXTINF:{duration},\na.ts\n#EXTINF:{duration},\nb.ts\n#EXT-X-ENDLIST\n").seconds is None


def test_what_is_no_address_may_be_as_odd_as_it_likes() -> None:
    text = (
        "#EXTM3U\n#EXT-X-TARGETDURATION:9.6\n#EXT-X-MEDIA-SEQUENCE:x\n#EXT-X-VERSION:\n#EXT-X-PROGRAM-DATE-TIME:\n"
        "#EXT-X-AGORA-TRACK-EVENT:EVENT=START,TRACK_TYPE=AUDIO,TIME=1583676745\n#EXTINF:9.6,\na.ts\n#EXT-X-ENDLIST\n"
    )
    assert written(copied(text)) == {"index.m3u8": text}
    master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=x,FRAME-RATE=,NAME=a b\na.m3u8\n"
    media = playlist(text, "https://cdn.example.com/live/main/a.m3u8")
    assert written(plan_of(playlist(master), [media]))["index.m3u8"] == master
