"""What the public listener answers, over real sockets."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from gateway.errors import Problem
from gateway.testing.corpus import Case, cases
from tests.web.doors import Answer, Behind, Served, networks, post, settings


def test_a_callback_reaches_the_gateway_as_it_came(served: Served) -> None:
    body = b'{"event":"\xc3\xa9"}'
    reply = served.post(body, more="X-Sig: one\r\nX-Sig: two\r\nContent-Type: text/plain\r\n")
    assert (reply.status, reply.json()) == (200, {"status": "accepted"})
    assert reply.header("content-type") == "application/json"
    [callback] = served.behind.taken
    assert (callback.source, callback.method, callback.path) == ("live", "POST", "/hooks/live")
    assert callback.body == body
    assert callback.headers.getlist("X-SIG") == ["one", "two"]
    assert callback.peer == "127.0.0.1"
    assert callback.received_at == served.behind.clock.now()


def test_a_body_in_many_pieces_is_one_body(served: Served) -> None:
    with served.public() as client:
        client.send(b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (b'{"a"', b":", b" " * 100_000, b'"x"', b"}"):
            client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        assert client.send(b"0\r\n\r\n").reply().status == 200
    assert served.behind.taken[0].body == b'{"a":' + b" " * 100_000 + b'"x"}'


def test_the_path_is_decoded_once_and_the_query_is_no_part_of_it(served: Served) -> None:
    assert served.post(path="/hooks/%6cive?x=1").status == 200
    assert served.behind.taken[0].path == "/hooks/live"


@pytest.mark.parametrize("case", cases("path"), ids=str)
def test_a_path_that_is_not_exactly_a_source_is_not_found(served: Served, case: Case) -> None:
    with served.public() as client:
        reply = client.send(post(path=case.value)).reply()
    if case.id in ("P12", "P13"):
        assert reply.status in (200, 400, 404, 414, 431)
    else:
        assert (reply.status, reply.json()["code"]) == (404, "unknown_source")
        assert served.behind.refused[0][0] is None
    assert all(name != "location" for name, _ in reply.headers)


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/readyz", "/hooks", "/hooks/", "*", "/api/v1/events"])
def test_nothing_of_the_private_side_is_at_the_public_door(served: Served, path: str) -> None:
    with served.public() as client:
        status = client.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).reply().status
    assert status == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_another_method_is_told_to_post(served: Served, method: str) -> None:
    with served.public() as client:
        reply = client.send(f"{method} /hooks/live HTTP/1.1\r\nHost: x\r\n\r\n".encode()).reply(head=method == "HEAD")
        assert (reply.status, reply.header("allow")) == (405, "POST")
        if method != "HEAD":
            assert reply.json()["code"] == "method_not_allowed"
        assert client.send(post()).reply().status == 200, "the connection can be used again"
    assert served.behind.refused[0][0] == "live"


@pytest.mark.parametrize(
    "header",
    [
        "Content-Encoding: gzip",
        "Content-Encoding: identity, gzip",
    ],
)
def test_an_encoded_body_is_refused(served: Served, header: str) -> None:
    reply = served.post(more=header + "\r\n")
    assert (reply.status, reply.json()["code"]) == (415, "unsupported_media_type")
    assert served.behind.taken == []


FOREIGN = (
    "charset=utf-16",
    'x=y; CHARSET="latin-1"',
    "charset=",
    "charset=iso-8859-1",
    "charset=gbk",
    'charset="\xff"',
)


@pytest.mark.parametrize("parameter", FOREIGN)
def test_a_charset_over_bytes_that_are_utf_8_refuses_nothing(served: Served, parameter: str) -> None:
    more = f"Content-Type: application/json; {parameter}\r\n"
    assert served.post('{"stream":"é频道"}'.encode(), more=more).status == 200
    reply = served.post('{"stream":"é"}'.encode("latin-1"), more=more)
    assert (reply.status, reply.json()["code"]) == (415, "unsupported_media_type")
    assert len(served.behind.taken) == 1


ESCAPED = [
    *("/hooks%2flive", "/hooks%2Flive", "/%2fhooks/live", "/hooks/live%2f", "/hooks/live%00", "/hooks/li%5cve"),
    *("/hooks/%2e", "/hooks/v1%2elive", "/hooks/v1%2Elive", "/hooks/%2e%2e/hooks/live", "/hooks/live%0d%0a"),
    *("/hooks/live%20", "/hooks/live%3fa=b", "/hooks/live%23", "/hooks/%6cive%2f", "/hooks/live%zz"),
]


ESCAPED += ["/hooks%252flive", "/hooks/live%3b", "/hooks/%c5%bfive", "/hooks/liv%e2%85%87"]


@pytest.mark.parametrize("path", ESCAPED)
def test_an_escape_that_hides_more_than_a_letter_names_no_source(served: Served, path: str) -> None:
    served.behind.sources_by_path["v1.live"] = served.behind.sources_by_path["live"]
    assert served.post(path=path).status == 404
    assert served.behind.taken == []


def test_a_letter_that_was_escaped_for_nothing_is_that_letter(served: Served) -> None:
    assert served.post(path="/hooks/%6C%69ve").status == 200


@pytest.mark.parametrize(
    "header",
    [
        "Content-Encoding: identity",
        "Content-Type: application/json; charset=UTF-8",
        'Content-Type: text/html; charset="utf8"',
        "Content-Type: nonsense",
    ],
)
def test_a_source_that_declares_no_media_type_takes_any(served: Served, header: str) -> None:
    assert served.post(more=header + "\r\n").status == 200


@pytest.mark.parametrize(
    ("value", "status"),
    [("application/json", 200), ("Text/JSON ; charset=utf-8", 200), ("text/plain", 415), ("", 415), (None, 415)],
)
def test_a_source_that_declares_its_media_types_takes_no_other(served: Served, value: str | None, status: int) -> None:
    more = "" if value is None else f"Content-Type: {value}\r\n"
    assert served.post(path="/hooks/typed", more=more).status == status


def test_a_problem_of_the_gateway_is_the_answer(served: Served) -> None:
    async def busy(callback: Any) -> Any:
        raise Problem(503, "store_unavailable", "the store cannot commit now", retry_after=3)

    served.behind.answer = busy
    reply = served.post()
    assert (reply.status, reply.header("retry-after")) == (503, "3")
    assert reply.header("content-type") == "application/problem+json"
    assert reply.json() == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "the store cannot commit now",
        "code": "store_unavailable",
    }
    assert served.behind.refused == [], "what take refuses it counts itself"


def test_a_stopping_gateway_says_so_and_closes(served: Served) -> None:
    served.behind.stopping = True
    reply = served.post()
    assert (reply.status, reply.json()["code"], reply.header("connection")) == (503, "stopping", "close")
    assert reply.header("retry-after") == "5"
    assert served.behind.refused[0][0] == "live"


def test_a_bug_behind_the_door_is_an_answer_and_not_a_broken_connection(served: Served) -> None:
    async def broken(callback: Any) -> Any:
        raise KeyError("secret")

    served.behind.answer = broken
    reply = served.post()
    assert (reply.status, reply.json()["code"]) == (500, "internal_error")
    assert b"secret" not in reply.body


@pytest.mark.parametrize("raised", [StopIteration("secret"), SystemExit("secret"), asyncio.CancelledError("secret")])
@pytest.mark.parametrize(
    "more", ["", "Content-Type: text/plain; charset=latin-1\r\n"], ids=["whole", "by the application"]
)
def test_whatever_is_raised_behind_the_door_ends_no_more_than_its_request(
    served: Served, monkeypatch: pytest.MonkeyPatch, raised: BaseException, more: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(served.behind, "take_callback", lambda entry, callback, answered: answered(raised))
        reply = served.post(more=more)
    assert (reply.status, reply.json()["code"]) == (500, "internal_error")
    assert b"secret" not in reply.body
    assert served.post().status == 200


def test_a_source_may_answer_in_its_own_way(served: Served) -> None:
    async def own(callback: Any) -> Any:
        return Answer(202, b"", "text/plain; charset=utf-8")

    served.behind.answer = own
    reply = served.post()
    assert (reply.status, reply.body, reply.header("content-type")) == (202, b"", "text/plain; charset=utf-8")


@pytest.mark.parametrize("media_type", ["a/b\r\nX-Evil: 1", "a/b\x00", "é/x", "", "application/json\n"])
def test_a_media_type_that_would_break_the_head_is_not_sent(served: Served, media_type: str) -> None:
    async def hostile(callback: Any) -> Any:
        return Answer(200, b"{}", media_type)

    served.behind.answer = hostile
    reply = served.post()
    assert (reply.status, reply.header("content-type")) == (200, "application/octet-stream")
    assert reply.header("x-evil") is None


def test_no_answer_names_the_server(served: Served) -> None:
    assert served.post().header("server") is None
    assert served.post(path="/no").header("server") is None


def test_a_slow_body_is_answered_408_and_counted_for_its_source() -> None:
    behind = Behind(settings(server={"body_timeout": timedelta(seconds=0.2)}))
    with Served(behind) as served, served.public() as client:
        client.send(b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{}")
        reply = client.reply()
        assert (reply.status, reply.json()["code"]) == (408, "body_timeout")
        assert client.closed()
    assert [(source, problem.code) for source, problem in behind.refused] == [("live", "body_timeout")]
    assert behind.taken == []


def test_a_caller_who_leaves_in_the_middle_of_its_body_leaves_no_trace(served: Served) -> None:
    with served.public() as client:
        client.send(b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{}")
    assert served.post().status == 200
    assert len(served.behind.taken) == 1
    assert served.behind.refused == []


def test_a_forged_forwarded_header_changes_nothing_by_default(served: Served) -> None:
    served.post(more="X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\n")
    assert served.behind.taken[0].peer == "127.0.0.1"


def test_a_trusted_proxy_is_believed_up_to_the_first_hop_that_is_not_ours() -> None:
    behind = Behind(settings(server={"trusted_proxies": networks("127.0.0.0/8", "10.0.0.0/8")}))
    with Served(behind) as served:
        served.post(more="X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\nX-Forwarded-For: 10.1.1.1\r\n")
        served.post()
    assert [callback.peer for callback in behind.taken] == ["203.0.113.9", "127.0.0.1"]


ALLOWED = networks("203.0.113.0/24")


def test_a_source_with_a_list_of_callers_takes_nobody_else_and_reads_no_body_of_theirs() -> None:
    behind = Behind(settings(server={"trusted_proxies": networks("127.0.0.0/8")}))
    behind.sources_by_path["live"].allow_from = ALLOWED
    with Served(behind) as served:
        assert served.post(more="X-Forwarded-For: 203.0.113.9\r\n").status == 200
        reply = served.post(more="X-Forwarded-For: 203.0.113.9, 198.51.100.7\r\n")
        assert (reply.status, reply.json()["code"]) == (403, "peer_not_allowed")
        with served.public() as client:  # the answer comes before the body
            client.send(b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
            assert client.reply().status == 403
    assert [callback.peer for callback in behind.taken] == ["203.0.113.9"]
    assert [(source, problem.code) for source, problem in behind.refused] == [("live", "peer_not_allowed")] * 2


def test_a_forged_forwarded_header_does_not_pass_the_list_of_callers(served: Served) -> None:
    served.behind.sources_by_path["live"].allow_from = ALLOWED
    assert served.post(more="X-Forwarded-For: 203.0.113.9\r\n").status == 403
    served.behind.sources_by_path["live"].allow_from = networks("127.0.0.1/32")
    assert served.post(more="X-Forwarded-For: 203.0.113.9\r\n").status == 200
