"""`srae.load_model` and `srae.upscale`: what goes in comes out, larger; everything else is refused in words."""

import io
import os
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

import srae
from one_process import run_python
from srae.checkpoints.format import save_checkpoint
from srae.config.loading import parse_config
from srae.errors import SraeError
from srae.images.image import read_image
from srae.images.resample import resize
from srae.models import build_model
from srae.upscaling import api
from srae.upscaling.network import Network


def _save(path: Path, name: str = "bicubic", scale: int = 2) -> Path:
    """A checkpoint, as far as upscaling looks at it."""
    config = parse_config(f"model: {{name: {name}}}\ndata: {{folder: somewhere}}", "test")
    shapes = {"in_shape": (3, 8, 8), "out_shape": (3, 8 * scale, 8 * scale)}
    model = build_model(name, shapes["in_shape"], shapes["out_shape"], {})
    tensors = {f"model.{key}": value for key, value in model.state_dict().items()}
    meta = {"config": config.model_dump(mode="json"), **shapes, "data": {"name": "test"}}
    save_checkpoint(path, tensors or {"none": torch.zeros(1)}, meta, None)
    return path


@pytest.fixture
def model(tmp_path: Path) -> srae.Model:
    return srae.load_model(_save(tmp_path / "double.safetensors"), device="cpu")


def _pixels(*shape: int, most: int = 255) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, most + 1, shape)


def _bicubic(pixels: np.ndarray, most: float = 1.0) -> np.ndarray:
    """(H, W, C) -> (2 H, 2 W, C), in the numbers of the input."""
    planes = torch.from_numpy(pixels.astype(np.float32) / most).permute(2, 0, 1)
    large = resize(planes, (2 * planes.shape[1], 2 * planes.shape[2]), "bicubic").clamp(0, 1)
    return large.permute(1, 2, 0).numpy() * most


# ----------------------------------------------------------------------- the package


def test_importing_srae_costs_nothing_and_keeps_its_names() -> None:
    code = (
        "import sys, srae\n"
        "assert not {'torch', 'numpy', 'PIL', 'srae.upscaling.api'} & set(sys.modules)\n"
        "assert {'load_model', 'upscale', 'Model'} <= set(dir(srae))\n"
        "import srae.cli.upscale, srae.upscaling.enlarge, srae.upscaling.pipeline\n"
        "assert callable(srae.upscale) and srae.upscale is srae.upscaling.api.upscale\n"
        "from srae import load_model, upscale\n"
    )
    run_python(code)
    assert all(hasattr(srae, name) for name in srae.__all__)
    with pytest.raises(AttributeError, match="no attribute 'upscael'"):
        srae.upscael  # noqa: B018


# ------------------------------------------------------------------------ load_model


def test_models_by_file_run_and_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "runs" / "mine"
    run.mkdir(parents=True)
    _save(run / "model.safetensors", scale=3)
    (run / "config.yaml").write_text("model: {name: bicubic}\n")
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "runs/mine", run, run / "model.safetensors"):
        assert srae.load_model(name, device="cpu").scale == 3
    assert srae.upscale(np.zeros((2, 2), np.uint8), model="mine").shape == (6, 6)
    with pytest.raises(SraeError, match="no model 'yours'"):
        srae.load_model("yours")
    with pytest.raises(ValueError, match="device is auto"):
        srae.load_model("mine", device="tpu")


def test_without_a_model_the_shipped_one_of_the_scale_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, scale in (("x2", 2), ("x4", 4)):
        _save(tmp_path / f"{name}.safetensors", scale=scale)
    monkeypatch.setattr("srae.checkpoints.shipped.FOLDER", tmp_path)
    image = np.zeros((3, 2, 3), np.uint8)
    assert srae.upscale(image).shape == (6, 4, 3)
    assert srae.upscale(image, scale=4).shape == (12, 8, 3)
    assert srae.upscale(image, scale=8).shape == (24, 16, 3)
    with pytest.raises(SraeError, match="no shipped model enlarges by 9"):
        srae.upscale(image, scale=9)


@pytest.mark.parametrize(("scale", "size"), [(1.5, (5, 3)), (1.1, (3, 2)), (2.5, (8, 5)), (3, (9, 6)), (2.0, (6, 4))])
def test_a_scale_between_those_of_the_models(
    scale: float, size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, times in (("x2", 2), ("x3", 3)):
        _save(tmp_path / f"{name}.safetensors", scale=times)
    monkeypatch.setattr("srae.checkpoints.shipped.FOLDER", tmp_path)
    draw = np.random.default_rng(1)
    for image in (
        draw.integers(0, 256, (3, 2, 3), dtype=np.uint8),
        draw.integers(0, 65_536, (3, 2, 4), dtype=np.uint16),
        (draw.random((3, 2)) * 5).astype(np.float32),
    ):
        large = srae.upscale(image, scale=scale)
        assert (large.shape[:2], large.dtype, large.ndim) == (size, image.dtype, image.ndim)
    assert srae.upscale(torch.zeros(2, 3, 3, 2), scale=scale).shape == (2, 3, *size)
    assert srae.upscale(Image.new("RGBA", (2, 3)), scale=scale).size == size[::-1]


# ---------------------------------------------------------------- models that are kept


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the model files that were read since."""
    names: list[str] = []
    real = api.open_network

    def load(path: Path, **options: str) -> Network:
        names.append(Path(path).stem)
        return real(path, **options)

    monkeypatch.setattr(api, "open_network", load)
    monkeypatch.setattr(api, "_kept", OrderedDict())
    return names


def test_a_model_given_by_name_is_read_once_until_its_file_changes(tmp_path: Path, loaded: list[str]) -> None:
    path, image = _save(tmp_path / "mine.safetensors"), np.zeros((2, 2), np.uint8)
    for _ in range(3):
        assert srae.upscale(image, model=path).shape == (4, 4)
    assert loaded == ["mine"]
    about = path.stat()
    _save(path, scale=3)
    assert srae.upscale(image, model=path).shape == (6, 6)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns + 10**9))
    srae.upscale(image, model=path)
    assert loaded == ["mine"] * 3
    assert srae.load_model(path, "cpu").chain[0] is not srae.load_model(path, "cpu").chain[0]  # those are the caller's
    path.unlink()
    with pytest.raises(SraeError):
        srae.upscale(image, model=path)


def test_only_the_last_few_models_are_kept(tmp_path: Path, loaded: list[str]) -> None:
    image = np.zeros((2, 2), np.uint8)
    paths = {name: _save(tmp_path / f"{name}.safetensors") for name in "abcde"}
    for name in "abcdaeab":  # e takes the place of b
        srae.upscale(image, model=paths[name])
    assert loaded == list("abcdeb") and len(api._kept) == api._KEPT_MODELS


def test_threads_that_begin_at_once_read_a_model_once(tmp_path: Path, loaded: list[str]) -> None:
    path, start = _save(tmp_path / "mine.safetensors"), threading.Barrier(8)
    image = _pixels(5, 6, 3).astype(np.uint8)
    expected = srae.upscale(image, model=srae.load_model(path, "cpu"))
    loaded.clear()

    def work(_: int) -> np.ndarray:
        start.wait(60)
        return srae.upscale(image, model=path)

    with ThreadPoolExecutor(8) as pool:
        for large in pool.map(work, range(8)):
            assert np.array_equal(large, expected)
    assert loaded == ["mine"]


# ---------------------------------------------------------------------------- arrays


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1), (9, 7, 3), (9, 7, 4), (1, 1), (1, 30, 3)])
@pytest.mark.parametrize(("dtype", "most"), [(np.uint8, 255), (np.uint16, 65_535), (np.float32, 1.0)])
def test_arrays(model: srae.Model, shape: tuple[int, ...], dtype: type, most: float) -> None:
    pixels = (_pixels(*shape) / 255 * most).astype(dtype)
    if shape[-1] == 4:
        pixels[:, :, 3] = most
    before = pixels.copy()
    large = srae.upscale(pixels, model=model)
    assert large.dtype == pixels.dtype
    assert large.shape == (2 * shape[0], 2 * shape[1], *shape[2:])
    assert large.flags.c_contiguous
    assert np.array_equal(pixels, before)
    solid = pixels.reshape(*shape[:2], -1)
    error = np.abs(large.reshape(*large.shape[:2], -1) - _bicubic(solid, most))
    assert error.max() <= (1e-5 if dtype == np.float32 else 0.51)


def test_strides_and_orders_do_not_matter(model: srae.Model) -> None:
    pixels = _pixels(20, 30, 3).astype(np.uint8)
    whole = srae.upscale(np.ascontiguousarray(pixels[::2, ::-1]), model=model)
    assert np.array_equal(srae.upscale(pixels[::2, ::-1], model=model), whole)
    assert np.array_equal(srae.upscale(np.asfortranarray(pixels[::2, ::-1]), model=model), whole)
    read_only = pixels[::2, ::-1].copy()
    read_only.flags.writeable = False
    assert np.array_equal(srae.upscale(read_only, model=model), whole)


def test_options_reach_the_network(model: srae.Model) -> None:
    pixels = (_pixels(70, 50, 3) / 255).astype(np.float32)
    plain = srae.upscale(pixels, model=model)
    for options in ({"tile": 24}, {"self_ensemble": True}, {"scale": 2}):
        assert np.abs(srae.upscale(pixels, model=model, **options) - plain).max() < 1e-5
    with pytest.raises(SraeError, match="enlarges by 2, not by 3"):
        srae.upscale(pixels, model=model, scale=3)


# --------------------------------------------------------------------------- tensors


@pytest.mark.parametrize("shape", [(3, 9, 7), (1, 9, 7), (4, 9, 7), (2, 3, 9, 7), (1, 1, 5, 6)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_tensors(model: srae.Model, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    image = torch.from_numpy(_pixels(*shape) / 255).to(dtype)
    if shape[-3] == 4:
        image[-1] = 1
    large = srae.upscale(image.requires_grad_(), model=model)
    assert large.dtype == dtype
    assert not large.requires_grad
    assert large.shape == (*shape[:-2], 2 * shape[-2], 2 * shape[-1])
    wanted = resize(image.detach().float(), tuple(large.shape[-2:]), "bicubic").clamp(0, 1)  # type: ignore[arg-type]
    assert (large.float() - wanted).abs().max() < 8e-3


# ---------------------------------------------------------------------------- Pillow


@pytest.mark.parametrize(
    ("mode", "result"),
    [("L", "L"), ("LA", "LA"), ("RGB", "RGB"), ("RGBA", "RGBA"), ("1", "L"), ("CMYK", "RGB"), ("P", "RGB"),
     ("I;16", "I;16"), ("YCbCr", "RGB"), ("HSV", "RGB"), ("La", "LA"), ("RGBa", "RGBA"), ("F", "F")],
)  # fmt: skip
def test_images(model: srae.Model, mode: str, result: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(_pixels(9, 7, most=65_535).astype(np.uint16))
    else:
        image = (
            Image.fromarray(_pixels(9, 7, 4).astype(np.uint8)).convert("LA" if mode == "LA" else "RGB").convert(mode)
        )
    large = srae.upscale(image, model=model)
    assert large.mode == result
    assert large.size == (14, 18)
    if result in ("L", "RGB", "I;16"):
        most = 65_535 if mode == "I;16" else 255
        solid = np.asarray(image if mode == "I;16" else image.convert(result)).reshape(9, 7, -1)
        assert np.abs(np.asarray(large).reshape(18, 14, -1) - _bicubic(solid, most)).max() <= 0.51


def test_lab_and_cmyk_become_srgb_as_their_files_do(model: srae.Model, tmp_path: Path) -> None:
    """And what remains of their profile would be wrong."""
    smooth = Image.fromarray(_pixels(4, 4, 3).astype(np.uint8)).resize((32, 24), Image.Resampling.BICUBIC)
    screen, lab_profile = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(smooth, screen, lab_profile, outputMode="LAB")
    assert lab is not None
    cmyk = smooth.convert("CMYK")
    for image, back in ((lab, smooth), (cmyk, cmyk.convert("RGB"))):
        image.info["icc_profile"] = ImageCms.ImageCmsProfile(lab_profile).tobytes()  # no profile of CMYK
        image.save(tmp_path / "a.tif", icc_profile=image.info["icc_profile"])
        found = read_image(tmp_path / "a.tif")
        assert found.tags.icc is None
        assert np.abs(found.pixels.astype(int) - np.asarray(back)).mean() < 2  # Lab in 8 bits
        large = srae.upscale(image, model=model)
        assert "icc_profile" not in large.info
        assert np.array_equal(np.asarray(large), np.asarray(srae.upscale(Image.fromarray(found.pixels), model=model)))


def test_integers_of_16_bits_in_the_other_order_and_of_32_bits(model: srae.Model) -> None:
    values = _pixels(9, 7, most=65_535).astype(np.uint16)
    wanted = srae.upscale(values, model=model)
    for image in (Image.frombuffer("I;16B", (7, 9), values.astype(">u2"), "raw", "I;16B", 0, 1),
                  Image.fromarray(values.astype(np.int32))):  # fmt: skip
        large = srae.upscale(image, model=model)
        assert large.mode == "I;16"
        assert np.array_equal(np.asarray(large), wanted)
    assert srae.upscale(Image.fromarray(values.astype(np.int32) - 70_000), model=model).mode == "F"


@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_arrays_of_the_other_byte_order(model: srae.Model, dtype: str) -> None:
    values = _pixels(9, 7, 3).astype(dtype)
    other = srae.upscale(values.astype(values.dtype.newbyteorder()), model=model)
    assert np.array_equal(other, srae.upscale(values, model=model))


def test_images_keep_what_belongs_to_them(model: srae.Model) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file = io.BytesIO()
    Image.fromarray(_pixels(9, 7, 3).astype(np.uint8)).save(file, "PNG", icc_profile=icc, dpi=(300, 300))
    large = srae.upscale(Image.open(file), model=model)
    assert large.info["icc_profile"] == icc
    again = io.BytesIO()
    large.save(again, "PNG", dpi=large.info["dpi"])
    assert Image.open(again).info["icc_profile"] == icc


# --------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("image", "kind", "words"),
    [
        ("photo.jpg", TypeError, "a Pillow image, a NumPy array or a tensor, not str"),
        (np.zeros((4, 4), np.float64), TypeError, "float64: give uint8, uint16, or float32"),
        (np.zeros((4, 4), np.int64), TypeError, "int64"),
        (np.zeros((4, 4, 2), np.uint8), ValueError, r"\(4, 4, 2\)"),
        (np.zeros((3, 4, 4), np.uint8).reshape(1, 3, 4, 4), ValueError, r"\(1, 3, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, r"\(0, 4, 3\)"),
        (np.full((4, 4), np.nan, np.float32), ValueError, "finite"),
        (torch.zeros(4, 4), ValueError, r"\(4, 4\)"),
        (torch.zeros(5, 4, 3), ValueError, r"\(5, 4, 3\): give \(C, H, W\)"),
        (torch.zeros(2, 5, 4, 4), ValueError, r"\(2, 5, 4, 4\)"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), TypeError, "floats"),
        (torch.full((3, 4, 4), -torch.inf), ValueError, "finite"),
        (Image.fromarray(np.full((4, 4), np.inf, np.float32)), ValueError, "16 of 16 values are not finite"),
    ],
)
def test_other_things_are_refused_in_words(model: srae.Model, image: object, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        srae.upscale(image, model=model)  # type: ignore[type-var]


@pytest.mark.parametrize(
    "options",
    [
        *({"scale": scale} for scale in (0, 0.5, "2", True, float("nan"), float("inf"))),
        *({"tile": tile} for tile in (-1, True, 1.5)),
    ],
)
def test_options_are_checked(model: srae.Model, options: dict) -> None:
    with pytest.raises(ValueError, match="number of at least 1"):
        srae.upscale(np.zeros((4, 4), np.uint8), model=model, **options)


def test_the_precision_is_checked_and_reaches_the_network(model: srae.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="auto, float32, bfloat16"):
        srae.upscale(np.zeros((4, 4), np.uint8), model=model, precision="half")
    asked = []
    real = model.chain[0].engine.run
    monkeypatch.setattr(
        model.chain[0].engine, "run", lambda batch, precision: asked.append(precision) or real(batch, precision)
    )
    srae.upscale(np.zeros((4, 4, 3), np.uint8), model=model, precision="bfloat16")
    assert asked == ["bfloat16"]


def test_models_are_checked() -> None:
    with pytest.raises(TypeError, match="what load_model gives; not int"):
        srae.upscale(np.zeros((4, 4), np.uint8), model=3)  # type: ignore[arg-type]
