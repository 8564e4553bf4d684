"""`srae upscale` as a user meets it: names, exit codes, streams, and nothing overwritten."""

import errno
import json
import os
from pathlib import Path

import pytest
import torch

from conftest import Run
from srae.checkpoint import save_checkpoint
from srae.cli import run_verb
from srae.config import parse_config
from srae.data.degrade import resize
from srae.images import Picture, read_picture, write_picture
from srae.models import build_model


def _random(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _save_run(path: Path, name: str = "bicubic", scale: int = 2, psnr: float = 30.0) -> Path:
    """A finished run, as far as upscaling looks at it."""
    config = parse_config(f"model: {{name: {name}}}\ndata: {{folder: somewhere}}", "test")
    shapes = {"in_shape": (3, 8, 8), "out_shape": (3, 8 * scale, 8 * scale)}
    model = build_model(name, shapes["in_shape"], shapes["out_shape"], {})
    tensors = {f"model.{key}": value for key, value in model.state_dict().items()}
    path.mkdir(parents=True)
    meta = {"config": config.model_dump(mode="json"), **shapes, "data": {"name": "test"}}
    save_checkpoint(path / "model.safetensors", tensors or {"none": torch.zeros(1)}, meta, None)
    (path / "config.yaml").write_text("model: {name: bicubic}\n")
    summary = {"status": "done", "identity": {"psnr": 28.0}, "val": {"psnr": psnr}, "parameters": 5}
    (path / "summary.json").write_text(json.dumps(summary))
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with one run and one picture."""
    _save_run(tmp_path / "runs" / "double")
    write_picture(tmp_path / "a.png", Picture(_random(3, 9, 7)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def upscale(*arguments: str) -> int:
    return run_verb("upscale", list(arguments), "srae upscale")


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ------------------------------------------------------------------- what it writes


def test_the_command_itself(srae: Run, folder: Path) -> None:
    done = srae("upscale", "a.png", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "a_x2.png\n"
    assert "runs/double" in done.stderr
    assert "a.png 7x9 -> 14x18 in" in done.stderr
    wanted = resize(read_picture("a.png").color, (18, 14), "bicubic").clamp(0, 1)
    assert (read_picture("a_x2.png").color - wanted).abs().max() < 0.6 / 255


def test_without_model_the_run_that_gains_most_is_taken_and_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _save_run(folder / "runs" / "treble", scale=3, psnr=31.0)
    _save_run(folder / "elsewhere" / "fourfold", scale=4, psnr=20.0)
    assert upscale("a.png") == 0
    assert upscale("a.png", "--runs-dir", "elsewhere") == 0
    output = capsys.readouterr()
    assert output.out == "a_x3.png\na_x4.png\n"
    assert "runs/treble (best finished run: +3.00 dB" in output.err
    assert "elsewhere/fourfold" in output.err


@pytest.mark.parametrize("name", ["double", "runs/double", "runs/double/model.safetensors"])
def test_a_model_by_name_run_or_file(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert upscale("a.png", "--model", name) == 0
    assert capsys.readouterr().out == "a_x2.png\n"


def test_where_results_go(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_picture("b.JPG", Picture(_random(3, 4, 4)))
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
            assert read_picture(path).color.shape[1] in (8, 18)


def test_folders_and_their_own_results(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "in").mkdir()
    for name in ("10.png", "9.png"):
        write_picture(folder / "in" / name, Picture(_random(3, 4, 4)))
    (folder / "in" / "notes.txt").touch()
    assert upscale("in") == 0
    output = capsys.readouterr()
    assert output.out.split() == ["in/9_x2.png", "in/10_x2.png"]
    assert "1 entries passed over, they are no pictures" in output.err
    assert upscale("in") == 4  # both results are there
    assert upscale("in", "--overwrite") == 0
    assert len(_names(folder / "in")) == 5
    assert upscale("in", "-o", "out") == 0
    assert _names(folder / "out") == ["10_x2.png", "9_x2.png"]


def test_json_is_one_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bad.png").write_bytes(b"")
    assert upscale("a.png", "bad.png", "--json") == 4
    document = json.loads(capsys.readouterr().out)
    assert document["model"] == "runs/double/model.safetensors"
    assert document["scale"] == 2
    (entry,) = document["files"]
    assert (entry["input"], entry["output"], entry["width"], entry["height"]) == ("a.png", "a_x2.png", 14, 18)
    assert entry["seconds"] >= 0
    assert document["failed"] == [{"input": "bad.png", "error": "not a picture srae can read"}]


def test_scale_and_remarks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _save_run(folder / "runs" / "same", "identity", 1)
    write_picture("b.png", Picture(_random(3, 4, 4)))
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
    write_picture("d.png", Picture(_random(3, 90, 80), dpi=(300.0, 300.0)))
    assert upscale("d.png", "--tile", "32") == 0
    assert read_picture("d_x2.png").dpi == pytest.approx((300, 300), abs=0.1)
    assert upscale("d.png", "--metadata", "strip", "-o", "e.png", "--frame", "0") == 0
    assert read_picture("e.png").dpi is None
    assert (read_picture("e.png").color - read_picture("d_x2.png").color).abs().max() <= 1.01 / 255


@pytest.mark.parametrize("name", ["two words.png", "é'\"🙂.png", "-dash.png", "UPPER.PNG"])
def test_odd_names(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.png").rename(name)
    assert upscale("--model", "double", "--", name) == 0
    stem, suffix = os.path.splitext(name)
    assert capsys.readouterr().out == f"{stem}_x2{suffix}\n"


# ---------------------------------------------------------------- what it refuses


def test_unreadable_pictures_are_named_and_the_rest_goes_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (folder / "a.png").read_bytes()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    assert upscale("half.png", "missing.png", "a.png") == 4
    output = capsys.readouterr()
    assert output.out == "a_x2.png\n"
    assert "failed half.png: damaged picture" in output.err
    assert "failed missing.png: cannot read picture: No such file" in output.err
    assert "2 of 3 pictures failed" in output.err
    assert "half_x2.png" not in _names(folder)


def test_a_single_bad_picture_is_a_data_problem(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bad.png").write_text("text")
    assert upscale("bad.png") == 3
    assert upscale("a.png", "--max-pixels", "10") == 3
    assert upscale("missing.png") == 3
    (folder / "empty").mkdir()
    assert upscale("empty") == 3
    output = capsys.readouterr()
    assert output.out == ""
    assert "--max-pixels 63" in output.err
    assert "no pictures\nempty" in output.err


def test_nothing_is_overwritten_unasked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a_x2.png").write_bytes(b"precious")
    assert upscale("a.png") == 4
    assert "--overwrite" in capsys.readouterr().err
    assert (folder / "a_x2.png").read_bytes() == b"precious"
    assert upscale("a.png", "--overwrite") == 0
    assert read_picture("a_x2.png").color.shape == (3, 18, 14)


def test_inputs_and_fresh_results_are_safe_even_from_overwrite(folder: Path) -> None:
    before = (folder / "a.png").read_bytes()
    (folder / "sub").mkdir()
    write_picture("sub/a.png", Picture(_random(3, 4, 4)))
    (folder / "link.png").symlink_to("a.png")
    assert upscale("a.png", "-o", "a.png", "--overwrite") == 4
    assert upscale("a.png", "-o", "./sub/../a.png", "--overwrite") == 4
    assert upscale("a.png", "-o", "link.png", "--overwrite") == 4
    assert (folder / "a.png").read_bytes() == before
    assert upscale("a.png", "sub/a.png", "-o", "out", "--overwrite") == 4
    assert read_picture("out/a_x2.png").color.shape == (3, 18, 14)


def test_a_full_disk_leaves_no_part(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = _names(folder)
    monkeypatch.setattr(os, "fsync", full)
    assert upscale("a.png") == 4
    assert "disk is full" in capsys.readouterr().err
    assert _names(folder) == before


def test_too_little_memory_is_exit_5(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def starve(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    monkeypatch.setattr("srae.models.baselines.Bicubic.forward", starve)
    assert upscale("a.png") == 5
    assert "not enough memory" in capsys.readouterr().err
    assert "a_x2.png" not in _names(folder)


def test_wrong_outputs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_picture("b.png", Picture(_random(3, 4, 4)))
    (folder / "file").touch()
    assert upscale("a.png", "b.png", "-o", "one.png") == 2
    assert upscale("a.png", "-o", "a.gif") == 4
    assert upscale("a.png", "b.png", "-o", "file") == 5
    assert upscale("a.png", "-o", "file/x.png") == 4
    err = capsys.readouterr().err
    assert "name a folder" in err
    assert "cannot write .gif" in err
    assert {"one.png", "a.gif"}.isdisjoint(_names(folder))


def test_no_model_and_wrong_models(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert upscale("a.png", "--runs-dir", "nowhere") == 2
    assert "srae-train" in capsys.readouterr().err
    assert upscale("a.png", "--model", "doubel") == 2
    data = bytearray((folder / "runs/double/model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "damaged.safetensors").write_bytes(data)
    assert upscale("a.png", "--model", "damaged.safetensors") == 7
    assert upscale("a.png", "--model", "a.png") == 7
    assert _names(folder) == ["a.png", "damaged.safetensors", "runs"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_where_there_is_none(folder: Path) -> None:
    assert upscale("a.png", "--device", "cuda") == 5
    assert upscale("a.png", "--device", "auto") == 0


@pytest.mark.parametrize(
    "flag", [("--scale", "0"), ("--scale", "x"), ("--tile", "-3"), ("--frame", "-1"), ("--max-pixels", "1e6")]
)
def test_flags_are_checked(flag: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        upscale("a.png", *flag)
    assert caught.value.code == 2
    assert "needs a whole number" in capsys.readouterr().err


def test_a_bar_only_on_a_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_picture("b.png", Picture(_random(3, 4, 4)))
    assert upscale("a.png", "b.png") == 0
    assert "%" not in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert upscale("a.png", "b.png", "--overwrite") == 0
    output = capsys.readouterr()
    assert "100%" in output.err or "0%" in output.err
    assert output.out.split() == ["a_x2.png", "b_x2.png"]
