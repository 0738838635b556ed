"""The hostile corpus: complete, cheap to import, and of the kinds it says."""

from __future__ import annotations

import pytest

from gateway.testing.corpus import CASES, KINDS, cases
from gateway.testing.odd_json import ODD_JSON

TYPES = {"body": bytes, "raw": bytes, "adm": bytes, "ans": bytes, "sign": dict}


def test_every_case_has_its_own_id_and_a_value_of_its_kind() -> None:
    assert len({case.id for case in CASES}) == len(CASES) == 145 + len(ODD_JSON)
    for case in CASES:
        assert type(case.value) is TYPES.get(case.kind, str), case.id
        assert case.expected
        assert str(case) == case.id


def test_every_kind_has_cases_and_they_can_be_asked_for() -> None:
    assert {case.kind for case in cases()} == set(KINDS)
    assert {case.kind for case in cases("url", "ans")} == {"url", "ans"}
    assert len(cases("body")) == 26


def test_a_kind_that_does_not_exist_is_told() -> None:
    with pytest.raises(ValueError, match="bodies; known: body"):
        cases("bodies")
