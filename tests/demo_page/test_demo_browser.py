"""The page of `srae demo` in a real browser: images are dropped, compared by keyboard, and saved."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from page_server import PATIENCE, Client, serve_page

from builders import write_image
from chromium import Browser, assert_slider_takes_keys, choose, find, open_browser, requests, show
from srae import upscale
from srae.images.image import read_image
from upscale_command import save_run

HOSTILE = "<img src=x onerror=alert(1)>.png"


@pytest.fixture(scope="module")
def _browser() -> Iterator[Browser]:
    with open_browser() as browser:
        browser.set_script_timeout(PATIENCE)
        yield browser


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """The page, with one run."""
    (tmp_path / "dropped").mkdir()
    save_run(tmp_path / "runs" / "my_run")
    save_run(tmp_path / "runs" / ("long_" * 15))
    with serve_page(tmp_path / "dropped", tmp_path / "runs") as client:
        yield client


@pytest.fixture
def browser(_browser: Browser, client: Client) -> Browser:
    show(_browser, client.address)
    return _browser


def drop(browser: Browser, *files: Path, model: str = "tiny") -> None:
    """Through the field for files, as a keyboard does it."""
    choose(browser, "#model", model)
    find(browser, "#files").send_keys("\n".join(map(str, files)))


def wait(browser: Browser, *states: str) -> None:
    """Until the cards have these states, newest first, and all images are loaded."""
    browser.execute_async_script(
        """
        const [wanted, done] = arguments;
        (function look() {
          const states = [...document.querySelectorAll(".card")].map((card) => card.dataset.state);
          const shown = document.querySelectorAll(".stage").length === wanted.filter((one) => one === "done").length;
          const loaded = [...document.images].every((image) => image.complete && image.naturalWidth);
          if (String(states) === String(wanted) && shown && loaded) done();
          else setTimeout(look, 20);
        })();
        """,
        list(states),
    )


def texts(browser: Browser, selector: str) -> list[str]:
    return [element.text for element in browser.find_elements("css selector", selector)]


def test_an_image_is_dropped_compared_and_saved(browser: Browser, client: Client, tmp_path: Path) -> None:
    image = write_image(tmp_path / "my photo.png", (40, 30))
    drop(browser, image)
    wait(browser, "done")
    assert texts(browser, ".card h2") == ["my photo.png: tiny"]
    left = "return getComputedStyle(document.querySelector('.stage .left')).clipPath"
    assert browser.execute_script(left) == "inset(0px 50% 0px 0px)", "where the right one is transparent"
    assert_slider_takes_keys(browser)
    assert texts(browser, "select[data-side=left] option") == ["bicubic", "input", "tiny"]
    choose(browser, "select[data-side=left]", "input")
    assert browser.find_element("css selector", ".stage .left").get_attribute("alt") == "my photo.png: input"
    facts = dict(zip(texts(browser, ".facts dt"), texts(browser, ".facts dd"), strict=True))
    sides = "30 × 40", "60 × 80"
    assert all(side in facts["Size"] for side in sides) and "MiB" in facts["Memory"] and " s" in facts["Time"]
    link = find(browser, ".download").get_attribute("href")
    content = base64.b64decode(browser.execute_async_script(
        "const [address, done] = arguments; fetch(address).then((answer) => answer.blob()).then((blob) => {"
        "  const reader = new FileReader(); reader.onload = () => done(reader.result.split(',')[1]);"
        "  reader.readAsDataURL(blob); })", link))  # fmt: skip
    (tmp_path / "large.png").write_bytes(content)
    assert np.array_equal(read_image(tmp_path / "large.png").pixels, upscale(read_image(image).pixels, "tiny"))


def test_nothing_leaves_the_computer_and_nothing_is_complained_of(
    browser: Browser, client: Client, tmp_path: Path
) -> None:
    drop(browser, write_image(tmp_path / "a.png"), model="my_run")
    wait(browser, "done")
    asked = [address for address in requests(browser) if not address.startswith("data:")]
    assert client.address in asked and len(asked) > 5, "the log works"
    assert [address for address in asked if not address.startswith(client.address)] == []
    entries = browser.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert entries and all(name.startswith((client.address, "data:")) for name in entries)
    assert browser.get_log("browser") == []


def test_a_second_image_waits_a_damaged_one_says_why_and_the_page_goes_on(
    browser: Browser, client: Client, tmp_path: Path
) -> None:
    images = [write_image(tmp_path / f"{n}.png", (200, 200)) for n in range(2)]
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(images[0].read_bytes()[:1000])
    hostile = write_image(tmp_path / HOSTILE)
    drop(browser, images[0], damaged, images[1], hostile)
    wait(browser, "done", "done", "failed", "done")
    assert texts(browser, ".card h2") == [f"{name}: tiny" for name in (HOSTILE, "1.png", "damaged.png", "0.png")]
    (why,) = [text for text in texts(browser, ".state.error") if text]
    assert why and "Traceback" not in why
    assert browser.get_log("browser") == []
    choose(browser, "#model", "my_run")
    again = find(browser, ".card:last-child .again")
    assert "my_run" in again.text
    again.click()
    wait(browser, "done", "done", "done", "failed", "done")
    assert texts(browser, ".card h2")[0] == "0.png: my_run"
    browser.refresh()
    wait(browser, "done", "done", "done", "failed", "done")
    find(browser, ".card .remove").click()
    wait(browser, "done", "done", "failed", "done")
    assert len(client.queue.images) == 4


def test_files_are_dropped_and_pasted_and_an_end_of_the_server_is_told(
    browser: Browser, client: Client, tmp_path: Path
) -> None:
    content = base64.b64encode(write_image(tmp_path / "a.png").read_bytes()).decode()
    browser.execute_script(
        """
        const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], "by_mouse.png"));
        document.querySelector("h1").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
        """,
        content,
    )
    wait(browser, "done")
    browser.execute_script(
        """
        const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], "pasted.png"));
        document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
        """,
        content,
    )
    wait(browser, "done", "done")
    client.stop()
    find(browser, ".card .remove").click()
    browser.execute_async_script(
        "const done = arguments[0]; (function look() {"
        "  document.querySelector('#trouble').hidden ? setTimeout(look, 20) : done(); })()"
    )
    assert "srae demo" in find(browser, "#trouble").text and len(texts(browser, ".card")) == 2


@pytest.mark.parametrize("width", [360, 1200])
def test_it_fits_the_screen_and_has_a_dark_look(browser: Browser, client: Client, tmp_path: Path, width: int) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"
    light = browser.execute_script(paper)
    tall = write_image(tmp_path / ("tall" * 30 + ".png"), (120, 20))
    wide = write_image(tmp_path / "wide.png", (20, 900))
    drop(browser, tall, wide)
    wait(browser, "done", "done")
    show(browser, client.address, width=width, prefers_color_scheme="dark")
    wait(browser, "done", "done")
    assert browser.execute_script(paper) != light
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    heights = browser.execute_script(
        "return [...document.querySelectorAll('.stage')].map((stage) => stage.clientHeight)"
    )
    assert all(0 < height <= 1600 for height in heights)
    find(browser, ".actual").click()  # of the wide one, which is then wider than the screen, and scrolls by itself
    assert find(browser, ".stage").rect["width"] == 1800
    line = "return document.querySelector('.line').getBoundingClientRect().x"
    assert 0 < browser.execute_script(line) < width, "the cut is in view"
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script("return getComputedStyle(document.querySelector('.stage img')).imageRendering") == (
        "pixelated"
    )
