"""Addresses, names of topics and options: what is taken, and what is said of what is not."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.testing import event
from plugins.sinks.streams.broker_url import URLS
from plugins.sinks.streams.topic import Topic
from tests.sinks.streams.brokers import BROKERS

CANARY = "canary-0123456789"
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("redis", {"url": "http://h"}, "redis://host:6379"),
    ("redis", {"url": f"redis://u:{CANARY}@h"}, "without user name and password"),
    ("redis", {"url": "redis://h:0"}, "with a host"),
    ("redis", {"url": "redis://h:99999"}, "1 to 65535"),
    ("redis", {"url": "redis://h/a"}, "number of a database"),
    ("redis", {"url": "redis://h?password=x"}, "nothing behind it"),
    ("redis", {"url": "redis://"}, "with a host"),
    ("redis", {"username": "u"}, "`password` beside `username`"),
    ("redis", {"ca": "/ca.pem"}, "only where the connection is encrypted"),
    ("redis", {"url": "rediss://h", "key": "/k.pem"}, "`certificate` beside `key`"),
    ("redis", {"password": "a\nb"}, "on one line"),
    ("redis", {"max_length": 0}, "greater than or equal to 1"),
    ("redis", {"deduplicate": "0s"}, "1s"),
    ("nats", {"url": ["nats://h", "tls://h"]}, "all reached with TLS, or all without"),
    ("nats", {"url": []}, "at least 1"),
    ("nats", {"url": "nats://h/x"}, "nothing behind it"),
    ("nats", {"subject": "a.*"}, "without wildcards"),
    ("nats", {"subject": "a..b"}, "a subject such as"),
    ("nats", {"subject": "$JS.API.x"}, "a subject such as"),
    ("nats", {"subject": "a.{strem}"}, "no {strem} to put in; did you mean 'stream'?"),
    ("nats", {"subject": "a.{stream!r}"}, "no {stream} to put in"),
    ("nats", {"subject": "a.{stream"}, "names in braces"),
    ("nats", {"stream": "a.b"}, "pattern"),
    ("kafka", {"brokers": "kafka://h:9092"}, "without a scheme"),
    ("kafka", {"brokers": ["h:9092", "h:x"]}, "a broker such as"),
    ("kafka", {"brokers": []}, "at least 1"),
    ("kafka", {"brokers": f"u:{CANARY}@h:9092"}, "a broker such as"),
    ("kafka", {"topic": "a/b"}, "pattern"),
    ("kafka", {"sasl": "plain"}, "beside `sasl`"),
    ("kafka", {"password": CANARY}, "`username` and `password` together"),
    ("kafka", {"tls": True, "certificate": "/c.pem", "acks": 1}, "Extra inputs"),
    ("kafka", {"ca": "/ca.pem"}, "only where the connection is encrypted"),
    ("rabbitmq", {"url": "amqp://h:port"}, "1 to 65535"),
    ("rabbitmq", {"username": "u"}, "`username` and `password` together"),
    ("rabbitmq", {"routing_key": "{app}" + "x" * 255}, "a routing key of at most 255 bytes"),
    ("rabbitmq", {"routing_key": "{apps}"}, "did you mean 'app'?"),
    ("rabbitmq", {"unroutable": "drop"}, "'wait' or 'refuse'"),
    ("mqtt", {"topic": "a/#"}, "without wildcards"),
    ("mqtt", {"topic": "$SYS/a"}, "a topic such as"),
    ("mqtt", {"topic": ""}, "a topic such as"),
    ("mqtt", {"password": CANARY}, "`username` beside `password`"),
    ("mqtt", {"url": "mqtts://h", "certificate": "/c.pem", "qos": 2}, "Extra inputs"),
    ("nats", {"username": "u"}, "`username` and `password` together"),
    ("nats", {"username": "u", "password": CANARY, "token": CANARY}, "`token`, or"),
]


@pytest.mark.parametrize(("kind", "options", "said"), WRONG)
def test_a_wrong_option_is_named_and_its_value_is_not(kind: str, options: dict[str, Any], said: str) -> None:
    broker = BROKERS[kind]
    with pytest.raises(ValidationError) as wrong:
        broker.sink.Options.model_validate(broker().options(**options))
    texts = "; ".join(part["msg"] for part in wrong.value.errors(include_input=False, include_url=False))
    assert said in texts
    assert CANARY not in texts


@pytest.mark.parametrize("kind", BROKERS)
def test_who_sends_over_a_network_in_clear_is_told_so(kind: str) -> None:
    def advice(**options: Any) -> list[str]:
        broker = BROKERS[kind]
        read = broker.sink.Options.model_validate(broker().options(**options))
        return list(broker.sink("mine", read, http=None, log=None).advice())  # type: ignore[arg-type]

    broker = BROKERS[kind]()
    assert advice() == []
    [said] = advice(**broker.far(secure=False), username="u", password=CANARY)
    assert "the password" in said
    assert advice(**broker.far(secure=True)) == []


@settings(max_examples=50)
@given(st.text(), st.text(), st.text())
def test_nothing_of_an_event_is_a_part_of_a_topic_of_its_own_or_a_wildcard(domain: str, app: str, stream: str) -> None:
    named = Topic("a.{domain}.{app}/{stream}").topic_of(event(domain=domain, app=app, stream=stream), bytes_max=10**6)
    assert named.isascii()
    assert named.isprintable()
    assert not set(named) & set("*>#+ $\\\"'")
    assert (named.count("."), named.count("/")) == (2, 1)
    assert "" not in named.replace("/", ".").split(".")


@given(st.text(min_size=1), st.integers(20, 60))
def test_a_topic_that_is_too_long_is_cut_and_still_one(stream: str, most: int) -> None:
    named = Topic("recordings.{stream}").topic_of(event(stream=stream), bytes_max=most)
    assert 0 < len(named.encode()) <= most
    assert named.startswith("recordings.") or len(named) == most
    assert not named.endswith((".", "%"))


def test_a_topic_names_the_type_in_its_own_words() -> None:
    assert Topic("{source}.{type}").topic_of(event(), bytes_max=99) == "live.recording.file.completed"
    assert Topic("{{{app}}}").topic_of(event(app=None), bytes_max=99) == "{-}"


@given(st.text())
def test_an_address_is_read_or_refused_whatever_it_is(text: str) -> None:
    for url in URLS.values():
        for candidate in (text, f"{url.plain}://{text}"):
            try:
                endpoint = url.endpoint(candidate)
            except ValueError as error:
                assert not text.strip() or len(text) < 8 or text not in str(error)  # noqa: PT017
            else:
                assert endpoint.host
                assert 0 < endpoint.port < 65536


def test_what_stands_for_a_secret_url_is_a_url() -> None:
    for url in URLS.values():
        assert [url.endpoint(stand_in).secure for stand_in in url.stand_ins] == [True]


def test_no_library_is_loaded_before_a_broker_is_configured_and_opened() -> None:
    code = (
        "import sys, gateway\n"
        "from gateway.plugin.registry import Registry\n"
        f"kinds = [Registry().sink(kind) for kind in {sorted(BROKERS)}]\n"
        "assert len(kinds) > 1\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}"
        " & {'redis', 'nats', 'aio_pika', 'aiormq', 'aiomqtt', 'paho', 'aiokafka'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
