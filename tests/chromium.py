"""A real browser for tests of pages: headless Chromium, driven by selenium.

Needs Debian's packages chromium and chromium-driver; without them the tests that import this are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

selenium = pytest.importorskip("selenium", reason="selenium is not installed: pip install selenium")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402, F401
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.select import Select  # noqa: E402

PROGRAMS = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
if missing := [name for name, path in PROGRAMS.items() if path is None]:
    pytest.skip(f"no {' and no '.join(missing)}: apt-get install chromium chromium-driver", allow_module_level=True)

Browser = Any


@contextmanager
def open_browser(downloads: Path | None = None) -> Iterator[Browser]:
    """Args: downloads: folder that files are saved to."""
    options = webdriver.ChromeOptions()
    options.binary_location = PROGRAMS["chromium"]
    switches = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    if os.geteuid() == 0:
        switches.append("--no-sandbox")  # chromium refuses to start as root otherwise
    for switch in switches:
        options.add_argument(switch)
    if downloads:
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=PROGRAMS["chromedriver"])
    )
    try:
        yield driver
    finally:
        driver.quit()


def show(browser: Browser, page: str, *, width: int = 1100, **media: str) -> None:
    """Load a page freshly on a screen of this width; `media` as `prefers_color_scheme="dark"` or `media="print"`."""
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items() if name != "media"]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media.get("media", ""), "features": features})
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # what other tests left
    browser.get(page)


def find(browser: Browser, selector: str) -> Any:
    """The first element of a selector, in the middle of the screen."""
    element = browser.find_element("css selector", selector)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
    return element


def choose(browser: Browser, selector: str, option: str) -> None:
    """Choose an option of a <select> by its whole text: letters typed are joined only when they come fast enough."""
    Select(find(browser, selector)).select_by_visible_text(option)


def clip(browser: Browser) -> str:
    """How the right image of the first slider is cut."""
    return browser.execute_script("return getComputedStyle(document.querySelector('.stage .right')).clipPath")


def assert_slider_takes_keys(browser: Browser) -> None:
    """The first slider has a name, starts in the middle and is moved by the keyboard."""
    slider = find(browser, ".slider input")
    assert slider.accessible_name and clip(browser) == "inset(0px 0px 0px 50%)"
    slider.send_keys(Keys.ARROW_RIGHT * 5)
    assert clip(browser) == "inset(0px 0px 0px 55%)"
    slider.send_keys(Keys.HOME)
    assert clip(browser) == "inset(0px 0px 0px 0%)"


def requests(browser: Browser) -> list[str]:
    """The addresses that were asked for since `show`."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
