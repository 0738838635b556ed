"""The pages of recordings in Chromium: what is missing can be read at every width."""

from __future__ import annotations

import pytest

from tests.running import Player
from tests.web.doors import Served
from tests.web.pages import test_in_a_browser as in_a_browser
from tests.web.pages.chromium import chromium, text, until

pytestmark = in_a_browser.pytestmark
receiver, served = in_a_browser.receiver, in_a_browser.served
BROKEN_WORDS = """return [...document.querySelectorAll('.words')].filter((one) => one.offsetParent).flatMap((one) => {
  const node = one.lastChild, words = [...node.data.matchAll(/[^ ,]+/g)]
  return words.filter((word) => {
    const range = document.createRange()
    range.setStart(node, word.index); range.setEnd(node, word.index + word[0].length)
    return range.getClientRects().length > 1
  }).map((word) => word[0])
})"""


@pytest.mark.parametrize("width", [1280, 700, 390, 320])
def test_what_is_missing_is_not_broken_within_a_word(served: Served, width: int) -> None:
    for number, kind in ((1, "RECORD_NEW_FILE_START"), (1, "RECORD_OVER")):
        assert served.post(Player().body(kind, number=number)).status == 200
    with chromium(width) as driver:
        in_a_browser.sign_in(driver, served, "/recordings")
        for path in ("/recordings", "/recordings/1"):
            until(
                driver, lambda d, path=path: d.get(in_a_browser.base(served) + path) or "recording.started" in text(d)
            )
            assert driver.execute_script(BROKEN_WORDS) == [], path
            assert driver.execute_script("return document.documentElement.scrollWidth") <= width, path
