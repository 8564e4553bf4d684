"""The page of `srae demo` over HTTP: who is answered, what is made of images, and what is kept of them."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from page_server import PATIENCE, TOKEN, Client, serve_page
from PIL import Image

from builders import random_pixels, write_classifier, write_run
from srae import upscale
from srae.cli import main
from srae.demo_page import server
from srae.demo_page.choices import find_choice, list_choices
from srae.demo_page.server import ADDRESS
from srae.demo_page.views import write_views
from srae.images.image import TaggedImage, read_image, write_image
from upscale_command import save_run


@pytest.fixture(scope="module")
def runs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that enlarge, one of them of a study; one that keeps the size; some that are not offered."""
    folder = tmp_path_factory.mktemp("runs")
    save_run(folder / "double")
    save_run(folder / "study" / "in_study")
    save_run(folder / "same", "identity", scale=1)
    write_run(folder / "no_weights")
    classifier = write_classifier(folder / "names_images", [("a", "a"), ("b", "a")])
    (classifier / "model.safetensors").touch()
    return folder


@pytest.fixture(scope="module")
def client(runs_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serve_page(tmp_path_factory.mktemp("dropped"), runs_dir) as client:
        yield client


def encode(name: str, pixels: np.ndarray, folder: Path) -> bytes:
    write_image(folder / name, TaggedImage(pixels), overwrite=True)
    return (folder / name).read_bytes()


def small_png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(random_pixels(5, 6, 3)).save(file, "PNG")
    return file.getvalue()


PNG = small_png()

# ------------------------------------------------------------------ who is answered


@pytest.mark.parametrize(
    "path", ["/", f"/{TOKEN[:-1]}/", f"/{TOKEN}x/", f"/{TOKEN.upper()}/", "//", "/%ff/", "/images"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_without_the_token_there_is_nothing(client: Client, method: str, path: str) -> None:
    for whole in (path, f"{path}images?model=shipped:tiny&name=a.png"):
        answer, content = client.ask(method, whole, PNG if method == "POST" else None)
        assert (answer.status, TOKEN in content.decode()) == (404, False)
    assert not client.queue.images


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "192.168.0.1", ""])
def test_a_name_that_was_made_to_mean_this_computer_is_refused(client: Client, host: str) -> None:
    assert client.ask("GET", "", Host=host)[0].status == 400


def test_this_computer_is_answered_by_its_names(client: Client) -> None:
    for host in (f"127.0.0.1:{client.port}", f"localhost:{client.port}", "localhost:1"):
        assert client.ask("GET", "", Host=host)[0].status == 200


@pytest.mark.parametrize("path", ["", "images", "images/none/result", "images/none/download", "no/such", "/wrong/"])
def test_every_answer_says_what_the_page_may_do(client: Client, path: str) -> None:
    headers = client.ask("GET", path)[0].headers
    policy = dict(rule.strip().split(" ", 1) for rule in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert (policy["connect-src"], policy["img-src"]) == ("'self'", "'self' data:")
    assert all(re.fullmatch(r"'sha256-\S+'", policy[f"{kind}-src"]) for kind in ("script", "style"))
    assert (headers["Referrer-Policy"], headers["Cache-Control"]) == ("no-referrer", "no-store")
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_holds_one_script_and_one_style_sheet_and_names_no_other_host(client: Client) -> None:
    answer, content = client.ask("GET", "")
    text = content.decode()
    for kind in ("script", "style"):
        (inside,) = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"(?m)^\s*//.*$|\s// .*$", "", text))


# ------------------------------------------------------------------ models


def test_what_maps_images_to_images_is_offered(runs_dir: Path) -> None:
    groups = list(list_choices(runs_dir).values())
    assert groups[0][0].name == "x2" and {"tiny", "x2_photo", "p", "x3", "x4"} < {one.name for one in groups[0]}
    assert all(one.about and "srae-upscale" not in one.about for one in groups[0])
    assert [[one.name for one in group] for group in groups[1:]] == [["double", "same"], ["in_study"]]
    for group in groups:
        for one in group:
            assert find_choice(one.key, runs_dir) == one
    assert len(list_choices(runs_dir / "nowhere")) == 1


@pytest.mark.parametrize("model", ["", "/etc/passwd", "double", "../runs/double", "shipped:../x2", "no_weights"])
@pytest.mark.parametrize("scale", ["", "2"])
def test_no_other_file_is_a_model(client: Client, model: str, scale: str) -> None:
    answer = client.drop("a.png", PNG, model=model, scale=scale)
    assert answer["status"] == 400 and answer["error"]


@pytest.mark.parametrize("scale", ["1", "5", "x", "2.0", "-2"])
def test_no_other_scale_is_taken(client: Client, scale: str) -> None:
    assert client.drop("a.png", PNG, scale=scale)["status"] == 400


# ------------------------------------------------------------------ images

PIXELS: dict[str, Callable[[], np.ndarray]] = {
    "rgb.png": lambda: random_pixels(11, 9, 3),
    "grey.png": lambda: random_pixels(5, 8, 1),
    "alpha.png": lambda: random_pixels(10, 7, 4),
    "deep.png": lambda: random_pixels(6, 7, 3).astype(np.uint16) * 256 + 3,
    "deep.tif": lambda: random_pixels(6, 7, 4).astype(np.uint16) * 255,
    "floats.tiff": lambda: random_pixels(7, 6, 3).astype(np.float32) / 100 - 0.5,
    "colour.webp": lambda: random_pixels(8, 8, 3),
    "colour.bmp": lambda: random_pixels(8, 5, 3),
}


@pytest.mark.parametrize("name", PIXELS)
def test_the_download_is_what_upscale_gives(client: Client, tmp_path: Path, name: str) -> None:
    pixels = PIXELS[name]()
    image = client.enlarge(name, encode(name, pixels, tmp_path))
    assert image["state"] == "done", image
    (tmp_path / f"large_{name}").write_bytes(client.download(image["key"]))
    large = read_image(tmp_path / f"large_{name}").pixels
    expected = upscale(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels, "tiny")
    assert large.dtype == pixels.dtype
    assert np.array_equal(large.squeeze(), expected)


def photograph(orientation: int = 6) -> bytes:
    """A JPEG of 8 by 12 pixels that is shown turned."""
    image, file = Image.fromarray(random_pixels(12, 8, 3)), io.BytesIO()
    exif = image.getexif()
    exif[0x0112], exif[0x010F] = orientation, "a camera"
    image.save(file, "JPEG", exif=exif, icc_profile=None)
    return file.getvalue()


def animation() -> bytes:
    frames, file = [Image.fromarray(random_pixels(6, 6, 3, seed=seed)) for seed in range(3)], io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


def heic() -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed: pip install 'srae[heif]'")
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(random_pixels(16, 24, 3))).save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "make", "model", "scale", "result"),
    [
        ("photo.jpg", photograph, "tiny", "", "photo_x2.jpg"),
        ("photo.JPEG", photograph, "double", "", "photo_x2.JPEG"),
        ("photo.jpg", photograph, "same", "", "photo_x1.jpg"),
        ("photo.jpg", photograph, "same", "3", "photo_x3.jpg"),
        ("photo.jpg", photograph, "x4", "2", "photo_x2.jpg"),
        ("moving.gif", animation, "in_study", "", "moving_x2.png"),
        ("phone.heic", heic, "tiny", "", "phone_x2.png"),
    ],
)
def test_the_download_is_the_file_that_the_command_writes(
    client: Client, runs_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    name: str, make: Callable[[], bytes], model: str, scale: str, result: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(make())
    more = ["--scale", scale] if scale else []
    frame = ["--frame", "0"] if name.endswith("gif") else []
    command = ["upscale", name, "-o", result, "--model", model, "--runs-dir", str(runs_dir)]
    assert main([*command, *more, *frame]) == 0
    offered = {one.name: one.key for group in list_choices(runs_dir).values() for one in group}
    image = client.enlarge(name, Path(name).read_bytes(), model=offered[model], scale=scale)
    assert image["state"] == "done", image
    answer, content = client.ask("GET", f"images/{image['key']}/download")
    assert content == Path(result).read_bytes()
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{result}"'


def test_the_result_tells_sizes_cost_and_remarks(client: Client) -> None:
    image = client.enlarge("moving.gif", animation())
    text = client.ask("GET", f"images/{image['key']}/result")[1].decode()
    assert "6 × 6 to 12 × 12" in text and "of 3 frames" in text
    assert re.search(r"\d\.\d\d s", text) and re.search(r"\d MiB", text)
    assert "srae-upscale moving.gif --model tiny" in text


DAMAGED = {
    "cut.png": lambda: PNG[:-40],
    "cut.jpg": lambda: photograph()[:-40],
    "empty.png": lambda: b"",
    "text.pdf": lambda: b"%PDF-1.7",
    "without_suffix": lambda: b"\0" * 1000,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_cannot_be_read_says_why_and_the_next_image_is_done(client: Client, name: str) -> None:
    image = client.enlarge(name, DAMAGED[name]())
    assert image["state"] == "failed"
    assert image["error"] and str(client.queue.folder) not in image["error"] and image["key"] not in image["error"]
    assert client.ask("GET", f"images/{image['key']}/download")[0].status == 404
    assert client.enlarge("a.png", PNG)["state"] == "done"


def test_a_model_that_does_not_enlarge_so_much_says_so(client: Client) -> None:
    image = client.enlarge("a.png", PNG, model="shipped:x2", scale="4")
    assert image["state"] == "failed" and "4" in image["error"]


HOSTILE = [
    "../../etc/x.png",
    "..\\..\\x.png",
    "<img src=x onerror=alert(1)>.png",
    'a"\r\nSet-Cookie: b=c.png',
    "é日本.png",
    "x" * 400 + ".png",
    "\u202egnp.exe.png",
    ".png",
    "a.png/",
    "",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_shown(client: Client, name: str) -> None:
    image = client.enlarge(name, PNG)
    assert image["state"] == "done", image
    assert image["name"] and len(image["name"]) <= 150 and not set("/\\\r\n") & set(image["name"])
    answer, _ = client.ask("GET", f"images/{image['key']}/download")
    assert answer.headers["Content-Disposition"].startswith("attachment; filename") and not answer.headers["Set-Cookie"]
    assert b"<img src=x" not in client.ask("GET", f"images/{image['key']}/result")[1]
    assert {file.name[: len(image["key"])] for file in client.queue.folder.iterdir()} == set(client.queue.images)


# ------------------------------------------------------------------ limits, and what is kept


def test_a_removed_image_leaves_nothing(client: Client) -> None:
    image = client.enlarge("a.png", PNG)
    addresses = [f"images/{image['key']}{rest}" for rest in ("/result", "/download", "/layers/0", "/layers/1")]
    assert [client.ask("GET", address)[0].status for address in addresses] == [200] * 4
    assert [client.ask("GET", f"images/{image['key']}/layers/{n}")[0].status for n in (3, 99, -1)] == [404] * 3
    assert client.ask("DELETE", f"images/{image['key']}")[0].status == 204
    assert [client.ask("GET", address)[0].status for address in addresses] == [404] * 4
    assert not list(client.queue.folder.glob(f"{image['key']}*"))
    assert client.ask("DELETE", f"images/{image['key']}")[0].status == 404


def test_images_wait_for_each_other_and_can_be_removed_at_any_time(client: Client, tmp_path: Path) -> None:
    large = encode("large.png", np.tile(random_pixels(100, 100, 3), (16, 16, 1)), tmp_path)
    running, waiting, last = (client.drop(f"{n}.png", large, model="shipped:p") for n in range(3))
    client.wait(running["key"], "running")
    assert client.state(waiting["key"])["state"] == client.state(last["key"])["state"] == "waiting"
    assert client.ask("GET", f"images/{running['key']}/result")[0].status == 404
    kept = [client.queue.images[image["key"]] for image in (running, waiting)]
    for image in (waiting, last, running):
        assert client.ask("DELETE", f"images/{image['key']}")[0].status == 204
    after = client.enlarge("a.png", PNG)
    assert after["state"] == "done"
    assert [image.outcome for image in kept] == [None, None], "neither was computed to its end"
    files = {file.name[: len(after["key"])] for file in client.queue.folder.iterdir()}
    assert not files & {image["key"] for image in (running, waiting, last)}


def test_an_upload_that_breaks_off_leaves_nothing(client: Client) -> None:
    before = set(client.queue.folder.iterdir()), set(client.queue.images)
    request = (
        f"POST /{TOKEN}/images?model=shipped:tiny&name=a.png HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n"
    )
    with socket.create_connection((ADDRESS, client.port), timeout=PATIENCE) as connection:
        connection.sendall(f"{request}\r\n".encode() + PNG[:20])
        client.wait_until(lambda: set(client.queue.images) - before[1])
    client.wait_until(lambda: (set(client.queue.folder.iterdir()), set(client.queue.images)) == before)


def test_large_images_and_large_files_and_too_many_are_refused(
    runs_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = encode("a.png", random_pixels(10, 11, 3), tmp_path)
    (tmp_path / "dropped").mkdir()
    with serve_page(tmp_path / "dropped", runs_dir, max_pixels=109) as client:
        image = client.enlarge("a.png", content)
        assert image["state"] == "failed" and "110" in image["error"]
        monkeypatch.setattr(server, "MAX_BYTES", len(content) - 1)
        assert client.drop("a.png", content)["status"] == 413
        assert len(client.queue.images) == 1 and len(list((tmp_path / "dropped").iterdir())) == 1
        monkeypatch.setattr(server, "MAX_BYTES", len(content))
        assert client.drop("a.png", content)["status"] == 201
        monkeypatch.setattr(server, "MOST_IMAGES", 2)
        assert client.drop("a.png", content)["status"] == 429


# ------------------------------------------------------------------ views


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize("size", [(7, 9), (8, 31), (31, 30)])
def test_the_layers_show_the_same_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: type, scale: int, size: tuple[int, int]
) -> None:
    monkeypatch.setattr("srae.demo_page.views.MAX_SIDE", 24)
    pixels = (random_pixels(*size, 4) * (257.0 if dtype == np.uint16 else 1.0)).astype(dtype)
    if dtype == np.float32:
        pixels[:, :, 3] /= 255
    after = pixels.repeat(scale, 0).repeat(scale, 1)
    if dtype == np.float32:
        after[0, 0, 0] = 999  # what is white in the result is white in the input, too
    views = write_views(TaggedImage(pixels), TaggedImage(after), tmp_path / "a.png", "bicubic")  # a run of this name
    assert [name for name, _ in views.layers] == ["bicubic", "input", "bicubic"][scale == 1 :]
    *enlarged, low, high = (read_image(file).pixels for _, file in views.layers)
    assert views.size == high.shape[1::-1] == tuple(min(n * scale, 24) for n in size[::-1])
    assert views.is_part == (max(size) * scale > 24)
    assert all(layer.dtype == np.uint8 for layer in (*enlarged, low, high))
    assert np.array_equal(low.repeat(scale, 0).repeat(scale, 1)[1:], high[1:])
    top, left = ((whole - shown) // 2 for whole, shown in zip(size, low.shape, strict=False))
    if dtype == np.uint8:
        assert np.array_equal(low, pixels[top : top + low.shape[0], left : left + low.shape[1]]), "the middle"
    assert all(layer.shape == high.shape for layer in enlarged)
