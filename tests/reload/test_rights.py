"""Who may reload, and a token that a reload exchanges."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S
from tests.reload.served import READER, TOKEN, ask, config, running_with_tokens, write
from tests.running import Running, receiving


def test_only_an_operator_with_the_right_token_may_reload(tmp_path: Path) -> None:
    with receiving() as receiver, running_with_tokens(tmp_path, config(receiver)) as running:
        assert ask(running, None)[0] == 401
        assert ask(running, READER)[:1] == (403,)
        for _ in range(10):
            assert ask(running, "x" * 40)[0] == 401
        status, answer = ask(running, "x" * 40)
        assert (status, answer["code"]) == (429, "too_many_attempts")
        assert ask(running)[0] == 200, "a right token is never braked"
        url = f"http://127.0.0.1:{running.admin}/api/v1/reload?token={TOKEN}"
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=PATIENCE_S)
        with caught.value as error:
            assert error.code == 400
        assert TOKEN not in running.log
        assert looked_at(running, TOKEN) == (405, "method_not_allowed", "POST")
        assert looked_at(running, "y" * 40)[0] == 429


def looked_at(running: Running, token: str) -> tuple[int, str, str | None]:
    """What a GET of the route is answered: status, code, and the header Allow."""
    url = f"http://127.0.0.1:{running.admin}/api/v1/reload"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(
            urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"}), timeout=PATIENCE_S
        )
    with caught.value as error:
        return error.code, json.load(error)["code"], error.headers.get("allow")


def test_without_a_token_there_is_no_api(tmp_path: Path) -> None:
    with receiving() as receiver, Running(tmp_path, config(receiver)) as running:
        assert ask(running)[0] == 404
        assert looked_at(running, TOKEN)[:2] == (404, "not_found")
        assert "admin.token" in running.cli("reload", check=False)


def test_a_token_is_exchanged_by_a_reload(tmp_path: Path) -> None:
    fresh = "demo-another-0123456789abcdef0123456789a"
    with receiving() as receiver, running_with_tokens(tmp_path, config(receiver)) as running:
        write(running, TOKEN, fresh)
        status, answer = ask(running)
        assert (status, answer["status"], answer["settings"]) == (200, "reloaded", ["admin"])
        assert ask(running)[0] == 401
        assert ask(running, fresh)[0] == 200
