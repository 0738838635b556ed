"""HTTP Message Signatures (RFC 9421) over requests, with Content-Digest (RFC 9530): made here for what is forwarded, checked
here by those who receive it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from gateway.signing.content_digest import CONTENT_DIGEST, digest_fits
from gateway.signing.message_components import (
    SIGNATURE,
    SIGNATURE_INPUT,
    SignedRequest,
    component_value,
    signature_base,
)
from gateway.signing.message_keys import MessageSigner, MessageVerifier
from gateway.signing.shared_keys import InvalidSignature
from gateway.signing.structured_fields import Bare, FieldItem, InnerList, parse_dictionary, written_dictionary

DEFAULT_LABEL: Final = "sig1"
HEADERS_BYTES_MAX: Final = 4096  # of Signature and Signature-Input each, all their lines together
LABELS_MAX: Final = 4  # signatures of one request that are looked at, because a stranger's cost as much as a sender's
COMPONENTS_MAX: Final = 32  # covered by one signature
_LABEL: Final = re.compile(r"[a-z*][a-z0-9_.*-]{0,63}", re.ASCII)


class Signed(NamedTuple):
    """What a signature that fits says."""

    label: str
    key: int  # which of the keys it was
    components: tuple[str, ...]
    base: bytes  # what was signed
    created: int | None  # seconds since 1970
    expires: int | None
    keyid: str | None
    nonce: str | None

    @property
    def covers_body(self) -> bool:
        """Whether the body is signed, by its digest."""
        return CONTENT_DIGEST in self.components


def sign_message(
    request: SignedRequest,
    key: MessageSigner,
    components: Sequence[str],
    *,
    created: int,
    expires: int | None = None,
    keyid: str | None = None,
    label: str = DEFAULT_LABEL,
) -> dict[str, str]:
    """The headers `signature-input` and `signature` to add. Raises ValueError for a component that the request lacks."""
    params: dict[str, Bare] = {"created": created}
    if expires is not None:
        params["expires"] = expires
    if keyid is not None:
        params["keyid"] = keyid
    params["alg"] = key.algorithm
    covered = InnerList([FieldItem(name) for name in components], params)
    signature = key.sign(signature_base(request, covered))
    return {
        SIGNATURE_INPUT: written_dictionary({label: covered}),
        SIGNATURE: written_dictionary({label: FieldItem(signature)}),
    }


def verify_message(
    request: SignedRequest,
    body: bytes,
    keys: Sequence[MessageVerifier],
    *,
    required: Sequence[str],
    tolerance: float,
    now: float | datetime,
    label: str | None = None,
) -> Signed:
    """What a signature that fits one of the keys says; the body is then what was signed, where its digest is covered.

    Which key and algorithm counts is the receiver's alone: `alg` may only agree, and `keyid` decides nothing. `required`
    are the components that must be covered; `tolerance` is seconds around `created`, which must be there. `label` names the
    one signature that counts; None: any. Raises InvalidSignature with `missing`, `stale` or `mismatch`.
    """
    inputs, signatures = _members(request, SIGNATURE_INPUT), _members(request, SIGNATURE)
    labels = [name for name in inputs if name in signatures and label in {None, name}][:LABELS_MAX]
    failure = InvalidSignature("missing", f"no signature {label or ''} is there with its input".replace("  ", " "))
    order = ("missing", "mismatch", "stale")  # the nearer a signature comes, the more it says
    for name in labels:
        try:
            return _verified(request, body, keys, name, inputs[name], signatures[name], required, tolerance, now)
        except InvalidSignature as error:
            if order.index(error.code) >= order.index(failure.code):
                failure = error
    raise failure


def _verified(
    request: SignedRequest,
    body: bytes,
    keys: Sequence[MessageVerifier],
    label: str,
    covered: FieldItem | InnerList,
    signature: FieldItem | InnerList,
    required: Sequence[str],
    tolerance: float,
    now: float | datetime,
) -> Signed:
    if (
        not isinstance(covered, InnerList)
        or not isinstance(signature, FieldItem)
        or not isinstance(signature.value, bytes)
    ):
        raise InvalidSignature("mismatch", f"{label} is no list of components with a signature in base64")
    if len(covered.items) > COMPONENTS_MAX:
        raise InvalidSignature("mismatch", f"{label} covers more than {COMPONENTS_MAX} components")
    try:
        base = signature_base(request, covered)
    except ValueError as error:
        raise InvalidSignature("mismatch", f"{label}: {error}") from None
    params = covered.params
    created, expires = _seconds(params, "created"), _seconds(params, "expires")
    alg, keyid, nonce = (_text_param(params, name) for name in ("alg", "keyid", "nonce"))
    fitting = [
        number
        for number, key in enumerate(keys)  # all of them, so that the time says nothing about which one fitted
        if key.fits(signature.value, base) and alg in {None, key.algorithm}
    ]
    if not fitting:
        raise InvalidSignature("mismatch", f"{label} is no signature of what it covers by any of these keys")
    components = tuple(str(item.value) for item in covered.items)
    if lacking := [name for name in required if name not in components]:
        raise InvalidSignature("mismatch", f"{label} does not cover {', '.join(lacking)}")
    _check_times(label, created, expires, tolerance, now.timestamp() if isinstance(now, datetime) else now)
    if CONTENT_DIGEST in components and not digest_fits(component_value(request, CONTENT_DIGEST), body):
        raise InvalidSignature(
            "mismatch", "the header content-digest is not the digest of this body (sha-256 or sha-512)"
        )
    return Signed(label, fitting[0], components, base, created, expires, keyid, nonce)


def _check_times(label: str, created: int | None, expires: int | None, tolerance: float, at: float) -> None:
    if created is None:
        raise InvalidSignature("stale", f"{label} does not say when it was made (created)")
    if abs(at - created) > tolerance:
        raise InvalidSignature("stale", f"{label} was made more than {tolerance:g} s away from this clock (created)")
    if expires is not None and at > expires:
        raise InvalidSignature("stale", f"{label} is past its end (expires)")


def _members(request: SignedRequest, name: str) -> Mapping[str, FieldItem | InnerList]:
    lines = [value for key, value in request.headers if key.lower() == name]
    text = ", ".join(lines)
    if not lines:
        raise InvalidSignature("missing", f"the header {name} is missing")
    if len(text) > HEADERS_BYTES_MAX:
        raise InvalidSignature("mismatch", f"the header {name} is longer than {HEADERS_BYTES_MAX} bytes")
    try:
        return parse_dictionary(text, unique=True)  # because of two under one label nobody can say which one counts
    except ValueError as error:
        raise InvalidSignature("mismatch", f"the header {name} cannot be read: {error}") from None


def _seconds(params: Mapping[str, Bare], name: str) -> int | None:
    value = params.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise InvalidSignature("mismatch", f"the parameter {name} is no whole number of seconds")


def _text_param(params: Mapping[str, Bare], name: str) -> str | None:
    value = params.get(name)
    if value is None or type(value) is str:
        return value
    raise InvalidSignature("mismatch", f"the parameter {name} is no text")


def label_problem(label: str) -> str | None:
    """What is wrong with a label; None: it can be used."""
    return None if _LABEL.fullmatch(label) else "a label in lower case, beginning with a letter"
