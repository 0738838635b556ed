"""Bodies at the public listener: their size, their pieces, and one that is not read."""

from __future__ import annotations

from tests.web.doors import CALLBACK, Served, post


def test_the_largest_body_is_taken_and_one_byte_more_is_not(served: Served) -> None:
    largest = b"{" + b" " * (262_144 - 2) + b"}"
    assert len(largest) == 262_144
    assert served.post(largest).status == 200
    reply = served.post(largest + b" ")
    assert (reply.status, reply.json()["code"], reply.header("connection")) == (413, "body_too_large", "close")
    assert len(served.behind.taken) == 1


def test_a_chunked_body_is_counted_while_it_is_read(served: Served) -> None:
    with served.public() as client:
        client.send(b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send((b"10000\r\n" + b"a" * 65536 + b"\r\n") * 5)
        reply = client.reply()
        assert (reply.status, reply.json()["code"]) == (413, "body_too_large")
        assert client.closed()
    assert served.behind.taken == []


def test_a_caller_who_sends_a_huge_body_first_can_still_read_the_refusal(served: Served) -> None:
    with served.public() as client:
        client.send(b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n" + b"x" * 900_000)
        assert client.reply().status == 413
        assert client.closed()


def test_a_length_that_no_integer_holds_is_too_large_and_no_error(served: Served) -> None:
    for digits in ("9" * 18, "0" * 5000 + "9" * 17, "0" * 5000 + "11"):
        with served.public() as client:
            client.send(f"POST /hooks/live HTTP/1.1\r\nHost: x\r\nContent-Length: {digits}\r\n\r\n".encode())
            client.send(CALLBACK)
            assert client.reply().status in (200, 400, 413)


def test_expect_is_answered_only_when_the_body_is_wanted(served: Served) -> None:
    with served.public() as client:
        client.send(b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n")
        assert client.reply().status == 100
        assert client.send(CALLBACK).reply().status == 200
    with served.public() as client:
        client.send(b"POST /hooks/no HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n")
        reply = client.reply()
        assert (reply.status, reply.header("connection")) == (404, "close")


def test_an_unread_body_does_not_shift_the_next_request(served: Served) -> None:
    with served.public() as client:
        client.send(post(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", path="/hooks/no"))
        client.send(post())
        assert [client.reply().status, client.reply().status] == [404, 200]
