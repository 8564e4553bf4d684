"""The report's page in a real browser: it works by mouse, finger and keyboard, fits a telephone, asks for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from builders import edit_summary, write_classifier, write_run, write_samples
from chromium import (
    ActionChains,
    Browser,
    Keys,
    assert_slider_takes_keys,
    choose,
    clip,
    find,
    open_browser,
    requests,
    show,
)
from srae.report.html import write_report
from srae.runs.reader import read_run

TITLE = "<script>window.owned = 1</script> a & b"
HOSTILE = "<img src=x onerror=alert(1)>"
CLASSES = ["<b>bold</b>", r"$\frac{1}{2}$ & co_op | 100 %", "=cmd()", "W" * 120, "日本", "_x"]
BASE = [28.0 + 0.5 * i for i in range(12)]
BASELINE = "returning the input"
VALUE = "</pre><script>window.owned = 2</script>"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report on two good runs and one with a hostile name and a hostile value."""
    folder = tmp_path_factory.mktemp("browser")
    runs = []
    for i, (name, more) in enumerate((("base", 0), ("better", 0.4), (HOSTILE, -1))):
        run = write_run(folder / name, width=8 - i, psnr=[value + more for value in BASE])
        runs.append(write_samples(run, shift=i / 2))
    (runs[2] / "config.yaml").write_text(f'model: {{name: residual, width: "{VALUE}"}}\nseed: 0\n')
    write_report([read_run(run) for run in runs], folder / "report", title=TITLE)
    return (folder / "report" / "report.html").as_uri()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser, page: str) -> Browser:
    """The page, freshly loaded on a desktop's screen."""
    show(chromium, page)
    return chromium


def first_column(browser: Browser) -> list[str]:
    return browser.execute_script(
        "return [...document.querySelectorAll('table')[0].tBodies[0].rows].map(row => row.cells[0].textContent.trim())"
    )


def test_nothing_is_asked_for_and_nothing_complained_of(browser: Browser, page: str) -> None:
    asked = requests(browser)
    assert page in asked, "the log works"
    assert [url[:80] for url in asked if url != page and not url.startswith("data:")] == []
    names = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name[:80] for name in names if not name.startswith("data:")] == []
    assert browser.get_log("browser") == []
    broken = "return [...document.images].filter(image => !image.complete || !image.naturalWidth).length"
    assert browser.execute_script(broken) == 0
    assert browser.execute_script("return document.images.length") > 10


def test_a_hostile_run_is_shown_and_not_run(browser: Browser) -> None:
    assert browser.execute_script("return window.owned") is None
    assert browser.title == TITLE
    assert browser.find_element("css selector", "h1").text == TITLE
    assert HOSTILE in first_column(browser)
    assert VALUE in browser.execute_script("return document.body.textContent")
    assert browser.execute_script("return document.scripts.length") == 1
    # and what the policy is for: a script that did get in would not run
    browser.execute_script(
        "document.body.insertAdjacentHTML('beforeend', '<img src=data:, onerror=\"window.owned=3\">')"
    )
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.owned = 4'; document.body.append(s)"
    )
    assert browser.execute_script("return window.owned") is None


def test_the_slider_follows_the_mouse(browser: Browser) -> None:
    stage = find(browser, ".stage")
    assert clip(browser) == "inset(0px 0px 0px 50%)"
    width = stage.size["width"]
    ActionChains(browser, 20).move_to_element_with_offset(stage, -width // 4, 0).click_and_hold().perform()
    assert clip(browser) == "inset(0px 0px 0px 25%)"
    ActionChains(browser, 20).move_to_element_with_offset(stage, width // 4, 5).perform()
    assert clip(browser) == "inset(0px 0px 0px 75%)"
    assert find(browser, ".slider input").get_property("value") == "75", "range and image agree"
    ActionChains(browser, 20).release().move_to_element_with_offset(stage, 0, 0).perform()
    assert clip(browser) == "inset(0px 0px 0px 75%)", "a mouse that only passes by moves nothing"
    ActionChains(browser, 20).move_to_element(find(browser, ".slider input")).click().perform()
    assert clip(browser) == "inset(0px 0px 0px 50%)"


def test_the_slider_follows_a_finger(browser: Browser) -> None:
    box = find(browser, ".stage").rect
    top = browser.execute_script("return document.querySelector('.stage').getBoundingClientRect().top")
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    y = top + box["height"] / 2
    for kind, share in (("touchStart", 0.5), ("touchMove", 0.6), ("touchMove", 0.8), ("touchEnd", None)):
        points = [] if share is None else [{"x": box["x"] + share * box["width"], "y": y}]
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    assert clip(browser) == "inset(0px 0px 0px 80%)"


def test_the_slider_follows_the_keyboard(browser: Browser) -> None:
    assert_slider_takes_keys(browser)


def test_another_image_can_be_chosen(browser: Browser) -> None:
    def shown(side: str) -> str:
        return browser.find_element("css selector", f".stage .{side}").get_attribute("alt")

    assert (shown("left"), shown("right")) == ("1: input", "1: output: better")
    choose(browser, "select[data-side=right]", "target")
    choose(browser, "select[data-side=left]", "output: base")
    assert (shown("left"), shown("right")) == ("1: output: base", "1: target")
    visible = [i for i in browser.find_elements("css selector", ".slider:first-child .stage img") if i.is_displayed()]
    assert len(visible) == 2


def test_tables_sort_by_click_and_keyboard(browser: Browser) -> None:
    heads = browser.find_elements("css selector", "table:first-of-type thead th")
    column = next(head for head in heads if "PSNR" in head.text)
    assert first_column(browser) == [BASELINE, "base", "better", HOSTILE]
    button = column.find_element("css selector", "button")
    find(browser, "table thead th")
    button.click()
    order = [BASELINE, HOSTILE, "base", "better"]
    assert (column.get_attribute("aria-sort"), first_column(browser)) == ("ascending", order)
    button.send_keys(Keys.ENTER)
    assert (column.get_attribute("aria-sort"), first_column(browser)) == ("descending", order[::-1])
    name = heads[0].find_element("css selector", "button")
    name.send_keys(Keys.SPACE)
    assert (column.get_attribute("aria-sort"), heads[0].get_attribute("aria-sort")) == ("none", "ascending")
    assert first_column(browser)[1:] == ["base", "better", BASELINE]


def test_everything_is_reached_by_tab(browser: Browser) -> None:
    reached = set()
    for _ in range(60):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        reached.add(browser.execute_script("return document.activeElement.tagName"))
    assert {"BUTTON", "INPUT", "SELECT", "SUMMARY"} <= reached


@pytest.mark.parametrize("width", [360, 768])
def test_a_narrow_screen_needs_no_sideways_scrolling(browser: Browser, page: str, width: int) -> None:
    show(browser, page, width=width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    outside = "return [...document.querySelectorAll('p, h1, h2, li, dd, .stage, .scroll, .plate, pre')]" \
        f".filter(e => e.getBoundingClientRect().right > {width} + 1).length"  # fmt: skip
    assert browser.execute_script(outside) == 0
    names = browser.execute_script("return [...document.querySelectorAll('tbody th')].map(th => th.offsetWidth)")
    assert all(60 < name < width / 2 + 20 for name in names), "names stay readable and leave room for figures"


@pytest.mark.parametrize("language", ["en", "es"])
def test_tables_of_long_names_and_all_metrics_are_not_cut_off(chromium: Browser, tmp_path: Path, language: str) -> None:
    names = [f"activation_{name}-kernel_{size}" for name in ("relu", "tanh") for size in (3, 5)]
    runs = [write_run(tmp_path / name, width=i, psnr=[28.0 + i + k for k in range(6)]) for i, name in enumerate(names)]
    tests = {"mse": 0.061234, "psnr": 22.25, "ssim": 0.51}
    for run in runs:
        edit_summary(run, test=tests, test_identity=tests, vram_peak_mb=1234.0, multiply_adds=12_681_216)
    parts = ["results", "cost"]
    write_report([read_run(run) for run in runs], tmp_path / "report", language=language, parts=parts)
    for width in (1000, 1200):
        show(chromium, (tmp_path / "report" / "report.html").as_uri(), width=width)
        chromium.execute_script("for (const details of document.querySelectorAll('details')) details.open = true")
        hidden = "return [...document.querySelectorAll('.scroll')].map(e => e.scrollWidth - e.clientWidth)"
        assert max(chromium.execute_script(hidden)) <= 0


def test_classifiers_fit_a_telephone_too(chromium: Browser, tmp_path: Path) -> None:
    answers = [(name, CLASSES[(i + i % 2) % 6]) for i, name in enumerate(CLASSES)] * 4
    runs = [write_classifier(tmp_path / f"net{i}", answers, classes=CLASSES, width=i, samples=8) for i in (1, 2)]
    write_report([read_run(run) for run in runs], tmp_path / "report", parts=["classes", "looks"])
    show(chromium, (tmp_path / "report" / "report.html").as_uri(), width=360)
    assert chromium.get_log("browser") == []
    assert chromium.execute_script("return document.documentElement.scrollWidth") <= 360
    assert all(name in chromium.execute_script("return document.body.textContent") for name in CLASSES)
    alts = chromium.execute_script("return [...document.images].filter(i => i.naturalWidth).map(i => i.alt)")
    assert sum("a row per true class" in alt for alt in alts) == 2 and "a green check" in str(alts)


def test_dark_and_print_have_their_own_looks(browser: Browser, page: str) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"
    light = browser.execute_script(paper)
    show(browser, page, prefers_color_scheme="dark")
    assert browser.execute_script(paper) != light
    show(browser, page, media="print")
    layers = browser.find_elements("css selector", ".slider:first-child .stage img")
    boxes = [layer.rect for layer in layers if layer.is_displayed()]
    assert len(boxes) == len(layers) == 5, "on paper: input, the output of each model, target, all of them whole"
    assert all(one["x"] + one["width"] <= two["x"] and one["y"] == two["y"] for one, two in pairwise(boxes))
    assert clip(browser) == "none"
    show(browser, page, width=680, media="print")
    pareto = browser.find_elements("css selector", ".pair")[-1]
    tops = [chart.rect["y"] for chart in pareto.find_elements("css selector", "figure")]
    assert len(set(tops)) == 1 < len(tops), "Pareto plots in one row"
    breaks = "return [...document.querySelectorAll('*')].filter(e => getComputedStyle(e).breakBefore == 'page').length"
    assert browser.execute_script(breaks) == 0
