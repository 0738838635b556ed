"""Filters of listings: what is beyond the calendar is wrong use, here as at the API."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Cli


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("since", ["999999999d", "0001-01-01T00:00:00+14:00", "soon"])
def test_a_time_that_is_none_is_wrong_use_and_no_traceback(cli: Cli, since: str) -> None:
    said = " ".join(cli("events", "list", "--since", since, code=2).stderr.split())
    assert "--since" in said
    assert "Traceback" not in said
