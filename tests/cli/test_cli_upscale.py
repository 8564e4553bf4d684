"""`srae upscale` as a user meets it: names, exit codes, streams, and nothing overwritten."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import Run
from srae.images.image import TaggedImage, read_image, write_image
from srae.images.resample import resize
from srae.images.tags import Tags
from srae.upscaling.backends.torch import TorchEngine
from srae.upscaling.network import Precision
from toys import random_image
from upscale_command import make_folder, save_run, upscale


def _pixels(height: int, width: int, channels: int, most: int = 255) -> np.ndarray:
    draw = np.random.default_rng(height * width)
    return draw.integers(0, most + 1, (height, width, channels)).astype(np.uint16 if most > 255 else np.uint8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_folder(tmp_path, monkeypatch)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ------------------------------------------------------------------- what it writes


def test_the_command_itself(srae: Run, folder: Path) -> None:
    done = srae("upscale", "a.png", "--model", "double", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "a_x2.png\n"
    assert "a.png 7x9 -> 14x18 in" in done.stderr
    wanted = resize(read_image("a.png").color, (18, 14), "bicubic").clip(0, 1)
    assert np.abs(read_image("a_x2.png").color - wanted).max() < 0.6 / 255


def test_without_model_the_shipped_one_for_the_scale_is_taken_and_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = {(): "x2", ("--scale", "3"): "x3", ("--scale", "4"): "x4", ("--scale", "6"): "x3"}
    for scale, named in pairs.items():
        assert upscale("a.png", *scale) == 0
        assert f"model {named}, by " in capsys.readouterr().err
    for times in (2, 3, 4, 6):
        with Image.open(f"a_x{times}.png") as image:
            assert image.size == (7 * times, 9 * times)
    assert upscale("a.png", "--scale", "9") == 2
    assert "no shipped model enlarges by 9\nshipped scales: 1, 2, 3, 4, 6, 8\n" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["double", "runs/double", "runs/double/model.safetensors"])
def test_a_model_by_name_run_or_file(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert upscale("a.png", "--model", name) == 0
    assert capsys.readouterr().out == "a_x2.png\n"


def test_where_results_go(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image("b.JPG", TaggedImage.from_float(random_image(3, 4, 4)))
    for arguments, wanted in (
        (["a.png", "-o", "c.tif"], ["c.tif"]),
        (["a.png", "-o", "new/"], ["new/a_x2.png"]),
        (["a.png", "-o", "new.d/sub/"], ["new.d/sub/a_x2.png"]),
        (["a.png", "-o", "plain"], ["plain/a_x2.png"]),
        (["a.png", "b.JPG", "--output", "both"], ["both/a_x2.png", "both/b_x2.JPG"]),
        (["b.JPG"], ["b_x2.JPG"]),
    ):
        assert upscale(*arguments) == 0
        assert capsys.readouterr().out.split() == wanted
        for path in wanted:
            assert read_image(path).color.shape[1] in (8, 18)


def test_folders_and_their_own_results(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "in").mkdir()
    for name in ("10.png", "9.png"):
        write_image(folder / "in" / name, TaggedImage.from_float(random_image(3, 4, 4)))
    (folder / "in" / "notes.txt").touch()
    assert upscale("in") == 0
    output = capsys.readouterr()
    assert output.out.split() == ["in/9_x2.png", "in/10_x2.png"]
    assert "1 entries passed over, they are no images" in output.err
    assert upscale("in") == 0
    output = capsys.readouterr()
    assert output.out == ""
    assert "2 exist already: skipped; --overwrite redoes them" in output.err
    assert "2 entries passed over, they are results of this command" in output.err
    assert upscale("in", "--overwrite") == 0
    assert len(_names(folder / "in")) == 5
    assert upscale("in", "-o", "out") == 0
    assert _names(folder / "out") == ["10_x2.png", "9_x2.png"]


def test_json_is_one_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bad.png").write_bytes(b"")
    assert upscale("a.png", "bad.png", "--json") == 4
    document = json.loads(capsys.readouterr().out)
    assert document["model"] == str(folder / "shipped" / "x2.safetensors")
    assert document["scale"] == 2
    (entry,) = document["files"]
    assert (entry["input"], entry["output"], entry["width"], entry["height"]) == ("a.png", "a_x2.png", 14, 18)
    assert entry["seconds"] >= 0
    assert document["failed"] == [{"input": "bad.png", "error": "the file is empty"}]


def test_scale_and_remarks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_run(folder / "runs" / "same", "identity", 1)
    write_image("b.png", TaggedImage.from_float(random_image(3, 4, 4)))
    assert upscale("a.png", "b.png", "--model", "same") == 0
    output = capsys.readouterr()
    assert output.out.split() == ["a_x1.png", "b_x1.png"]
    assert output.err.count("--scale 2 enlarges first") == 1
    assert upscale("a.png", "--model", "same", "--scale", "3") == 0
    output = capsys.readouterr()
    assert output.out == "a_x3.png\n"
    assert "enlarged x3 (bilinear)" in output.err
    assert upscale("a.png", "--model", "double", "--scale", "3") == 2
    assert "use --scale 2" in capsys.readouterr().err


def test_metadata_frame_and_tile(folder: Path) -> None:
    write_image("d.png", TaggedImage(_pixels(90, 80, 3), Tags(dpi=(300.0, 300.0))))
    assert upscale("d.png", "--tile", "32") == 0
    assert read_image("d_x2.png").tags.dpi == pytest.approx((300, 300), abs=0.1)
    assert upscale("d.png", "--metadata", "strip", "-o", "e.png", "--frame", "0") == 0
    assert read_image("e.png").tags.dpi is None
    assert np.abs(read_image("e.png").color - read_image("d_x2.png").color).max() <= 1.01 / 255


@pytest.mark.parametrize("name", ["two words.png", "é'\"🙂.png", "-dash.png", "UPPER.PNG"])
def test_odd_names(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.png").rename(name)
    assert upscale("--model", "double", "--", name) == 0
    stem, suffix = os.path.splitext(name)
    assert capsys.readouterr().out == f"{stem}_x2{suffix}\n"


# ---------------------------------------------------------------- what it refuses


def test_a_single_bad_image_is_a_data_problem(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bad.png").write_text("text")
    assert upscale("bad.png") == 3
    assert upscale("a.png", "--max-pixels", "10") == 3
    assert upscale("missing.png") == 3
    (folder / "empty").mkdir()
    assert upscale("empty") == 3
    output = capsys.readouterr()
    assert output.out == ""
    assert "--max-pixels 63" in output.err
    assert upscale("bad.png", "missing.png") == 3
    assert "None" not in capsys.readouterr().err
    assert "no images\nempty" in output.err


def test_nothing_is_overwritten_unasked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a_x2.png").write_bytes(b"precious")
    assert upscale("a.png") == 4
    assert "--overwrite" in capsys.readouterr().err
    assert (folder / "a_x2.png").read_bytes() == b"precious"
    assert upscale("a.png", "--overwrite") == 0
    assert read_image("a_x2.png").color.shape == (3, 18, 14)


def test_inputs_and_fresh_results_are_safe_even_from_overwrite(folder: Path) -> None:
    before = (folder / "a.png").read_bytes()
    (folder / "sub").mkdir()
    write_image("sub/a.png", TaggedImage.from_float(random_image(3, 4, 4)))
    (folder / "link.png").symlink_to("a.png")
    assert upscale("a.png", "-o", "a.png", "--overwrite") == 4
    assert upscale("a.png", "-o", "./sub/../a.png", "--overwrite") == 4
    assert upscale("a.png", "-o", "link.png", "--overwrite") == 4
    assert (folder / "a.png").read_bytes() == before
    assert upscale("a.png", "sub/a.png", "-o", "out", "--overwrite") == 0
    assert read_image("out/a_x2.png").color.shape == (3, 18, 14)
    assert read_image("out/sub/a_x2.png").color.shape == (3, 8, 8)


def test_wrong_outputs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image("b.png", TaggedImage.from_float(random_image(3, 4, 4)))
    (folder / "file").touch()
    assert upscale("a.png", "b.png", "-o", "one.png") == 2
    assert upscale("a.png", "-o", "a.gif") == 4
    assert upscale("a.png", "b.png", "-o", "file") == 5
    assert upscale("a.png", "-o", "file/x.png") == 4
    assert upscale("a.png", "-o", f"{'猫' * 84}.png") == 4
    err = capsys.readouterr().err
    assert "name a folder" in err
    assert err.count("name another folder") == 2
    assert "a shorter name" in err
    assert "cannot write .gif" in err
    assert {"one.png", "a.gif"}.isdisjoint(_names(folder))


def test_no_model_and_wrong_models(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert upscale("a.png", "--scale", "8.5") == 2
    assert "srae-train" in capsys.readouterr().err
    assert upscale("a.png", "--model", "doubel") == 2
    data = bytearray((folder / "runs/double/model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "damaged.safetensors").write_bytes(data)
    assert upscale("a.png", "--model", "damaged.safetensors") == 7
    assert upscale("a.png", "--model", "a.png") == 7
    assert _names(folder) == ["a.png", "damaged.safetensors", "runs", "shipped"]


@pytest.mark.parametrize(
    "flag",
    [
        *(("--scale", text) for text in ("0", "x", "0.5", "-2", "1/0", "nan", "inf")),
        *(("--tile", "-3"), ("--frame", "-1"), ("--max-pixels", "1e6"), ("--width", "0"), ("--height", "1.5")),
    ],
)
def test_flags_are_checked(flag: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        upscale("a.png", *flag)
    assert caught.value.code == 2
    assert "needs a " in capsys.readouterr().err


def test_a_bar_only_on_a_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image("b.png", TaggedImage.from_float(random_image(3, 4, 4)))
    assert upscale("a.png", "b.png") == 0
    assert "%" not in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert upscale("a.png", "b.png", "--overwrite") == 0
    output = capsys.readouterr()
    assert "100%" in output.err or "0%" in output.err
    assert output.out.split() == ["a_x2.png", "b_x2.png"]


# ---------------------------------------------------------------- formats and choices


@pytest.mark.parametrize(("wanted", "suffix"), [("png", ".png"), ("jpg", ".jpg"), ("webp", ".webp"), ("tiff", ".tiff")])
def test_formats(folder: Path, wanted: str, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert upscale("a.png", "--format", wanted) == 0
    assert capsys.readouterr().out == f"a_x2{suffix}\n"
    with Image.open(f"a_x2{suffix}") as image:
        assert image.format == {"jpg": "JPEG"}.get(wanted, wanted.upper())
        assert image.size == (14, 18)


def test_quality(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image("n.png", TaggedImage(_pixels(60, 50, 3)))
    sizes = []
    for quality in ("10", "95"):
        assert upscale("n.png", "--format", "webp", "--quality", quality, "--overwrite") == 0
        sizes.append(Path("n_x2.webp").stat().st_size)
    assert upscale("n.png", "--format", "webp", "--overwrite") == 0
    assert 2 * sizes[0] < sizes[1] < Path("n_x2.webp").stat().st_size
    assert "changes nothing" not in capsys.readouterr().err
    assert upscale("n.png", "--quality", "10") == 0
    assert "PNG loses nothing: --quality changes nothing" in capsys.readouterr().err
    for wrong in ("0", "101", "high"):
        with pytest.raises(SystemExit):
            upscale("n.png", "--quality", wrong)
        assert "from 1 to 100" in capsys.readouterr().err


def test_16_bits_stay_or_are_told_to_go(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for channels in (1, 3, 4):
        pixels = _pixels(12, 9, channels, 65_535)
        if channels == 4:
            pixels[:, :, 3] = 65_535
        write_image(f"{channels}.tif", TaggedImage(pixels))
        assert upscale(f"{channels}.tif", "--format", "png") == 0
        result = read_image(f"{channels}_x2.png")
        assert result.pixels.dtype == np.uint16
        wanted = resize(read_image(f"{channels}.tif").color, (24, 18), "bicubic").clip(0, 1)
        assert np.abs(result.color - wanted).max() < 1.01 / 65_535
    assert "16 become 8" not in capsys.readouterr().err
    assert upscale("3.tif", "--format", "jpg") == 0
    assert "JPEG holds 8 bits a colour: 16 become 8" in capsys.readouterr().err


def test_transparency_is_refused_before_anything_is_computed(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image("t.png", TaggedImage(_pixels(12, 9, 4)))
    monkeypatch.setattr("srae.models.baselines.Bicubic.forward", None)
    assert upscale("t.png", "--format", "jpg") == 4
    assert "JPEG cannot hold transparency" in capsys.readouterr().err


def test_precision(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = TorchEngine.run

    def run(self: TorchEngine, batch: np.ndarray, precision: Precision) -> np.ndarray:
        asked.append(precision)
        return real(self, batch, precision)

    monkeypatch.setattr(TorchEngine, "run", run)
    assert upscale("a.png", "--precision", "bfloat16") == 0
    assert asked == ["bfloat16"]


def test_self_ensemble(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert upscale("a.png", "--self-ensemble", "-o", "b.png") == 0
    assert "8 times the work" in capsys.readouterr().err
    assert upscale("a.png") == 0
    assert np.abs(read_image("b.png").color - read_image("a_x2.png").color).max() < 1.01 / 255


def test_several_models_are_compared_on_one_strip(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = ("--model", "x2", "--model", "double")
    assert upscale("a.png", *models, "--compare", "--light") == 0
    assert read_image("a_x2_compare.png").pixels.shape[1:] == (1504, 3)
    for arguments in (models, ("--light",), ("--model", "x2", "--model", "zebra", "--compare")):
        assert upscale("a.png", *arguments, "--overwrite") == 2
    capsys.readouterr()
    assert upscale("a.png", "--model", "x2", "--model", "x4", "--compare", "--overwrite") == 2
    assert "x4" in capsys.readouterr().err


def test_compare(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert upscale("a.png", "--compare", "--json") == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["files"][0]["comparison"] == "a_x2_compare.png"
    assert "before and after: a_x2_compare.png" in output.err
    assert read_image("a_x2_compare.png").pixels.shape[1:] == (1008, 3)
    Path("a_x2.png").unlink()
    assert upscale("a.png", "--compare") == 4  # the comparison is not overwritten either
    assert "a_x2_compare.png" in capsys.readouterr().err
    assert not Path("a_x2.png").exists()
    assert upscale("a.png", "--compare", "--overwrite") == 0


# ------------------------------------------------------------------- many at a time


def test_a_batch_goes_on_where_it_was_stopped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "in").mkdir()
    for number in range(12):
        write_image(folder / "in" / f"{number}.png", TaggedImage(_pixels(5 + number, 6, 3)))
    (folder / "in" / "3.png").write_bytes(b"broken")
    (folder / "out").mkdir()
    for number in (0, 5):
        (folder / "out" / f"{number}_x2.png").write_bytes(b"precious")
    assert upscale("in", "-o", "out", "--json") == 4
    output = capsys.readouterr()
    document = json.loads(output.out)
    assert [entry["input"] for entry in document["files"]] == [f"in/{n}.png" for n in (1, 2, 4, 6, 7, 8, 9, 10, 11)]
    assert [entry["height"] for entry in document["files"]] == [2 * (5 + n) for n in (1, 2, 4, 6, 7, 8, 9, 10, 11)]
    assert document["skipped"] == [{"input": f"in/{n}.png", "output": f"out/{n}_x2.png"} for n in (0, 5)]
    assert [entry["input"] for entry in document["failed"]] == ["in/3.png"]
    assert "2 exist already: skipped" in output.err
    assert (folder / "out" / "0_x2.png").read_bytes() == b"precious"
    for number in (1, 11):
        assert read_image(f"out/{number}_x2.png").pixels.shape[0] == 2 * (5 + number)
    assert upscale("in/[4-6].png", "-o", "out") == 0
    assert "3 exist already" in capsys.readouterr().err


def test_large_images_have_the_memory_for_themselves(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is read ahead of a large image, and what was before it is written."""
    events: list[str] = []

    def read(path: Path, **options: Any) -> TaggedImage:
        events.append(f"read {path}")
        return read_image(path, **options)

    def write(path: Path, image: TaggedImage, **options: Any) -> None:
        write_image(path, image, **options)
        events.append(f"wrote {path}")

    monkeypatch.setattr("srae.upscaling.pipeline.read_image", read)
    monkeypatch.setattr("srae.upscaling.pipeline.write_image", write)
    monkeypatch.setattr("srae.upscaling.pipeline._LARGE", 4 * 100)
    for name, side in (("s1", 5), ("big", 20), ("s2", 5), ("s3", 5)):
        write_image(f"{name}.png", TaggedImage(_pixels(side, side, 3)))
    assert upscale("s1.png", "big.png", "s2.png", "s3.png") == 0
    assert events.index("wrote s1_x2.png") < events.index("read big.png")
    assert events.index("wrote big_x2.png") < events.index("read s2.png")
    assert capsys.readouterr().out.split() == ["s1_x2.png", "big_x2.png", "s2_x2.png", "s3_x2.png"]


def test_a_result_beyond_the_memory(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image("b.png", TaggedImage(_pixels(600, 500, 3)))
    monkeypatch.setattr("srae.memory.available_memory", lambda: 5_000_000)
    assert upscale("b.png") == 0
    assert upscale("b.png", "--format", "webp") == 5  # its encoder takes ten times the image
    assert "1000x1200 as WEBP: 0.1 GB of memory are needed, 0.0 GB are free" in capsys.readouterr().err
    assert "b_x2.webp" not in _names(folder)
