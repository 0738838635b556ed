"""Whatever is sent, nothing is taken that its vendor did not sign, nothing is answered 5xx, and the log shows no exception."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import standardwebhooks

from gateway import Trust
from gateway.text.signing_key import SigningKey
from plugins.sources.common import keyed, timed_header
from plugins.sources.mux import Mux
from plugins.vendors.huawei_live import signature
from tests.fuzz import vendors_side
from tests.fuzz.campaign import BATCH, Report, campaign
from tests.fuzz.configured import AGED, BEGUN_KEY, COMING_KEY, ED25519, ENDED_KEY, PUBLIC_KEYS, vendor_of
from tests.fuzz.mutants import SOURCES, bodies
from tests.fuzz.oracle import JUDGES, covered
from tests.fuzz.vendors_side import AT, Ledger, hexed, sign
from tests.sources.vendors import NEEDED, WHSEC

EVERYDAY_INPUTS = 1540  # of each vendor, 20,000 in all: 11 s of CPU on a small server
VENDORS = tuple(dict.fromkeys(map(vendor_of, SOURCES)))
PLANTED_INPUTS = 300


def numbers(vendor: str, inputs: int) -> Iterator[Sequence[int]]:
    """The numbers of the first mutants of this vendor's sources, in batches."""
    places = [place for place, source in enumerate(SOURCES) if vendor_of(source) == vendor]
    every = [turn * len(SOURCES) + place for turn in range(inputs) for place in places][:inputs]
    return (every[start : start + BATCH] for start in range(0, inputs, BATCH))


async def tried(vendor: str, inputs: int) -> Report:
    async with campaign() as one:
        for batch in numbers(vendor, inputs):
            await one.send(0, batch)
    return one.report


@pytest.mark.wide
@pytest.mark.parametrize("vendor", VENDORS)
async def test_no_mutant_is_taken_unsigned_answered_5xx_or_logged_as_an_exception(vendor: str) -> None:
    report = await tried(vendor, EVERYDAY_INPUTS)
    assert report.findings == []
    assert report.inputs == EVERYDAY_INPUTS
    assert report.accepted > EVERYDAY_INPUTS // 10  # or what is tried is only how to be refused


def _crash(self: Any, callback: Any, verified: Any) -> Any:
    raise OverflowError("date value out of range")


FAULTS: dict[str, tuple[str, Any, str, Any, str]] = {
    "any signature fits": ("mux", keyed, "position", lambda presented, expected: 0, "taken, though"),
    "no time is too late": ("mux", timed_header, "check_sent", lambda at, received_at, tolerance: 1.0, "taken, though"),
    "moved bytes keep the trust": (
        *("huawei-live", signature, "urls_keep_fields_apart", lambda *fields: True),
        "the trust fields, and the oracle says timestamp",
    ),
    "a key never ends": ("mux", SigningKey, "holds_at", lambda key, at: True, "taken, though"),
    "a source raises": ("mux", Mux, "normalise", _crash, "answered 500"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_planted_fault_is_found(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    vendor, owner, name, broken, words = FAULTS[fault]
    monkeypatch.setattr(owner, name, broken)
    report = await tried(vendor, PLANTED_INPUTS)
    assert any(words in finding for finding in report.findings)


ODD_MUTANTS = (
    (3, 557_309),  # a signature in base64 whose last letter has other bits to spare
    (3, 721_544),  # a form with pairs that are there twice, and are signed once
)


async def test_what_long_campaigns_found_odd_is_judged_well() -> None:
    async with campaign() as one:
        for seed, number in ODD_MUTANTS:
            await one.send(seed, [number])
    assert one.report.findings == []
    assert one.report.accepted == len(ODD_MUTANTS)


# --- the oracle itself


def test_every_vendor_has_a_formula_and_a_judge_of_its_own() -> None:
    lacking = NEEDED.keys() - JUDGES.keys()
    assert lacking == set(), "write how its vendor signs in vendors_side.py, and what that covers in oracle.py"


@pytest.mark.parametrize("source", SOURCES)
def test_the_oracle_knows_what_it_signed_and_nothing_else(source: str) -> None:
    for body in bodies(source):
        ledger = Ledger()
        request = sign(source, body, ledger)
        assert covered(request, ledger) in {Trust.BODY, Trust.FIELDS, Trust.TIMESTAMP}
        for key in ("another-key-another-key-another-00", ENDED_KEY, COMING_KEY):
            assert covered(sign(source, body, ledger, key=key), ledger) is None
        assert (covered(sign(source, body, ledger, key=BEGUN_KEY), ledger) is not None) is source.endswith(AGED)
        if source == ED25519:
            for key in PUBLIC_KEYS.values():
                assert covered(sign(source, body, ledger, key=key), ledger) is None
        if vendor_of(source) not in ("agora", "twilio"):  # which sign no time
            assert covered(sign(source, body, ledger, at=AT - 90_000), ledger) is None
        if covered(request, ledger) is Trust.BODY:
            request.body = request.body.replace(b"1", b"2", 1)
            assert covered(request, ledger) is None


def test_the_oracle_agrees_with_what_vendors_published() -> None:
    notice = b'{"eventType":10,"noticeId":"4eb720f0-8da7-11e9-a43e-53f411c2761f","notifyMs":1560408533119,'
    notice += b'"payload":{"a":"1","b":2},"productId":1}'
    assert hexed("secret", notice) == "de96da5acf03b0021ac3b4fa2225e7ae6f3533a30d50bb02c08ea4fa748bda24"  # Agora's page
    assert (
        vendors_side.md5("learn.aliyundoc.com|1519375990|yourkey")
        == hashlib.md5(b"learn.aliyundoc.com|1519375990|yourkey").hexdigest()
    )  # the text is of Alibaba's page, which prints no result
    sent = dict(sign("standard-webhooks", b"{}", Ledger()).headers)
    library = standardwebhooks.Webhook(WHSEC).sign("msg_1", datetime.fromtimestamp(AT, UTC), "{}")
    assert sent["webhook-signature"] == library
    # Twilio's page: the number of its example, with the token 12345
    form = [("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675310"), ("Digits", "1234"), ("From", "+14158675310")]
    text = vendors_side.twilio_text("https://example.com/myapp.php?foo=1&bar=2", [*form, ("To", "+18005551212")])
    assert base64.b64encode(bytes.fromhex(hexed("12345", text, "sha1"))).decode() == "L/OH5YylLD5NRKLltdqwSvS0BnU="
