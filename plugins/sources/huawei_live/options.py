"""The options of a Huawei Live source, and what is to be said about a choice of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from gateway import ONE_OR_MANY, Duration, Globs, Options, SigningKey, between, secret
from plugins.sources.common.keyed import OF_A_KEY, keys_advice
from plugins.sources.huawei_live.reconcile import HuaweiReconcile
from plugins.vendors.huawei_live.signature import COVERS, FIELDS, NONE, USUAL_SPELLINGS, schemes_of

GLOB: Final = frozenset("*?[")


class HuaweiLiveOptions(Options):
    """What a source of type `huawei-live` can be told."""

    sign_type: Annotated[tuple[str, ...], ONE_OR_MANY] = Field(
        default=("hmac-sha256",),
        description="Which signatures are accepted: `hmac-sha256` (both HMAC formulas), `hmac-sha256-fields`, "
        "`hmac-sha256-timestamp`, `md5` or `none`; one or a list, in any case, hyphens or not.",
        json_schema_extra={"examples": list(USUAL_SPELLINGS)},
    )
    keys: Annotated[tuple[Annotated[SigningKey, secret(min_length=16, advise=32)], ...], ONE_OR_MANY] = Field(
        default=(),
        description="The key of the vendor's console; several while it is being changed. "
        "At least 16 characters, better 32." + OF_A_KEY,
    )
    domains: Globs = Field(
        default=(),
        description="The ingest domains that are accepted, as globs; empty: any. The trust is `fields` only where all of "
        "`domains` and `apps` are exact names.",
    )
    apps: Globs = Field(default=(), description="The application names that are accepted, as `domains`.")
    clock_skew: Annotated[Duration, between("0", "1d")] = Field(
        default=timedelta(), description="How long after its expiry a signature is still accepted."
    )
    max_validity: Annotated[Duration, between("1s")] = Field(
        default=timedelta(hours=24), description="How far in the future a signature's expiry may lie."
    )
    url_rules: bool = Field(
        default=True,
        description="Whether a callback whose signed fields could be cut elsewhere falls to the trust `timestamp`.",
    )
    stream_events: bool = Field(
        default=False,
        description="Whether the vendor's stream-push callbacks at this address become `stream.started` and "
        "`stream.ended`. Left out, they are verified and ignored.",
    )
    reconcile: HuaweiReconcile | None = Field(
        default=None,
        description="Whose API says which recordings there are, for those whose callback never came, and how the vendor is "
        "to call back.",
    )
    max_bodies_per_signature: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="How many different callbacks may share one signature that names no finished file; one more is "
        "quarantined. 0: any number. Left out: those past 32 are quarantined under the trust `fields`, and delivered after "
        "everything else under `timestamp`.",
    )

    @field_validator("sign_type", mode="after")
    @classmethod
    def _schemes(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        named: set[str] = set()
        for word in words:
            try:
                named.update(schemes_of(word))
            except ValueError:
                known = f"one of {', '.join(USUAL_SPELLINGS)}"
                raise PydanticCustomError("sign_type", known) from None
        if not named:
            raise PydanticCustomError("sign_type", "at least one sign_type, such as `hmac-sha256`")
        if NONE in named and len(named) > 1:
            raise PydanticCustomError(
                "sign_type", "`none` alone, or signatures alone: beside `none` every unsigned callback would pass"
            )
        return tuple(scheme for scheme in COVERS if scheme in named)

    @field_validator("keys", mode="after")
    @classmethod
    def _as_signed(cls, keys: tuple[SigningKey, ...], info: ValidationInfo) -> tuple[SigningKey, ...]:
        schemes = info.data.get("sign_type")
        if schemes == (NONE,) and keys:
            raise PydanticCustomError(
                "keys", "no keys beside `sign_type: none`, which verifies nothing: take out the one or the other"
            )
        if schemes is not None and schemes != (NONE,) and not keys:
            raise PydanticCustomError(
                "keys", "at least one key, as in the vendor's console (or `sign_type: none`, which lets anybody in)"
            )
        return keys


def advice(options: HuaweiLiveOptions) -> Iterator[str]:
    """Warnings about choices that let more through than people expect. Weak keys are told by their own type."""
    if options.sign_type == (NONE,):
        yield "sign_type: none lets anybody who knows the address make recordings up; set a key in the vendor's console"
        return
    yield from keys_advice(options.keys)
    if FIELDS not in options.sign_type:
        yield (
            f"sign_type: {', '.join(options.sign_type)} covers only an expiry: whoever holds one callback can send any "
            "other until then; choose HMACSHA256 in the vendor's console and sign_type: hmac-sha256-fields here"
        )
        return
    if len(options.sign_type) > 1:
        weaker = ", ".join(options.sign_type[1:])
        yield (
            f"sign_type also accepts {weaker}, which covers only an expiry; once the vendor's callbacks come with "
            "trust fields, set sign_type: hmac-sha256-fields"
        )
    if not options.url_rules:
        yield "url_rules: false lets the holder of a callback move bytes between its signed fields"
    yield from _splits(options)
    yield from _no_hosts(options)


def _no_hosts(options: HuaweiLiveOptions) -> Iterator[str]:
    """The vendor names a domain by its host's name, and names are compared whole."""
    for number, domain in enumerate(options.domains):
        if domain != domain.lower() or not all(letter.isalnum() or letter in _HOST_GLOB for letter in domain):
            yield (
                f"domains[{number}] fits no domain as the vendor names it: small letters, digits, - and dots, without scheme, "
                "port, path or blanks; its callbacks would be refused"
            )


def _splits(options: HuaweiLiveOptions) -> Iterator[str]:
    """The signed fields are joined with nothing between them; only exact names leave one way to cut them."""
    if openings := open_names(options):
        yield f"{openings}, so {_WHY}; {what_to_list(options, 'push.example.com', 'live')}"
    elif clash := _clash(options.domains, options.apps):
        yield (
            f"domains and apps allow {clash[0]} and {clash[1]}, of which one begins like the other when they are joined, "
            f"so {_WHY}; rename an app, or use two sources"
        )


_HOST_GLOB: Final = frozenset("-._*?[]!")
_WHY: Final = (
    "the holder of a callback can move bytes between its signed fields, and the trust of these callbacks is no more than "
    "`timestamp`"
)


def open_names(options: HuaweiLiveOptions) -> str:
    """Which of `domains` and `apps` leave the cut of the signed text open, in words; empty: neither."""
    return " and ".join(_open(options).values())


def what_to_list(options: HuaweiLiveOptions, domain: str, app: str) -> str:
    """The lines to add, as they stand in the file, with these names in them."""
    names = {"domains": domain, "apps": app}
    lines = (f"`{name}: {json.dumps([names[name]], ensure_ascii=False)}`" for name in _open(options))
    return f"list the exact names, such as {', '.join(lines)}"


def _open(options: HuaweiLiveOptions) -> dict[str, str]:
    reasons = {}
    for name, allowed in (("domains", options.domains), ("apps", options.apps)):
        globs = [text for text in allowed if GLOB & set(text)]
        if globs:
            reasons[name] = f"{name} holds the glob {globs[0]!r}"
        elif not allowed:
            reasons[name] = f"{name} is empty"
    return reasons


def exact_names(options: HuaweiLiveOptions) -> Sequence[str] | None:
    """Each allowed pair of domain and app, joined as the signature joins them; None where other names pass as well."""
    if open_names(options):
        return None
    return tuple(domain + app for domain in sorted(set(options.domains)) for app in sorted(set(options.apps)))


def _clash(domains: Sequence[str], apps: Sequence[str]) -> tuple[str, str] | None:
    """Two allowed pairs of domain and app that the joined text cannot tell apart, as `domain/app`."""
    pairs = sorted((domain + app, f"{domain}/{app}") for domain in set(domains) for app in set(apps))
    for (shorter, one), (longer, other) in itertools.pairwise(pairs):  # sorted: a prefix stands just before
        if longer.startswith(shorter):
            return one, other
    return None


def example_of(globs: Sequence[str], usual: str, matches: Callable[[str], bool]) -> str:
    """A name that these globs allow: the usual one where it may be, else the first, with something in its gaps."""
    if not globs or matches(usual):
        return usual
    name = "".join({"*": "live", "?": "x"}.get(letter, letter) for letter in globs[0])
    return name if matches(name) else usual
