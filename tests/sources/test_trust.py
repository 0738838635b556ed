"""How much a signature says: no byte moves between the joined fields unnoticed, and one file has one content."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import FILE_COMPLETED, RECORDING_UNKNOWN, Trust
from gateway.testing import cases
from plugins.vendors.huawei_live import signature
from tests.examples import examples

TYPE = "RECORD_FILE_COMPLETE"
URLS = "https://o/a", "https://p/b"


def cuts(message: str, parts: int):
    """Every way to cut a text into so many parts."""
    for places in itertools.combinations_with_replacement(range(len(message) + 1), parts - 1):
        yield tuple(message[start:end] for start, end in zip((0, *places), (*places, len(message)), strict=True))


@pytest.mark.parametrize(
    ("stream", "urls"),
    [("str1", URLS), ("", URLS), ("s", ("https://o/a", "")), ("xhttpx", ("http://o/ahttp", "http://p/b"))],
)
def test_with_exact_names_and_url_rules_one_callback_can_be_cut_in_one_way_only(stream, urls) -> None:
    domain, app = "a.example", "live"
    accepted = [
        cut
        for cut in cuts(domain + app + stream + "".join(urls), 5)
        if cut[:2] == (domain, app) and signature.urls_keep_fields_apart(TYPE, *cut[2:])
    ]
    assert accepted == [(domain, app, stream, *urls)]


def test_without_exact_names_or_without_url_rules_there_are_more_ways() -> None:
    """The enumeration above can fail: each of the two rules is needed."""
    message = "a.examplelivestr1" + "".join(URLS)
    exact = [cut for cut in cuts(message, 5) if cut[:2] == ("a.example", "live")]
    ruled = [cut for cut in cuts(message, 5) if signature.urls_keep_fields_apart(TYPE, *cut[2:])]
    globbed = [cut for cut in ruled if cut[0] == "a.example" and cut[1].startswith("live")]
    assert len(exact) > 100
    assert len(ruled) > 100
    assert len(globbed) > 4  # at least one for each place in the stream's name where the app may end


def test_the_type_and_the_timestamp_cannot_be_cut_elsewhere() -> None:
    for event_type in signature.TYPES:
        message = f"1583676745{event_type}"
        ways = [
            (timestamp, type)
            for timestamp, type in cuts(message, 2)
            if signature.expiry_of(timestamp) and type in signature.TYPES
        ]
        assert ways == [("1583676745", event_type)]
    for one, other in itertools.permutations(signature.TYPES, 2):
        assert not one.startswith(other)


NAMES = st.text(st.sampled_from("abhtps:/é"), max_size=8)


@given(stream=NAMES, first=NAMES, second=NAMES)
def test_whatever_the_values_are_two_cuts_never_both_pass_the_url_rules(stream, first, second) -> None:
    message = f"{stream}https://{first}{second}"
    assert sum(signature.urls_keep_fields_apart(TYPE, *cut) for cut in cuts(message, 3)) <= 1


@pytest.mark.parametrize(
    "changes",
    [
        {"download_url": ""},
        {"download_url": "ftp://obs.example.com/a"},
        {"download_url": "HTTPS://obs.example.com/a"},
        {"download_url": "https://obs.example.com/a?u=https://x"},
        {"play_url": "obs.example.com"},
        {"play_url": "xhttps://obs.example.com"},
        {"stream": "a://b"},
        {"stream": "mystreamhttp"},
        {"stream": "mystreamhttps"},
        {"event_type": "RECORD_START"},
        {"event_type": "RECORD_OVER", "download_url": ""},
    ],
    ids=str,
)
def test_a_callback_that_breaks_a_url_rule_is_taken_with_the_trust_of_a_timestamp(live, changes) -> None:
    said = live.signed(**changes)
    verified = live.verify(live.source(), said)
    assert (verified.trust, verified.scheme) == (Trust.TIMESTAMP, "hmac-sha256-fields")
    assert live.event(live.source(), said).trust is Trust.TIMESTAMP
    assert live.verify(live.source(url_rules="off"), said).trust is Trust.FIELDS


@pytest.mark.parametrize("event_type", sorted(signature.TYPES))
def test_the_usual_callbacks_of_every_type_have_the_trust_of_fields(live, event_type) -> None:
    said = live.finished if event_type == TYPE else live.started
    assert live.verify(live.source(), live.signed(said, event_type=event_type)).trust is Trust.FIELDS


@pytest.mark.parametrize("url_rules", [True, False])
@pytest.mark.parametrize("event_type", ["RECORD_SOMETHING", "", "5RECORD_START", "record_start"])
def test_a_type_nobody_knows_has_the_trust_of_a_timestamp_at_most(live, event_type, url_rules) -> None:
    event = live.event(live.source(url_rules=url_rules), live.signed(live.started, event_type=event_type))
    assert (event.type, event.vendor_type, event.trust) == (RECORDING_UNKNOWN, event_type, Trust.TIMESTAMP)


def test_bytes_that_moved_between_app_and_stream_are_refused_by_exact_names(live, refusal) -> None:
    (moved,) = (case for case in cases("sign") if case.id == "S09")
    said = live.signed(app="live", stream="stream1") | moved.value
    assert refusal(lambda: live.verify(live.source(apps=["live"]), said))[0] == "domain_not_allowed"
    assert any("live*" in line for line in live.source(apps=["live*"], domains=["push.example.com"]).advice())


@pytest.mark.parametrize(
    ("options", "trust"),
    [
        ({}, "fields"),
        ({"domains": []}, "timestamp"),
        ({"apps": []}, "timestamp"),
        ({"domains": [], "apps": []}, "timestamp"),
        ({"apps": ["live*"]}, "timestamp"),
        ({"domains": ["push.example.com", "*.example.org"]}, "timestamp"),
        ({"apps": ["live", "other"]}, "fields"),
        ({"apps": ["live", "live2"]}, "fields"),  # `live2` is no prefix of this text
        ({"apps": ["live", "livemy"]}, "timestamp"),  # but `livemy` is: its stream would be `stream`
        ({"domains": ["push.example.com", "push.example.comli"], "apps": ["live", "ve"]}, "timestamp"),
        ({"domains": ["push.example.com", "push.example.co"], "apps": ["live", "mlive"]}, "timestamp"),
        ({"apps": ["live", "live"]}, "fields"),
    ],
    ids=str,
)
def test_trust_is_fields_only_where_the_listed_names_leave_one_way_to_cut_the_text(live, options, trust) -> None:
    source = live.source(**options)
    for said in (live.finished, live.started):
        verified = live.verify(source, live.signed(said))
        assert verified.trust.value == trust
        assert bool(verified.hint) is (trust == "timestamp")
    assert (source.most_trust is Trust.TIMESTAMP) is (source._pairs is None)


def test_what_to_list_is_named_once_by_check_and_at_the_first_callback(live) -> None:
    source = live.source(domains=[], apps=["l*"], sign_type="hmac-sha256-fields")
    (line,) = source.advice()
    for words in ("domains is empty", "apps holds the glob 'l*'", "`timestamp`", "`domains:", "`apps:"):
        assert words in line
    hint = live.verify(source, live.signed()).hint
    assert '`domains: ["push.example.com"]`, `apps: ["live"]` under sources.live' in hint
    assert live.verify(live.source(sign_type="md5"), live.signed(formula="md5")).hint == ""
    (line,) = live.source(apps=[], sign_type="hmac-sha256-fields").advice()
    assert "`domains:" not in line  # which are listed


def test_bytes_moved_between_app_and_stream_are_not_called_fields_with_open_names(live) -> None:
    """What `gateway init` wrote once: any domain and any app."""
    said = live.signed()
    for cut in (
        {"app": "livemy", "stream": "stream"},
        {"app": "l", "stream": "ivemystream"},
        {"publish_domain": "push.example.coml", "app": "ive"},
    ):
        assert live.verify(live.source(domains=[], apps=[]), said | cut).trust is Trust.TIMESTAMP


NAME = st.text("ab", min_size=1, max_size=3)


@examples(60)
@given(
    domains=st.lists(NAME, min_size=1, max_size=3),
    apps=st.lists(NAME, min_size=1, max_size=3),
    stream=NAME,
    url=st.sampled_from(["https://ab", "http://a", "https://http"]),
    finished=st.booleans(),
)
def test_whatever_is_listed_at_most_one_cut_of_a_signed_text_has_the_trust_of_fields(
    live, domains, apps, stream, url, finished
) -> None:
    source = live.source(domains=domains, apps=apps, sign_type="hmac-sha256-fields")
    event_type = TYPE if finished else "RECORD_START"
    urls = (url, "https://b") if finished else ("", "")
    said = live.signed(live.started, event_type=event_type, publish_domain=domains[0], app=apps[0], stream=stream,
                       download_url=urls[0], play_url=urls[1])  # fmt: skip
    text = domains[0] + apps[0] + stream + "".join(urls)
    trusted = []
    for domain, app in {(domain, app) for domain in domains for app in apps if text.startswith(domain + app)}:
        for cut in cuts(text[len(domain + app) :], 3):
            names = dict(zip(("stream", "download_url", "play_url"), cut, strict=True))
            if live.verify(source, said | names | {"publish_domain": domain, "app": app}).trust is Trust.FIELDS:
                trusted.append((domain, app, *cut))
    assert trusted in ([], [(domains[0], apps[0], stream, *urls)])
    if len(set(domains)) == len(set(apps)) == 1 and not stream.endswith(("http", "https")):
        assert trusted


# --- seals


def seal(live, source=None, **changes):
    return live.verify(source or live.source(), live.signed(**changes)).seal


def test_one_signature_has_one_seal_in_either_case_of_its_digits(live) -> None:
    said = live.signed()
    upper = said | {"auth_sign": said["auth_sign"].upper()}
    assert live.verify(live.source(), said).seal == live.verify(live.source(), upper).seal


def test_another_signature_another_time_or_another_formula_has_another_seal(live) -> None:
    source = live.source(sign_type=["md5", "hmac-sha256"], keys=[live.key, live.other_key])
    seals = [
        seal(live, source, **changes).digest
        for changes in (
            {},
            {"expires": live.now_seconds + 601},
            {"stream": "other"},
            {"key": live.other_key},
            {"formula": "timestamp"},
            {"formula": "md5"},
        )
    ]
    assert len(set(seals)) == len(seals)
    assert {len(digest) for digest in seals} == {16}


def test_fields_that_are_not_signed_leave_the_seal_alone(live) -> None:
    assert seal(live) == seal(live, obs_bucket="evil", job_id="another", asset_id="another", file_size=1)


@pytest.mark.parametrize(
    ("changes", "most"),
    [
        ({}, 1),
        ({"play_url": ""}, 1),
        ({"event_type": "RECORD_START", "download_url": "", "play_url": ""}, 32),
        ({"formula": "timestamp"}, 32),
        ({"event_type": TYPE, "download_url": "", "play_url": ""}, 32),
    ],
    ids=str,
)
def test_a_signature_over_a_finished_file_carries_one_content_and_others_what_is_configured(
    live, changes, most
) -> None:
    assert seal(live, live.source(max_bodies_per_signature=32), **changes).most == most
    assert seal(live, live.source(), **changes).most == (1 if most == 1 else None)  # None: what the trust asks for


def test_a_signature_over_a_finished_file_carries_one_content_however_its_fields_are_re_cut(live) -> None:
    """Else the holder of a callback moves bytes until a URL rule breaks, and has a new event of a lower trust."""
    said = live.signed()
    genuine = live.verify(live.source(), said)
    whole = said["stream"] + said["download_url"] + said["play_url"]
    for cut in (
        {"stream": whole, "download_url": "", "play_url": ""},
        {"stream": said["stream"] + "http", "download_url": said["download_url"].removeprefix("http")},
        {"event_type": TYPE + "push", "publish_domain": ".example.com"},
        {"download_url": said["download_url"] + said["play_url"], "play_url": None},
    ):
        verified = live.verify(live.source(max_bodies_per_signature=32, domains=[]), said | cut)
        assert verified.trust is Trust.TIMESTAMP
        assert verified.seal == genuine.seal
        assert verified.seal.most == 1


def test_with_url_rules_off_a_file_by_any_address_is_still_one_file(live) -> None:
    source = live.source(url_rules=False, max_bodies_per_signature=32)
    assert seal(live, source, download_url="obs/a.m3u8", play_url="").most == 1


def test_the_genuine_event_and_a_forged_one_under_its_signature_differ_in_content_only(live) -> None:
    from gateway.events.cloudevents import fingerprint

    source, said = live.source(), live.signed()
    genuine, forged = live.event(source, said), live.event(source, said | {"file_size": 1})
    assert genuine.type == FILE_COMPLETED
    assert genuine.id == forged.id
    assert fingerprint(genuine) != fingerprint(forged)
    again = live.event(source, live.signed(expires=live.now_seconds + 900))
    assert (again.id, fingerprint(again)) == (genuine.id, fingerprint(genuine))
