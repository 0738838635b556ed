"""A real browser without a window: Debian's chromium and its driver, or a skip that says what is missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE_S


@contextmanager
def chromium(width: int = 1280, height: int = 900, *, scripts: bool = True) -> Iterator[Any]:
    """A browser of its own profile."""
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if missing := [name for name, path in programs.items() if path is None]:
        pytest.skip(f"not installed: {', '.join(missing)} (apt-get install chromium chromium-driver)")
    options = selenium.ChromeOptions()
    options.binary_location = programs["chromium"]
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    if not scripts:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = selenium.ChromeService(programs["chromedriver"])
    driver = selenium.Chrome(options=options, service=service)
    try:
        driver.set_page_load_timeout(PATIENCE_S)
        size(driver, width, height)
        yield driver
    finally:
        driver.quit()


def size(driver: Any, width: int, height: int) -> None:
    """The window, as a phone where it is narrow."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def text(driver: Any, selector: str = "main") -> str:
    """What a person reads there."""
    from selenium.webdriver.common.by import By

    return str(driver.find_element(By.CSS_SELECTOR, selector).text)


def until(driver: Any, what: Any) -> Any:
    """Wait for it, not longer than PATIENCE_S."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, PATIENCE_S, 0.1, ignored_exceptions=[Exception]).until(what)


def axe() -> str | None:
    """axe-core's script, where somebody unpacked it (`npm pack axe-core`) or installed it."""
    places = [Path("node_modules/axe-core/axe.min.js"), Path("/usr/share/javascript/axe-core/axe.min.js")]
    import os

    if given := os.environ.get("AXE_CORE"):
        places.insert(0, Path(given))
    return next((path.read_text(encoding="utf-8") for path in places if path.is_file()), None)
