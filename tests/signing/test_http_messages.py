"""RFC 9421: the RFC's own vectors fit, what is changed fits no more, and nothing in a request chooses how it is checked."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.signing.http_messages import Signed, label_problem, sign_message, verify_message
from gateway.signing.message_components import SignedRequest, signature_base
from gateway.signing.message_keys import message_signer, message_verifier
from gateway.signing.shared_keys import InvalidSignature
from gateway.signing.structured_fields import InnerList, parse_dictionary

# RFC 9421, appendix B.1: its keys
SHARED = "whsec_uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
ED25519_PRIVATE = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----"""
ED25519_PUBLIC = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----"""
ECDSA_PRIVATE = """-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIFKbhfNZfpDsW43+0+JjUr9K+bTeuxopu653+hBaXGA7oAoGCCqGSM49
AwEHoUQDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM
4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
-----END EC PRIVATE KEY-----"""
ECDSA_PUBLIC = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf
w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
-----END PUBLIC KEY-----"""
PAIRS = {
    "hmac-sha256": (SHARED, SHARED),
    "ed25519": (ED25519_PRIVATE, ED25519_PUBLIC),
    "ecdsa-p256-sha256": (ECDSA_PRIVATE, ECDSA_PUBLIC),
}
# B.2: its request
BODY = b'{"hello": "world"}'
DIGEST = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
HEADERS = (
    ("Host", "example.com"),
    ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
    ("Content-Type", "application/json"),
    ("Content-Digest", DIGEST),
    ("Content-Length", "18"),
)
URL = "https://example.com/foo?param=Value&Pet=dog"
AT = 1618884473


def request(
    *more: tuple[str, str], headers: Sequence[tuple[str, str]] = HEADERS, url: str | None = URL
) -> SignedRequest:
    return SignedRequest("POST", url, [*headers, *more])


def check(signed: SignedRequest, key: str, body: bytes = BODY, **options: Any) -> Signed:
    usual: dict[str, Any] = {"required": (), "tolerance": 300, "now": AT + 10}
    return verify_message(signed, body, [message_verifier(key)], **usual | options)


VECTORS = {
    "B.2.5": (
        SHARED,
        'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
        "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
    ),
    "B.2.6": (
        ED25519_PUBLIC,
        'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"',
        "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_the_rfcs_signatures_of_requests_fit(name: str) -> None:
    key, covers, signature = VECTORS[name]
    found = check(request(("Signature-Input", covers), ("Signature", signature)), key)
    assert (found.created, found.covers_body) == (AT, False)
    with pytest.raises(InvalidSignature, match="covers by any"):
        check(request(("Signature-Input", covers.replace("1618884473", "1618884474")), ("Signature", signature)), key)


def test_the_rfcs_signature_on_p256_fits_its_base() -> None:
    """B.2.4 is of a response, which nothing here signs; its text is the RFC's."""
    base = (
        b'"@status": 200\n"content-type": application/json\n"content-digest": sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvl'
        b'CFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:\n"content-length": 23\n"@signature-params": ("@status" '
        b'"content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256"'
    )
    signature = base64.b64decode(
        "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw=="
    )
    key = message_verifier(ECDSA_PUBLIC)
    assert key.fits(signature, base)
    assert not key.fits(signature, base + b" ")
    assert not key.fits(signature[:-1], base)
    assert message_verifier(ECDSA_PUBLIC).fits(message_signer(ECDSA_PRIVATE).sign(base), base)


def test_the_rfcs_examples_of_components_come_out() -> None:
    """RFC 9421, 2.2, and 2.1: lines are joined, blanks around them go."""
    covered = parse_dictionary(
        'a=("@method" "@target-uri" "@authority" "@scheme" "@request-target" "@path" "@query" "x-a" "x-empty");created=5'
    )["a"]
    assert isinstance(covered, InnerList)
    signed = SignedRequest(
        "POST",
        "https://WWW.Example.com:443/path?param=value",
        [("X-A", "  one "), ("x-empty", ""), ("x-a", "two, three")],
    )
    assert signature_base(signed, covered).decode().splitlines()[:-1] == [
        '"@method": POST',
        '"@target-uri": https://WWW.Example.com:443/path?param=value',
        '"@authority": www.example.com',
        '"@scheme": https',
        '"@request-target": /path?param=value',
        '"@path": /path',
        '"@query": ?param=value',
        '"x-a": one, two, three',
        '"x-empty": ',
    ]


ALL = ("@method", "@authority", "@path", "@query", "content-type", "content-digest", "date")


@pytest.mark.parametrize("algorithm", PAIRS)
def test_what_is_signed_fits_and_nothing_changed_does(algorithm: str) -> None:
    private, public = PAIRS[algorithm]
    added = sign_message(request(), message_signer(private), ALL, created=AT, expires=AT + 60, keyid="k")
    signed = request(*added.items())
    found = check(signed, public, required=ALL)
    assert (found.components, found.covers_body, found.keyid, found.expires) == (ALL, True, "k", AT + 60)
    changed = [
        signed._replace(method="PUT"),
        signed._replace(url=URL.replace("foo", "fop")),
        signed._replace(url=URL.replace("dog", "cat")),
        signed._replace(url=URL.replace("example.com", "example.org")),
        *(
            signed._replace(headers=[(n, v + "x" if n == name else v) for n, v in signed.headers])
            for name in ("Date", "Content-Type", "Content-Digest", "signature-input")
        ),
        signed._replace(headers=[*signed.headers, ("Date", "x")]),
        signed._replace(headers=[(n, v) for n, v in signed.headers if n != "Date"]),
    ]
    for other in changed:
        with pytest.raises(InvalidSignature) as refused:
            check(other, public)
        assert refused.value.code == "mismatch"
    with pytest.raises(InvalidSignature, match="content-digest is not the digest"):
        check(signed, public, BODY + b" ")
    for name, (_, other_public) in PAIRS.items():
        if name != algorithm:
            with pytest.raises(InvalidSignature, match="by any of these keys"):
                check(signed, other_public)


def resigned(params: str, key: str = SHARED, covered: str = '"@method"') -> SignedRequest:
    """Signed by hand over what only a sender could have written."""
    text = f"sig1=({covered}){params}"
    member = parse_dictionary(text)["sig1"]
    assert isinstance(member, InnerList)
    signature = base64.b64encode(message_signer(key).sign(signature_base(request(), member))).decode()
    return request(("Signature-Input", text), ("Signature", f"sig1=:{signature}:"))


@pytest.mark.parametrize("alg", ["ed25519", "none", "rsa-pss-sha512", "HMAC-SHA256", ""])
def test_an_algorithm_that_a_request_names_may_agree_and_never_choose(alg: str) -> None:
    assert check(resigned(f';created={AT};alg="hmac-sha256"'), SHARED)
    with pytest.raises(InvalidSignature) as refused:
        check(resigned(f';created={AT};alg="{alg}"'), SHARED)
    assert refused.value.code == "mismatch"


def test_a_public_key_is_never_taken_for_a_shared_secret() -> None:
    """Whoever knows the public key could else sign with it as an HMAC."""
    member = parse_dictionary(f'sig1=("@method");created={AT};alg="hmac-sha256";keyid="k"')["sig1"]
    assert isinstance(member, InnerList)
    import hashlib
    import hmac

    made = hmac.digest(ED25519_PUBLIC.encode(), signature_base(request(), member), hashlib.sha256)
    forged = request(
        ("Signature-Input", f'sig1=("@method");created={AT};alg="hmac-sha256";keyid="k"'),
        ("Signature", f"sig1=:{base64.b64encode(made).decode()}:"),
    )
    with pytest.raises(InvalidSignature, match="by any of these keys"):
        check(forged, ED25519_PUBLIC)


@pytest.mark.parametrize(
    ("params", "code", "words"),
    [
        ("", "stale", "created"),
        (f";created={AT - 291}", "stale", "created"),
        (f";created={AT + 311}", "stale", "created"),
        (f";created={AT};expires={AT + 9}", "stale", "past its end"),
        (f';created="{AT}"', "mismatch", "whole number"),
        (f";created={AT}.5", "mismatch", "whole number"),
        (";created", "mismatch", "whole number"),
        (f";created={AT};expires=?1", "mismatch", "whole number"),
        (f";created={AT};alg=hmac-sha256", "mismatch", "no text"),
        (f";created={AT};keyid=5", "mismatch", "no text"),
    ],
)
def test_a_signature_without_a_time_or_of_another_time_is_refused(params: str, code: str, words: str) -> None:
    with pytest.raises(InvalidSignature, match=words) as refused:
        check(resigned(params), SHARED)
    assert refused.value.code == code
    for edge in (f";created={AT - 290}", f";created={AT + 310}", f";created={AT};expires={AT + 10}"):
        assert check(resigned(edge), SHARED)


@pytest.mark.parametrize(
    ("headers", "code", "words"),
    [
        ([], "missing", "signature-input is missing"),
        ([("Signature-Input", 'a=("@method");created=5')], "missing", "signature is missing"),
        ([("Signature-Input", 'a=("@method")'), ("Signature", "b=:AA==:")], "missing", "no signature"),
        ([("Signature-Input", "a=("), ("Signature", "a=:AA==:")], "mismatch", "cannot be read"),
        ([("Signature-Input", 'a=("@method")'), ("Signature", "a=:A")], "mismatch", "cannot be read"),
        ([("Signature-Input", 'a="@method"'), ("Signature", "a=:AA==:")], "mismatch", "no list"),
        ([("Signature-Input", 'a=("@method")'), ("Signature", "a=x")], "mismatch", "no list"),
        ([("Signature-Input", 'a=("x-odd")'), ("Signature", "a=:AA==:"), ("X-Odd", "a\x01b")], "mismatch", "holds control characters"),
        ([("Signature-Input", 'a=("@method""@path")'), ("Signature", "a=:AA==:")], "mismatch", "cannot be read"),
        ([("Signature-Input", 'a=("@method");created=1234567890123456'), ("Signature", "a=:AA==:")], "mismatch", "cannot be read"),
        ([("Signature-Input", 'a=("@method" "@method")'), ("Signature", "a=:AA==:")], "mismatch", "twice"),
        ([("Signature-Input", 'a=("@status")'), ("Signature", "a=:AA==:")], "mismatch", "@status"),
        ([("Signature-Input", 'a=("@query-param";name="x")'), ("Signature", "a=:AA==:")], "mismatch", "parameters"),
        ([("Signature-Input", 'a=("x-absent")'), ("Signature", "a=:AA==:")], "mismatch", "not there"),
        ([("Signature-Input", 'a=("signature")'), ("Signature", "a=:AA==:")], "mismatch", "before the signature"),
        ([("Signature-Input", 'a=("Date")'), ("Signature", "a=:AA==:")], "mismatch", "lower case"),
        ([("Signature-Input", "a=(1)"), ("Signature", "a=:AA==:")], "mismatch", "parameters"),
        ([("Signature-Input", f"a=({' '.join(f'{chr(34)}x{n}{chr(34)}' for n in range(33))})"), ("Signature", "a=:AA==:")],
         "mismatch", "more than 32"),
        ([("Signature-Input", "a=(" + '"x" ' * 3000 + ")"), ("Signature", "a=:AA==:")], "mismatch", "4096"),
    ],
    ids=range(19),
)  # fmt: skip
def test_a_signature_that_is_none_is_refused_in_words(headers: Any, code: str, words: str) -> None:
    with pytest.raises(InvalidSignature, match=words) as refused:
        check(request(*headers), SHARED)
    assert refused.value.code == code


def test_one_of_several_signatures_is_enough_unless_a_label_is_asked_for() -> None:
    one = sign_message(request(), message_signer(SHARED), ALL, created=AT, label="proxy")
    other = sign_message(request(), message_signer(ED25519_PRIVATE), ALL, created=AT, label="ours")
    both = request(*one.items(), *other.items())
    assert check(both, ED25519_PUBLIC).label == "ours"
    assert check(both, SHARED).label == "proxy"
    assert check(both, ED25519_PUBLIC, label="ours")
    for label in ("proxy", "none"):
        with pytest.raises(InvalidSignature):
            check(both, ED25519_PUBLIC, label=label)


def test_of_several_signatures_the_one_that_came_nearest_says_what_is_wrong() -> None:
    old = sign_message(request(), message_signer(SHARED), ALL, created=AT - 10_000, label="a")
    wrong = sign_message(request(), message_signer("another-secret-0123456789"), ALL, created=AT, label="b")
    for headers in ([*old.items(), *wrong.items()], [*wrong.items(), *old.items()]):
        with pytest.raises(InvalidSignature) as refused:
            check(request(*headers), SHARED)
        assert refused.value.code == "stale"


@pytest.mark.parametrize(
    ("label", "good"), [("sig1", True), ("ours-2", True), ("Sig", False), ("1sig", False), ("", False), ("a b", False)]
)
def test_a_label_begins_with_a_small_letter(label: str, good: bool) -> None:
    assert (label_problem(label) is None) is good


def test_what_must_be_covered_must_be() -> None:
    with pytest.raises(InvalidSignature, match="does not cover @path, content-digest"):
        check(resigned(f";created={AT}"), SHARED, required=("@method", "@path", "content-digest"))


def test_without_its_url_a_request_says_only_path_and_host() -> None:
    bare = SignedRequest("POST", None, HEADERS, "/hooks/live")
    added = sign_message(
        request(url="http://example.com:80/hooks/live"),
        message_signer(SHARED),
        ("@authority", "@path", "@query"),
        created=AT,
    )
    assert check(bare._replace(headers=[*HEADERS, *added.items()]), SHARED)
    with pytest.raises(ValueError, match="only the URL"):
        sign_message(bare, message_signer(SHARED), ("@target-uri",), created=AT)
