"""The hostile corpus: input that once broke something like this gateway, as data for tests of our own and of plugin authors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from gateway.testing.odd_json import ODD_JSON

KINDS: Final[Mapping[str, str]] = {
    "body": "POSTed to /hooks/live",
    "raw": "bytes to the public port",
    "adm": "bytes to the private port",
    "path": "the target of a POST with a valid, signed body",
    "sign": "fields that replace those of a valid callback, which keeps its signature",
    "stream": "the name of a correctly signed stream: accepted, then inert everywhere",
    "yaml": "loaded by `check`",
    "cel": "the `where` of a route",
    "url": "with the address guard on",
    "ans": "what a sink's server answers",
    "header": "the value of a header that carries a credential, in place of the genuine one and beside it",
    "value": "JSON text in the place of any value of a callback, which is then signed as its vendor signs",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One piece of hostile input. `expected` says in words what must come of it; `kind` is one of KINDS."""

    id: str
    kind: str
    make: Callable[[], object]
    expected: str

    @property
    def value(self) -> Any:
        """Bytes for body, raw, adm and ans; a mapping of fields for sign; text for the others. Built when asked for,
        because some are tens of megabytes."""
        return self.make()

    def __str__(self) -> str:
        return self.id


def cases(*kinds: str) -> Sequence[Case]:
    """The cases of these kinds, in order; without an argument all. Raises ValueError for a kind there is not."""
    if unknown := set(kinds) - set(KINDS):
        raise ValueError(f"no kind of case is called {', '.join(sorted(unknown))}; known: {', '.join(KINDS)}")
    return tuple(case for case in CASES if not kinds or case.kind in kinds)


_HEADERS: Final = (
    *("", "0", "-1", "1e9", "9" * 400, "\x7f", "\u00ff", "\u00b2", "null", "=", ",", ";", '"', "a=b", "t=1", "t=,v1=", "v1,", "sha256="),
    *("sig1=::", "sig1=(", "Bearer ", "e30.e30.", "%00", "2026-13-45", "A" * 5000, ", ".join(["v1,AAAA"] * 500)),
)  # fmt: skip

CASES: Final[Sequence[Case]] = (
    Case("B01", "body", lambda: b"", "400 malformed_body"),
    Case("B02", "body", lambda: b" ", "400 malformed_body"),
    Case("B03", "body", lambda: b"[]", "400 malformed_body"),
    Case("B04", "body", lambda: b"null", "400 malformed_body"),
    Case("B05", "body", lambda: b"{} x", "400 malformed_body"),
    Case("B06", "body", lambda: b'{"a":1,}', "400 malformed_body"),
    Case("B07", "body", lambda: b"{'a':1}", "400 malformed_body"),
    Case("B08", "body", lambda: b"[" * 100000, "400 malformed_body"),
    Case("B09", "body", lambda: b'{"x":' + b"[" * 900 + b"]" * 900 + b"}", "400 malformed_body"),
    Case("B10", "body", lambda: b'{"a":' * 5000 + b"1" + b"}" * 5000, "400 malformed_body"),
    Case("B11", "body", lambda: b'{"file_size":' + b"1" * 4301 + b"}", "401; signed 200 with problems"),
    Case("B12", "body", lambda: b'{"file_size":9223372036854775808}', "401; signed 200 with problems"),
    Case("B13", "body", lambda: b'{"a":NaN}', "400 malformed_body"),
    Case("B14", "body", lambda: b'{"a":-Infinity}', "400 malformed_body"),
    Case("B15", "body", lambda: b'{"a":1e999}', "401; signed 200 with problems"),
    Case("B16", "body", lambda: b'{"app":"a","app":"b"}', "400 malformed_body"),
    Case("B17", "body", lambda: b'{"app":"a","\\u0061pp":"b"}', "400 malformed_body"),
    Case("B18", "body", lambda: b'{"stream":"\\ud800"}', "401; signed 200 with problems"),
    Case("B19", "body", lambda: b'{"stream":"\xed\xa0\x80"}', "400 malformed_body"),
    Case("B20", "body", lambda: b'{"stream":"a\\u0000"}', "401; signed 200 with problems"),
    Case("B21", "body", lambda: b"\xef\xbb\xbf{}", "401; signed 200 with problems"),
    Case("B22", "body", lambda: '{"a":1}'.encode("utf-16"), "400 malformed_body"),
    Case("B23", "body", lambda: b'{"a":"\xc0\xaf"}', "400 malformed_body"),
    Case("B24", "body", lambda: b'{"' + b"k" * 200000 + b'":1}', "401; signed 200 with problems"),
    Case("B25", "body", lambda: b'{"a":[' + b"[]," * 80000 + b"[]]}", "400 malformed_body"),
    Case("B26", "body", lambda: b'{"a":"x\x01"}', "400 malformed_body"),
    Case(
        "R01",
        "raw",
        lambda: (
            b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000000000\r\n\r\n{"
        ),
        "413, closed",
    ),
    Case(
        "R02",
        "raw",
        lambda: (
            b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"10000\r\n"
            + b"a" * 65536
            + b"\r\n"
        ),
        "415 or closed by deadline",
    ),
    Case(
        "R03",
        "raw",
        lambda: b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "4xx or closed, never 5xx",
    ),
    Case(
        "R04",
        "raw",
        lambda: b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        "415",
    ),
    Case(
        "R05",
        "raw",
        lambda: (
            b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nContent-Type: application/json; charset=utf-16\r\nContent-Length: 2\r\n\r\n{}"
        ),
        "served: its bytes are UTF-8",
    ),
    Case(
        "R06", "raw", lambda: b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{}", "closed in 16 s"
    ),
    Case("R07", "raw", lambda: b"POST /ho", "closed in 6 s"),
    Case("R08", "raw", lambda: b"", "closed in 6 s"),
    Case(
        "R09",
        "raw",
        lambda: b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1000000 + b"\r\n\r\n",
        "4xx or closed, never 5xx",
    ),
    Case(
        "R10",
        "raw",
        lambda: b"POST /hooks/live HTTP/1.1\r\nHost: x\r\n" + b"X: 1\r\n" * 100000 + b"\r\n",
        "4xx or closed, never 5xx",
    ),
    Case("R11", "raw", lambda: b"POST /hooks/live HTTP/1.1\r\nX: " + b"a" * 50000000, "4xx or closed, never 5xx"),
    Case(
        "R12",
        "raw",
        lambda: (
            b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        "4xx or closed, never 5xx",
    ),
    Case(
        "R13",
        "raw",
        lambda: b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
        "4xx or closed, never 5xx",
    ),
    Case("R14", "raw", lambda: b"POST /hooks/live HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", "4xx or closed, never 5xx"),
    Case(
        "R15",
        "raw",
        lambda: b"POST /hooks/live HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 2\r\n\r\n{}",
        "4xx or closed, never 5xx",
    ),
    Case(
        "R16",
        "raw",
        lambda: b"POST /hooks/live HTTP/2.0\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        "4xx or closed, never 5xx",
    ),
    Case("R17", "raw", lambda: b"GET /hooks/live\r\n\r\n", "4xx or closed, never 5xx"),
    Case(
        "R18",
        "raw",
        lambda: (
            b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}"
        ),
        "served, the offer ignored",
    ),
    Case(
        "R19",
        "raw",
        lambda: (
            b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Sig: t\r\n\r\n"
        ),
        "trailer unseen",
    ),
    Case("R20", "raw", lambda: b"\x16\x03\x01\x02\x00", "4xx or closed, never 5xx"),
    Case("R21", "raw", lambda: b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
    Case("A01", "adm", lambda: b"GET / HTTP/1.1\r\nHost: evil.example:9090\r\n\r\n", "421"),
    Case("A02", "adm", lambda: b"GET /api/v1/events?token=T HTTP/1.1\r\nHost: localhost\r\n\r\n", "400, masked"),
    Case("A03", "adm", lambda: b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n", "400"),
    Case(
        "A04",
        "adm",
        lambda: (
            b"POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil\r\nCookie: gw=SESSION\r\nContent-Length: 0\r\n\r\n"
        ),
        "403",
    ),
    Case("P01", "path", lambda: "/hooks/live/", "404"),
    Case("P02", "path", lambda: "//hooks/live", "404"),
    Case("P03", "path", lambda: "/hooks/live/../live", "404"),
    Case("P04", "path", lambda: "/hooks/%2e%2e/hooks/live", "404"),
    Case("P05", "path", lambda: "/hooks/live%2f", "404"),
    Case("P06", "path", lambda: "/hooks/live;x=1", "404"),
    Case("P07", "path", lambda: "/hooks/live%00", "404"),
    Case("P08", "path", lambda: "/hooks/live%0d%0aX:1", "404"),
    Case("P09", "path", lambda: "/hooks/LIVE", "404"),
    Case("P10", "path", lambda: "/hooks/%ff", "404"),
    Case("P11", "path", lambda: "/hooks/..%5cx", "404"),
    Case("P12", "path", lambda: "/hooks/" + "a" * 70000, "4xx or closed, never 5xx"),
    Case("P13", "path", lambda: "http://evil/hooks/live", "200 or C"),
    Case("P14", "path", lambda: "/api/v1/events", "404"),
    Case("S01", "sign", lambda: {"auth_sign": "é" * 64}, "401"),
    Case("S02", "sign", lambda: {"auth_sign": None}, "401"),
    Case("S03", "sign", lambda: {"auth_sign": ""}, "401"),
    Case("S04", "sign", lambda: {"auth_sign": ["a"]}, "401|400"),
    Case("S05", "sign", lambda: {"auth_timestamp": True}, "401|400"),
    Case("S06", "sign", lambda: {"auth_timestamp": "１５８３６７６７４５"}, "401|400"),
    Case("S07", "sign", lambda: {"auth_timestamp": "1_0"}, "401|400"),
    Case("S08", "sign", lambda: {"auth_timestamp": 10**30}, "401|400"),
    Case("S09", "sign", lambda: {"app": "livestr", "stream": "eam1"}, "not trust fields"),
    Case("S10", "sign", lambda: {"event_type": "5RECORD_START"}, "401"),
    Case("S11", "sign", lambda: {"obs_bucket": "evil"}, "held, after the genuine one"),
    Case("T01", "stream", lambda: "<script>alert(1)</script>", "200"),
    Case("T02", "stream", lambda: "=?utf-8?q?x=0d=0aBcc:_evil@e?=", "200"),
    Case("T03", "stream", lambda: "a\r\nBcc: e@x", "200"),
    Case("T04", "stream", lambda: "\x1b[2J\x1b]0;t\x07", "200"),
    Case("T05", "stream", lambda: "@everyone <!channel> <at id=all></at> <@all>", "200"),
    Case("T06", "stream", lambda: "[x](http://evil)", "200"),
    Case("T07", "stream", lambda: '=HYPERLINK("http://evil")', "200"),
    Case("T08", "stream", lambda: "../../etc/passwd", "200"),
    Case("T09", "stream", lambda: "..", "200"),
    Case("T10", "stream", lambda: "'; drop table events;--", "200"),
    Case("T11", "stream", lambda: "{{ 7*7 }}${HOME}%s{0}", "200"),
    Case("T12", "stream", lambda: "-rf", "200"),
    Case("T13", "stream", lambda: "\u202egnp.exe", "200"),
    Case("T14", "stream", lambda: "😀" * 5000, "200"),
    Case("T15", "stream", lambda: "a\u2028b", "200"),
    Case("Y01", "yaml", lambda: "a: &a [x]\nb: *a", "a located error within a second"),
    Case("Y02", "yaml", lambda: "m: {<<: [{a: 1}]}", "a located error within a second"),
    Case("Y03", "yaml", lambda: "store: x\nstore: y", "a located error within a second"),
    Case("Y04", "yaml", lambda: "a: 2020-13-45", "a located error within a second"),
    Case("Y05", "yaml", lambda: "[" * 5000, "a located error within a second"),
    Case("Y06", "yaml", lambda: "a: !!python/name:os.system", "a located error within a second"),
    Case(
        "C01",
        "cel",
        lambda: "event.data.files.all(a, event.data.files.all(b, a.size_bytes >= b.size_bytes))",
        "a located error within a second",
    ),
    Case("C02", "cel", lambda: "(" * 500 + "true" + ")" * 500, "a located error within a second"),
    Case("C03", "cel", lambda: "event.data.nope > 1", "no match"),
    Case("C04", "cel", lambda: '"x"', "no match"),
    Case("U01", "url", lambda: "http://127.0.0.1/", "refused"),
    Case("U02", "url", lambda: "http://[::ffff:7f00:1]/", "refused"),
    Case("U03", "url", lambda: "http://0x7f.1/", "refused"),
    Case("U04", "url", lambda: "http://127。0。0。1/", "refused"),
    Case("U05", "url", lambda: "http://2130706433/", "refused"),
    Case("U06", "url", lambda: "http://[64:ff9b::a9fe:a9fe]/", "refused"),
    Case("U07", "url", lambda: "http://[fec0::1]/", "refused"),
    Case("U08", "url", lambda: "http://100.100.100.200/", "refused"),
    Case("U09", "url", lambda: "http://a@127.0.0.1/", "refused"),
    Case("U10", "url", lambda: "http://evil\\@127.0.0.1/", "refused"),
    Case("U11", "url", lambda: "http://[fe80::1%25lo]/", "refused"),
    Case("U12", "url", lambda: "file:///etc/passwd", "refused"),
    Case("N01", "ans", lambda: b"SSH-2.0-x\r\n", "retry, no token in text"),
    Case("N02", "ans", lambda: b"HTTP/1.1 302 F\r\nLocation: http://127.0.0.1/\r\n\r\n", "not followed"),
    Case("N03", "ans", lambda: b"HTTP/1.1 200 OK\r\nSet-Cookie: s=1\r\nContent-Length: 0\r\n\r\n", "cookie never sent"),
    Case("N04", "ans", lambda: b"HTTP/1.1 200 OK\r\nX: " + b"a" * 9000 + b"\r\n\r\n", "retry"),
    Case("N05", "ans", lambda: b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nno", "retry"),
    Case(
        "N06",
        "ans",
        lambda: b"HTTP/1.1 429 T\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\n\r\n",
        "retry, capped",
    ),
    *(
        Case(f"H{number:02}", "header", partial(str, text), "refused as untrusted, by whatever header")
        for number, text in enumerate(_HEADERS, 1)
    ),
    *(
        Case(f"V{number:03}", "value", partial(str, text), "refused as malformed or untrusted, or an event")
        for number, text in enumerate(ODD_JSON, 1)
    ),
)
