"""`gateway refused` beside a real store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.admin.refusal_meanings import REFUSAL_MEANINGS
from gateway.store.records import Refusal
from gateway.store.store import Store
from tests.cli.conftest import CONFIG, KEY, Cli
from tests.cli.stocked import a_refusal, stock

FIELDS = ["code", "detail", "id", "method", "path", "peer", "received_at", "size_bytes", "source"]
OLD_KEY = "demo-ffffffffffffffffffffffffffffffff"


def _refuse(folder: Path, refusals: Sequence[Refusal]) -> list[int]:
    async def work(store: Store) -> None:
        for refusal in refusals:
            store.keep_refusal(refusal)

    stock(folder, work)
    found = json.loads(Cli()("refused", "list", "--json").stdout)
    return [one["id"] for one in found][::-1]


def _signed_with(key: str, folder: Path, cli: Cli, *arguments: str) -> bytes:
    path = folder / "other.yaml"
    path.write_text(CONFIG.replace(KEY, key))
    return cli("-c", "other.yaml", "send", "--print", "--type", "RECORD_FAILED", *arguments).stdout.strip().encode()


@pytest.fixture
def refused(configured: Path, cli: Cli) -> list[int]:
    """Ids of: one signed with another key, one that is no JSON, one of a source that is gone, one that was too long."""
    now = datetime.now(UTC)
    body = _signed_with(OLD_KEY, configured, cli, "--field", "stream=vip-1")
    return _refuse(
        configured,
        [
            a_refusal(body, received_at=now),
            a_refusal(b'{"auth_sign": "canary', code="malformed_body", received_at=now + timedelta(seconds=1)),
            a_refusal(body, source="gone", received_at=now + timedelta(seconds=2)),
            Refusal(
                source="live",
                code="signature_mismatch",
                detail="no",
                received_at=round(now.timestamp() * 1000) + 3000,
                method="POST",
                path="/hooks/live",
                headers=(),
                body=b"",
                size=70_000,
                peer=None,
            ),
        ],
    )


def test_refused_callbacks_have_the_documented_fields(refused: list[int], cli: Cli) -> None:
    found = json.loads(cli("refused", "list", "--json").stdout)
    assert all(sorted(one) == FIELDS for one in found)
    assert [one["id"] for one in found] == refused[::-1]
    assert [one["code"] for one in json.loads(cli("refused", "list", "--json", "--source", "gone").stdout)] == [
        "signature_mismatch"
    ]
    assert "signature_mismatch" in cli("refused", "list").stdout


def test_one_is_explained_without_its_signature(refused: list[int], cli: Cli, configured: Path) -> None:
    sign = json.loads(_signed_with(OLD_KEY, configured, cli))["auth_sign"]
    for arguments in (["refused", "show", str(refused[0])], ["refused", "show", str(refused[0]), "--json"]):
        said = cli(*arguments).stdout
        assert sign not in said
        assert "canary-signature" not in said
        assert "********" in said
        assert "vip-1" in said
    said = cli("refused", "show", str(refused[0])).stdout
    assert REFUSAL_MEANINGS["signature_mismatch"] in said
    assert "203.0.113.7" in said
    assert "POST /hooks/live" in said
    assert f"gateway refused retry {refused[0]}" in said
    assert "canary" not in cli("refused", "show", str(refused[1])).stdout
    assert "70000 bytes" in cli("refused", "show", str(refused[3])).stdout
    assert json.loads(cli("refused", "show", str(refused[3]), "--json").stdout)["body"] is None
    cli("refused", "show", "4711", code=1)


def test_with_the_same_keys_it_is_refused_again(refused: list[int], cli: Cli) -> None:
    result = cli("refused", "retry", str(refused[0]), code=1)
    assert "still refused: signature_mismatch" in result.stderr
    assert len(json.loads(cli("refused", "list", "--json").stdout)) == 4


def test_with_a_mended_key_it_is_taken_and_goes_where_it_should(refused: list[int], cli: Cli, configured: Path) -> None:
    (configured / "gateway.yaml").write_text(CONFIG.replace(f"[{KEY}]", f"[{KEY}, {OLD_KEY}]"))
    result = cli("refused", "retry", str(refused[0]))
    assert "taken as" in result.stdout
    [event] = json.loads(cli("events", "list", "--json").stdout)
    assert event["id"] in result.stdout
    assert event["subject"].endswith("/vip-1")
    shown = json.loads(cli("events", "show", event["id"], "--json").stdout)
    assert shown["event"]["data"]["verified"]["key"] == 1
    assert sorted(one["sink"] for one in shown["deliveries"]) == ["lines", "screen"]
    assert refused[0] not in [one["id"] for one in json.loads(cli("refused", "list", "--json").stdout)]
    assert "failures: matched" in cli("events", "show", event["id"], "--why").stdout


def test_all_of_a_source_are_retried_and_each_says_what_became_of_it(
    refused: list[int], cli: Cli, configured: Path
) -> None:
    (configured / "gateway.yaml").write_text(CONFIG.replace(f"[{KEY}]", f"[{KEY}, {OLD_KEY}]"))
    result = cli("refused", "retry", "--source", "live", code=1)
    assert result.stdout.startswith(f"{refused[0]}: taken as")
    assert f"{refused[1]}: still refused: malformed_body" in result.stderr
    assert f"error: {refused[3]}: its body of 70000 bytes" in result.stderr
    assert "not configured" in cli("refused", "retry", str(refused[2]), code=1).stderr


def test_it_is_verified_as_of_the_time_it_came(configured: Path, cli: Cli) -> None:
    body = _signed_with(KEY, configured, cli, "--expired")
    now = datetime.now(UTC)
    late, in_time = _refuse(
        configured,
        [
            a_refusal(body, code="signature_expired", received_at=now),
            a_refusal(body, code="signature_expired", received_at=now - timedelta(hours=12)),
        ],
    )
    assert "signature_expired" in cli("refused", "retry", str(late), code=1).stderr
    assert "taken as" in cli("refused", "retry", str(in_time)).stdout


def test_too_little_trust_is_still_refused(configured: Path, cli: Cli) -> None:
    body = _signed_with(KEY, configured, cli, "--sign-type", "hmac-sha256-timestamp")
    [id] = _refuse(configured, [a_refusal(body, code="trust_too_low", received_at=datetime.now(UTC))])
    (configured / "gateway.yaml").write_text(
        CONFIG.replace("    apps: [live]", "    apps: [live]\n    min_trust: fields")
    )
    assert "trust_too_low" in cli("refused", "retry", str(id), code=1).stderr
    (configured / "gateway.yaml").write_text(CONFIG)
    assert "taken as" in cli("refused", "retry", str(id)).stdout


def test_a_repeat_is_known_already(configured: Path, cli: Cli) -> None:
    body = _signed_with(KEY, configured, cli)
    now = datetime.now(UTC)
    first, second = _refuse(configured, [a_refusal(body, received_at=now), a_refusal(body, received_at=now)])
    assert "taken as" in cli("refused", "retry", str(first)).stdout
    assert "known already as" in cli("refused", "retry", str(second)).stdout


def test_which_ones_must_be_said_one_way(refused: list[int], cli: Cli) -> None:
    cli("refused", "retry", code=2)
    cli("refused", "retry", "1", "--source", "live", code=2)
    assert "did you mean" in cli("refused", "retry", "--source", "life", code=2).stderr


def test_a_source_without_refusals_says_so(configured: Path, cli: Cli) -> None:
    assert _refuse(configured, []) == []
    assert "no refused callbacks" in cli("refused", "retry", "--source", "live").stderr


ODD = """
from gateway import Event, Source, Trust, Verified

class Odd(Source):
    \"\"\"Fails, until it is mended.\"\"\"
    type = "odd"
    def verify(self, callback):
        return Verified(trust=Trust.BODY, scheme="odd")
    def normalise(self, callback, verified):
        callback.json()["n"]
        return []
"""


def test_a_source_that_still_fails_is_named_and_the_next_is_tried(configured: Path, cli: Cli) -> None:
    (configured / "odd.py").write_text(ODD)
    (configured / "odd.py").chmod(0o600)
    more = "sources:\n  odd: {type: odd}\n"
    (configured / "gateway.yaml").write_text("plugins: [./odd.py]\n" + CONFIG.replace("sources:\n", more))
    bad, empty = _refuse(
        configured,
        [a_refusal(body, source="odd", code="source_failed") for body in (b"{}", b'{"n": 1}')],
    )
    result = cli("refused", "retry", "--source", "odd", code=1)
    assert f"{bad}: still refused: source_failed: KeyError" in result.stderr
    assert result.stdout == f"{empty}: verified; its source makes no event of it\n"
    assert [one["id"] for one in json.loads(cli("refused", "list", "--json").stdout)] == [bad]


def test_what_is_taken_again_keeps_the_order_of_its_stream(configured: Path, cli: Cli) -> None:
    now = datetime.now(UTC)
    bodies = [
        _signed_with(OLD_KEY, configured, cli, "--field", "stream=vip-1", "--field", f"error_message={n}")
        for n in ("first", "second")
    ]
    _refuse(configured, [a_refusal(body, received_at=now + timedelta(seconds=n)) for n, body in enumerate(bodies)])
    text = CONFIG.replace(f"[{KEY}]", f"[{KEY}, {OLD_KEY}]")
    (configured / "gateway.yaml").write_text(text + "delivery: {order: stream}\n")
    cli("refused", "retry", "--source", "live")
    rows = json.loads(cli("deliveries", "list", "--sink", "lines", "--json").stdout)
    assert [row["held"] for row in rows] == ["order", None]  # newest first
