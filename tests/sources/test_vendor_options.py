"""What sources of each vendor can be told, and what is said of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config.load import load
from gateway.plugin.registry import Registry
from tests.sources.vendors import KEY, NEEDED, OLD_KEY, make

OF_KEYS = sorted(set(NEEDED) - {"huawei-live", "standard-webhooks", "livekit"})


def refused(type: str, **options: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Registry().source(type).Options.model_validate({**NEEDED[type], **options})
    return json.dumps(caught.value.errors(include_input=False, include_url=False), default=str)


@pytest.mark.parametrize("type", OF_KEYS)
@pytest.mark.parametrize("keys", [[], [""], "", " ", "short", None, 5, [KEY, "short"]])
def test_a_key_that_protects_nothing_is_refused(type: str, keys: Any) -> None:
    said = refused(type, keys=keys)
    assert "keys" in said
    assert KEY not in said


@pytest.mark.parametrize("keys", [{}, {"": KEY}, {"API": ""}, {"API": "short"}, [KEY], KEY])
def test_livekit_wants_a_secret_for_each_of_its_keys(keys: Any) -> None:
    assert "keys" in refused("livekit", keys=keys)


@pytest.mark.parametrize("hosts", [[], "", "https://hooks.example.com", "a/b", "a|b", " a", ["a", ""]])
def test_alibaba_wants_a_host_and_no_address(hosts: Any) -> None:
    assert "a host name without scheme and path" in refused("alibaba-live", callback_hosts=hosts)


@pytest.mark.parametrize("url", ["hooks.example.com", "ftp://x", "https://", "https://user:pass@x/", ""])
def test_twilio_wants_the_whole_address(url: str) -> None:
    assert "url" in refused("twilio", url=url)


@pytest.mark.parametrize(
    ("type", "option", "values"),
    [
        ("tencent-css", "clock_skew", ["2d", "-1s"]),
        ("volcengine-live", "max_validity", ["0", "x"]),
        ("alibaba-live", "tolerance", ["0", "2d"]),
        ("mux", "tolerance", ["0"]),
        ("livekit", "clock_skew", ["2h"]),
        ("agora", "sign_type", ["md5", "none"]),
        ("tencent-css", "max_bodies_per_signature", [-1]),
        ("zoom", "sign_type", ["hmac-sha256"]),
    ],
)
def test_what_is_out_of_bounds_is_refused(type: str, option: str, values: list[Any]) -> None:
    for value in values:
        assert option in refused(type, **{option: value})


def test_the_same_key_twice_and_white_space_around_one_are_said() -> None:
    for type in OF_KEYS:
        said = " ".join(make(type, keys=[KEY, KEY, OLD_KEY + " "]).advice())
        assert "keys[1] is the same as keys[0]" in said
        assert "keys[2] begins or ends with white space" in said
    assert "the same as" in " ".join(make("livekit", keys={"a": KEY, "b": KEY}).advice())


@pytest.mark.parametrize("type", sorted(set(NEEDED) - {"huawei-live"}))
def test_only_a_signature_of_a_mere_time_is_warned_about(type: str) -> None:
    weak = type in {"tencent-css", "alibaba-live", "volcengine-live"}
    assert bool(make(type).advice()) is weak


def test_sources_with_trust_timestamp_are_taken_by_default_and_refused_by_min_trust(tmp_path: Any) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps({"sources": {"live": {"type": "tencent-css", "keys": KEY}}}))
    path.chmod(0o600)
    assert load(path, environ={}).settings.sources["live"].min_trust == "timestamp"


@pytest.mark.parametrize("most", [0, 3])
def test_many_contents_under_one_signature_can_be_bounded(most: int) -> None:
    from gateway import Scene
    from gateway.testing import NOW, callback

    for type in ("tencent-css", "alibaba-live", "volcengine-live"):
        source = make(type, max_bodies_per_signature=most)
        seals = [
            source.verify(callback(source.play(Scene(type=source.scenes[0], number=n, now=NOW)))).seal for n in (1, 2)
        ]
        assert seals[0] == seals[1]
        assert seals[0] is not None
        assert (seals[0].most, len(seals[0].digest)) == (most, 16)
