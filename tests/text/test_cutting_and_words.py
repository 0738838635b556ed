"""What is cut keeps no half of a secret; a token that is a common word leaves sentences readable and is masked where it counts."""

from __future__ import annotations

import pytest

from gateway.text.redaction import MASK, Redactor

SECRET = "canary-4f1c9d2e8b7a6053"


def test_a_text_is_cut_before_it_is_masked_and_no_half_of_a_secret_stays() -> None:
    redactor = Redactor()
    redactor.learn(SECRET)
    for limit in range(1, 60):
        text = f"the answer was {SECRET} and {SECRET}"
        shown = redactor.redact_start(text, limit)
        assert len(shown) <= max(limit, len(MASK) * 2 + 20)
        for length in range(1, len(SECRET)):
            assert not shown.endswith("was " + SECRET[:length])
            assert not shown.endswith("and " + SECRET[:length])


def test_what_lies_behind_the_limit_is_not_looked_at() -> None:
    class Looked(Redactor):
        seen = 0

        def redact(self, text: str) -> str:
            self.seen = max(self.seen, len(text))
            return super().redact(text)

    redactor = Looked()
    redactor.redact_start("x" * 10_000_000, 20_000)
    assert redactor.seen == 20_000


@pytest.mark.parametrize("word", ["recording", "gateway", "production", "Password", "CALLBACK", "webhook"])
def test_a_token_that_is_a_common_word_does_not_shred_messages(word: str) -> None:
    redactor = Redactor()
    redactor.learn(word)
    for text in (f"the {word} is not taking callbacks now", f"{word}s were refused", f"no route wanted it: {word}"):
        assert redactor.redact(text) == text
    for text in (f"token={word}", f'"password": "{word}"', f"Authorization: Bearer {word}", f"secret '{word}'"):
        shown = redactor.redact(text)
        assert word not in shown
        assert MASK in shown


@pytest.mark.parametrize("secret", ["qzxwvkjhg", "000000", "s3cret-word", "recording1", "correcthorsebatterystaple"])
def test_any_other_secret_is_masked_wherever_it_stands(secret: str) -> None:
    redactor = Redactor()
    redactor.learn(secret)
    assert secret not in redactor.redact(f"the {secret} is here")
