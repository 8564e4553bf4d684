"""`srae upscale` for trees of folders, exact sizes, frames and animations, and formats that are only read."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from conftest import Run
from srae.images.decode import count_frames, decode, read_timing
from srae.images.image import TaggedImage, read_image, write_image
from srae.images.resample import resize
from upscale_command import make_folder, upscale

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_folder(tmp_path, monkeypatch)


def pixels(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def draw(*paths: str) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(4, 4)).save(path)


def files(root: str) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in Path(root).rglob("*") if path.is_file())


# ------------------------------------------------------------------------------ folders


def test_a_tree_is_kept_and_found_done_again(capsys: pytest.CaptureFixture[str]) -> None:
    draw("in/1.png", "in/a/1.png", "in/a/b/1.jpg", "in/.git/1.png")
    assert upscale("in", "-o", "in/out", "--recursive", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [entry["output"] for entry in document["files"]] == [
        "in/out/1_x2.png",
        "in/out/a/1_x2.png",
        "in/out/a/b/1_x2.jpg",
    ]
    assert files("in/out") == ["1_x2.png", "a/1_x2.png", "a/b/1_x2.jpg"]
    for arguments in (["in", "--recursive"], ["in/**/*.*"]):
        assert upscale(*arguments, "-o", "in/out", "--json") == 0
        document = json.loads(capsys.readouterr().out)
        assert (len(document["files"]), len(document["skipped"])) == (0, 3)
    assert upscale("in", "--recursive") == 0
    assert Path("in/a/b/1_x2.jpg").is_file()


def test_equal_stems_are_all_done_and_found_done_again(capsys: pytest.CaptureFixture[str]) -> None:
    draw("in/a.jpg", "in/a.png", "in/b.png")
    wanted = ["in/a_jpg_x2.webp", "in/a_png_x2.webp", "in/b_x2.webp"]
    assert upscale("in", "--format", "webp", "--compare") == 0
    assert capsys.readouterr().out.split() == wanted
    Path(wanted[1]).unlink()
    Path("in/a_png_x2_compare.png").unlink()
    assert upscale("in", "--format", "webp", "--compare") == 0
    assert capsys.readouterr().out.split() == wanted[1:2]


# ------------------------------------------------------------------------------ exact sizes


@pytest.mark.parametrize(
    ("flags", "size", "name"),
    [
        (["--scale", "1.5"], (14, 11), "a_x1.5.png"),
        (["--scale", "5"], (45, 35), "a_x5.png"),
        (["--scale", "2.0"], (18, 14), "a_x2.png"),
        (["--width", "20"], (26, 20), "a_w20.png"),
        (["--height", "20"], (20, 16), "a_h20.png"),
        (["--width", "20", "--height", "20"], (20, 16), "a_w20_h20.png"),
        (["--scale", "1.5", "--model", "double"], (14, 11), "a_x1.5.png"),
    ],
)
def test_exact_sizes(flags: list[str], size: tuple[int, int], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As the next larger model's result, reduced."""
    assert upscale("a.png", *flags, "--compare") == 0
    assert capsys.readouterr().out == f"{name}\n"
    result = read_image(name).color
    assert result.shape[1:] == size
    assert read_image(name.replace(".png", "_compare.png")).pixels.shape[1] == 1008
    larger = next(scale for scale in (2, 3, 4, 6) if 9 * scale >= size[0])
    assert upscale("a.png", "--scale", str(larger), "-o", "larger.png", "--overwrite") == 0
    wanted = resize(read_image("larger.png").color, size).clip(0, 1)
    assert np.abs(result - wanted).max() < 1.6 / 255


def test_a_width_chooses_the_model_for_each_image(capsys: pytest.CaptureFixture[str]) -> None:
    for name, side in (("one", 10), ("two", 5), ("wide", 40)):
        os.makedirs("in", exist_ok=True)
        write_image(f"in/{name}.png", TaggedImage(pixels(side, side)))
    assert upscale("in", "--width", "20", "--json") == 4
    document = json.loads(capsys.readouterr().out)
    assert {entry["input"]: entry["width"] for entry in document["files"]} == {"in/one.png": 20, "in/two.png": 20}
    assert [entry["input"] for entry in document["failed"]] == ["in/wide.png"]
    assert document["scale"] is None
    assert upscale("a.png", "--width", "9", "--scale", "2") == 2


def test_a_width_counts_in_the_upright_image() -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(pixels(9, 7)).save("turned.jpg", exif=exif)
    assert upscale("turned.jpg", "--width", "20") == 0
    assert read_image("turned_w20.jpg").pixels.shape[:2] == (16, 20)


# ------------------------------------------------------------------------------ frames


def save_animation(path: str, loop: int | None = 0, count: int = 3) -> list[np.ndarray]:
    """Frames that differ in a part, with times of their own; what they look like."""
    base = pixels(12, 10, 4)
    base[:, :, 3] = 255
    frames = []
    for number in range(count):
        base[:4, :3, :3] = (80 * number, 255 - 80 * number, 0)
        frames.append(base.copy())
    images = [Image.fromarray(frame) for frame in frames]
    loops = {} if loop is None else {"loop": loop}
    lossless = {"lossless": True, "exact": True} if path.endswith("webp") else {}
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=[50 + 20 * n for n in range(count)], **loops, **lossless
    )
    return [decode(Path(path), path, frame=number).pixels for number in range(count)]


def test_frame_all_writes_every_frame(capsys: pytest.CaptureFixture[str]) -> None:
    frames = save_animation("b.png")
    assert upscale("b.png", "a.png", "--frame", "all", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    names = ["b_p1_x2.png", "b_p2_x2.png", "b_p3_x2.png", "a_x2.png"]
    assert [entry["output"] for entry in document["files"]] == names
    assert [entry.get("frame") for entry in document["files"]] == [0, 1, 2, None]
    for name, frame in zip(names, frames, strict=False):
        wanted = resize(TaggedImage(frame).color, (24, 20)).clip(0, 1)
        assert np.abs(read_image(name).color - wanted).max() < 0.6 / 255
    Path(names[1]).unlink()
    assert upscale("b.png", "--frame", "all") == 0
    assert capsys.readouterr().out.split() == names[1:2]
    assert upscale("b.png", "--frame", "1", "--overwrite") == 0
    assert capsys.readouterr().out.split() == names[1:2]
    assert upscale("b.png", "--frame", "all", "-o", "x.png") == 2


def test_pages(capsys: pytest.CaptureFixture[str]) -> None:
    pages = [Image.fromarray(pixels(8, 8, seed=seed)) for seed in range(2)]
    pages[0].save("doc.tif", save_all=True, append_images=pages[1:])
    for flags in (["--frame", "all"], ["--animation", "--overwrite"]):  # pages are no animation
        assert upscale("doc.tif", *flags) == 0
        assert capsys.readouterr().out.split() == ["doc_p1_x2.tif", "doc_p2_x2.tif"]
    wanted = resize(read_image("doc.tif", frame=1).color, (16, 16)).clip(0, 1)
    assert np.abs(read_image("doc_p2_x2.tif").color - wanted).max() < 0.01


@pytest.mark.parametrize(
    ("source", "flags", "result"),
    [
        ("b.png", [], "b_x2.png"),
        ("b.webp", [], "b_x2.webp"),
        ("b.gif", [], "b_x2.webp"),
        ("b.gif", ["--format", "png"], "b_x2.png"),
        ("b.png", ["--format", "avif"], "b_x2.avif"),
        ("b.webp", ["--scale", "1.5"], "b_x1.5.webp"),
    ],
)
@pytest.mark.parametrize("loop", [0, 1, 3])
def test_an_animation_in_one_file(
    source: str, flags: list[str], result: str, loop: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its frames are those of the source, enlarged, with their times; it is shown as often."""
    frames = save_animation(source, loop)
    assert upscale(source, "--animation", *flags, "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out)["files"]
    assert (entry["output"], entry["frames"]) == (result, 3)
    assert count_frames(Path(result)) == 3
    timing = read_timing(Path(result))
    assert timing.durations == (50, 70, 90)
    assert timing.loops == (0 if result.endswith("avif") else loop + 1 if source.endswith("gif") and loop else loop)
    for number, frame in enumerate(frames):
        shown = read_image(result, frame=number).color
        wanted = resize(TaggedImage(frame).color, (24, 20)).clip(0, 1)
        if "1.5" in result:
            wanted = resize(wanted, (18, 15)).clip(0, 1)
        assert np.abs(shown - wanted).mean() < (0.05 if result.endswith("avif") else 0.01)


def test_what_holds_no_animation_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    save_animation("b.png")
    assert upscale("b.png", "--animation", "--format", "jpg") == 4
    assert "JPEG holds no animation" in capsys.readouterr().err
    assert upscale("b.png", "--animation", "-o", "x.gif") == 4
    for beside in (["--frame", "0"], ["--frame", "all"], ["--compare"]):
        assert upscale("b.png", "--animation", *beside) == 2
        assert beside[0] in capsys.readouterr().err
    assert upscale("a.png", "--animation") == 0
    assert Path("a_x2.png").is_file()


def test_a_gif_without_a_loop_is_shown_once() -> None:
    save_animation("b.gif", None)
    assert read_timing(Path("b.gif")).loops == 1


# ------------------------------------------------------------------------------ formats


def test_what_is_only_read_becomes_a_png(capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    heic = io.BytesIO()
    deep = pixels(8, 8).astype(np.uint16) * 257
    pillow_heif.encode("RGB;16", (8, 8), deep.tobytes(), heic, quality=90)
    Path("in/phone.HEIC").write_bytes(heic.getvalue())
    for name in ("web.jfif", "old.tga", "moving.gif", "plain.ppm", "new.avif"):
        Image.fromarray(pixels(8, 8)).save(f"in/{name}", format={"jfif": "JPEG"}.get(name[-4:]))
    assert upscale("in") == 0
    output = capsys.readouterr()
    assert "HEIF is only read: results are PNG" in output.err
    assert sorted(output.out.split()) == [
        "in/moving_x2.png",
        "in/new_x2.avif",
        "in/old_x2.png",
        "in/phone_x2.png",
        "in/plain_x2.png",
        "in/web_x2.jpg",
    ]
    assert read_image("in/phone_x2.png").pixels.dtype == np.uint16
    assert upscale("in/phone.HEIC", "--format", "avif") == 0
    assert "AVIF holds 8 bits a colour: 16 become 8" in capsys.readouterr().err


def test_the_command_lists_formats(call: Run) -> None:
    document = json.loads(call("doctor", "--json").stdout)
    rows = {row["name"]: row for row in document["formats"]}
    assert rows["HEIF"]["writes_bits"] == [] and rows["HEIF"]["install"] == "pip install 'srae[heif]'"
    assert rows["PNG"]["writes_bits"] == [8, 16] and rows["PNG"]["install"] is None


# --------------------------------------------------------------------------- textures


def test_textures_wrap_and_keep_their_fourth_channel(capsys: pytest.CaptureFixture[str]) -> None:
    texture = pixels(8, 10, 4)
    texture[:, :5, 3] = 0
    write_image("t.png", TaggedImage(texture))
    assert upscale("t.png", "-o", "plain.png") == 0
    assert upscale("t.png", "--alpha", "separate", "-o", "separate.png") == 0
    assert upscale("t.png", "--alpha", "separate", "-o", "both.png", "--wrap") == 0
    assert upscale("t.png", "--alpha", "separate", "-o", "x.png", "--wrap", "x") == 0
    write_image("tiled.png", TaggedImage(np.tile(texture, (3, 3, 1))))
    assert upscale("tiled.png", "--alpha", "separate", "-o", "tiled_x2.png") == 0
    plain, separate, both, x, tiled = (
        read_image(f"{name}.png").pixels.astype(int) for name in ("plain", "separate", "both", "x", "tiled_x2")
    )
    inside = tiled[16:32, 20:40]
    assert np.abs(both - inside).max() <= 1 < np.abs(separate - inside).max()
    assert np.abs(x[4:-4] - inside[4:-4]).max() <= 1 < np.abs(x - inside).max()
    assert not np.array_equal(plain[:, :8, :3], separate[:, :8, :3])
    with pytest.raises(SystemExit) as stop:
        upscale("--wrap", "t.png")
    assert stop.value.code == 2 and "--wrap=xy" in capsys.readouterr().err
