"""What a target says is masked before it is cut: half a secret would not be known for one."""

from __future__ import annotations

import httpx
import pytest

from gateway import Answer, learn_secret
from gateway.testing import FrozenClock
from plugins.sinks.chat import replies
from plugins.sinks.chat.chat_service import Tried, service
from plugins.sinks.email import faults
from plugins.sinks.exec.child import OUTPUT_BYTES_MAX
from plugins.sinks.exec.sink import _words

SECRET = "masking-canary-" + "0123456789abcdef" * 4


def answer(body: bytes) -> Answer:
    return Answer(status=400, headers=httpx.Headers(), body=body, origin="h:1", now=FrozenClock().now())


def no_part_of_it(text: str) -> None:
    assert "masking-canary" not in text, text


@pytest.mark.parametrize("before", range(0, 700, 13))
def test_no_cut_leaves_half_a_secret(before: int) -> None:
    learn_secret(SECRET)
    text = "x" * before + SECRET
    many = f"{SECRET} " * 8 + text  # masks are shorter than secrets, so what was cut behind them comes forward
    for said in (text, many):
        no_part_of_it(replies.error_text(answer(b""), said, said))
        no_part_of_it(faults.one_line(550, said))
        no_part_of_it(answer(said.encode()).quoted)
        for name in ("slack", "mattermost"):
            with pytest.raises(Exception) as failed:
                service(name).judge(answer(said.encode()), Tried())
            no_part_of_it(str(failed.value))


def test_a_programs_output_that_is_cut_in_a_secret_shows_no_half_of_it() -> None:
    learn_secret(SECRET)
    for kept in range(1, len(SECRET)):
        text = (SECRET + " ") * ((OUTPUT_BYTES_MAX - kept) // (len(SECRET) + 1) + 1)
        no_part_of_it(_words((" " * 16 + text + SECRET).encode()[:OUTPUT_BYTES_MAX]))
        no_part_of_it(_words(("x" * (OUTPUT_BYTES_MAX - kept) + SECRET).encode()[:OUTPUT_BYTES_MAX])[-100:])
