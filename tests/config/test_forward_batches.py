"""Which forwards `delivery.batch` is for."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.config.configs import Configs
from tests.sinks.test_forward import GITHUB, SIGN


def load(configs: Configs, options: str, top: str = "") -> Any:
    text = f"sinks:\n  it: {{type: forward, url: 'http://127.0.0.1:9/'{options}}}\n{top}"
    return configs.load(text, real=True).settings.sinks["it"].delivery.batch


def test_a_forward_batches_only_where_its_own_delivery_says_so(configs: Configs) -> None:
    top = "delivery: {batch: {max: 7, window: 5s}}\n"
    assert load(configs, "", top) is None, "its receiver was written for single events"
    assert load(configs, ", delivery: {batch: null}", top) is None
    own = load(configs, ", delivery: {batch: {window: 0s}}", top)
    assert (own.max, own.window) == (7, timedelta())


@pytest.mark.parametrize(
    "options",
    [
        "body: raw", "body: binary", f"sign: {json.dumps(GITHUB)}", f"sign: {json.dumps([SIGN, GITHUB])}",
        "body: huawei-live, sign: {scheme: huawei-live, key: the-receivers-key-0123456789abcdef}",
    ],
)  # fmt: skip
def test_what_has_no_batched_form_takes_no_batch(configs: Configs, options: str) -> None:
    text = f"sinks:\n  it: {{type: forward, url: 'http://127.0.0.1:9/', {options}, delivery: {{batch: {{max: 5}}}}}}\n"
    problem = configs.problem(text, real=True)
    assert problem.path == "sinks.it.delivery.batch"
    assert "with these options" in problem.found
    assert load(configs, f", {options}") is None
