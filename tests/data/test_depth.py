"""Pairs of more than 8 bits, of floats and of bands: their values, their range, and what a run keeps of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from refusals import refuses
from srae.checkpoints.loading import load_model
from srae.config.data_sets import PairsConfig
from srae.config.loading import parse_config
from srae.config.stored import resolve_stored
from srae.config.yaml_text import dump_yaml
from srae.data import Data, Store, mapped, train_batches
from srae.data.check import check_pairs
from srae.errors import ConfigError, DataError
from srae.evaluation.score import score_model
from srae.images.tensors import to_float
from srae.runs.reader import read_config
from srae.studies.plan import find_state
from srae.training.prepare import prepare
from srae.upscaling.api import upscale
from toy_training import CPU, begin, resume
from toys import open_named

Writer = Callable[[Path, np.ndarray], None]
SIDE = 24


def smooth(seed: int, side: int = SIDE) -> np.ndarray:
    """Grey from 0 to 1, both of them reached, with far more than 256 values, (H, W)."""
    down, right = np.mgrid[:side, :side] / side
    waves = np.sin(5 * down + seed) + np.cos(4 * right * (1 + down) + 2 * seed)
    return (waves - waves.min()) / (waves.max() - waves.min())


def png(path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(path.with_suffix(".png"))


def tif(path: Path, pixels: np.ndarray, **options: Any) -> None:
    tifffile.imwrite(path.with_suffix(".tif"), pixels, **options)


def bands(path: Path, pixels: np.ndarray) -> None:
    """Samples of which nothing is said."""
    none = (0,) * (pixels.shape[2] - 1)
    tif(path, pixels, photometric="minisblack", planarconfig="contig", extrasamples=none)


def steps(most: int, dtype: type = np.uint16) -> Callable[[np.ndarray], np.ndarray]:
    return lambda grey: np.round(grey * most).astype(dtype)


def stacked(*factors: float, dtype: type = np.uint16) -> Callable[[np.ndarray], np.ndarray]:
    """Bands that differ."""
    most = np.iinfo(dtype).max
    return lambda grey: np.round(np.stack([grey * f for f in factors], -1) * most).astype(dtype)


def write(folder: Path, values: Callable[[np.ndarray], np.ndarray], put: Writer, count: int = 3) -> Path:
    """Pairs of x2, train and val, whose low images are means over four pixels."""
    for split, start in (("train", 0), ("val", 50)):
        for side in ("low_res", "high_res"):
            (folder / split / side).mkdir(parents=True)
        for i in range(count):
            high = smooth(start + i)
            low = high.reshape(SIDE // 2, 2, SIDE // 2, 2).mean((1, 3))
            put(folder / split / "high_res" / str(i), values(high))
            put(folder / split / "low_res" / str(i), values(low))
    return folder


def read_summary(run: Path) -> Any:
    return json.loads((run / "summary.json").read_text())


def settled(data: Data) -> PairsConfig:
    assert isinstance(data.section, PairsConfig)
    return data.section


def images(data: Data) -> Any:
    assert isinstance(data.val.target, Store)
    return to_float(data.val.target.gather([0, 1, 2])).numpy()


# ------------------------------------------------------------------------------ what is found

KINDS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Writer, list[float] | None, int]] = {
    "8 bits": (steps(255, np.uint8), png, None, 255),
    "8 bits in files of 16": (steps(200), png, [0, 255], 255),
    "10 bits": (steps(1023), png, [0, 1023], 1023),
    "10 bits, the whole not used": (steps(900), png, [0, 1023], 1023),
    "12 bits": (steps(4095), tif, [0, 4095], 4095),
    "16 bits": (steps(65_535), png, [0, 65_535], 65_535),
    "floats": (lambda grey: grey.astype(np.float32), tif, [0, 1], 65_535),
    "elevation": (lambda grey: (grey * 2500 - 500).astype(np.float32), tif, [-500, 2000], 65_535),
    "kelvin": (lambda grey: (grey * 20 + 280).astype(np.float32), tif, [0, 300], 65_535),
    "Hounsfield": (lambda grey: np.round(grey * 4095 - 1024).astype(np.int16), tif, [-1024, 3071], 65_535),
}
"""Values, writer, range that is found, largest level of the protocol."""
AS_BRIGHT = ("10 bits", "12 bits", "16 bits", "floats", "elevation", "Hounsfield")
"""Those that go from black to white."""


@pytest.mark.parametrize("kind", KINDS)
def test_the_range_is_found_and_every_value_kept(kind: str, tmp_path: Path) -> None:
    values, put, wanted, levels = KINDS[kind]
    data = open_named("pairs", folder=str(write(tmp_path, values, put)), channels="L")
    section = settled(data)
    assert (section.range, section.bits, section.levels) == (wanted, 8 if wanted is None else 16, levels)
    low, high = wanted or (0, 255)
    exact = np.stack([values(smooth(50 + i)).astype(np.float64) for i in range(3)])
    assert np.abs(images(data)[..., 0] - (exact - low) / (high - low)).max() <= 0.502 / (65_535 if wanted else 255)
    assert data.train.input.pixels[0].dtype == (torch.int16 if wanted else torch.uint8)


@pytest.mark.parametrize("kind", AS_BRIGHT)
def test_the_baseline_is_that_of_the_same_images_in_8_bits(kind: str, tmp_path: Path) -> None:
    """A depth that is taken for a darker image would raise it by 24 dB."""
    values, put, _, levels = KINDS[kind]
    session = prepare(_config(write(tmp_path, values, put)), CPU)
    reference = prepare(_config(write(tmp_path / "8", *KINDS["8 bits"][:2])), CPU)
    assert session.identity["psnr"] == pytest.approx(reference.identity["psnr"], abs=0.5)
    assert session.protocol.levels == levels
    assert ("levels" in session.protocol.as_dict()) == (levels != 255), "old protocols compare as before"


CROPS = {"crop": 8, "crops_per_picture": 2, "augment": ["vertical_flip"]}


@pytest.mark.parametrize("options", [{"augment": ["flip", "rotate"]}, CROPS], ids=str)
def test_batches_of_16_bits_are_those_of_8_where_the_values_are_equal(options: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, steps(255, np.uint8), png)
    keys = {"folder": str(tmp_path), "crop": options.get("crop")}
    few, many = (
        list(train_batches(open_named("pairs", bits=bits, **keys).train, batch_size=2, seed=1, epoch=1, **options))
        for bits in (8, 16)
    )
    for one, other in zip(few, many, strict=True):
        assert one.indices == other.indices
        assert torch.equal(one.input, other.input) and torch.equal(one.target, other.target)


@pytest.mark.parametrize(
    "options",
    [{}, {"degrade": {"scale": 2, "sizes": [0.5]}, "crop": 8}, {"degrade": {"scale": 2, "kernel": "photo"}}],
    ids=str,
)
@pytest.mark.parametrize("kind", ["12 bits", "elevation", "bands"])
def test_what_is_mapped_equals_what_is_kept_in_memory(
    kind: str, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, put = (stacked(1, 0.5), bands) if kind == "bands" else KINDS[kind][:2]
    channels = 2 if kind == "bands" else "L"
    folder = write(tmp_path / "pairs", values, put)
    keys = {"folder": str(folder / "train" / "high_res" if options else folder), "channels": channels, **options}
    if kind == "bands" and options.get("degrade", {}).get("kernel") == "photo":
        with refuses(ConfigError, "photo"):
            parse_config(dump_yaml({"model": {"name": "bicubic"}, "data": keys}), "toy")
        return
    expected = open_named("pairs", **keys)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(mapped, "SHARE", 0)
    for found in (open_named("pairs", **keys), open_named("pairs", **keys)):
        assert found.fingerprint == expected.fingerprint
        for ours, theirs in ((found.train, expected.train), (found.val, expected.val)):
            assert isinstance(ours.target, Store) and isinstance(theirs.target, Store)
            for a, b in ((ours.input, theirs.input), (ours.target, theirs.target)):
                assert all(torch.equal(a.image(i), b.image(i)) for i in range(len(b)))


def test_degrading_keeps_the_depth(tmp_path: Path) -> None:
    folder = write(tmp_path, steps(1023), png) / "train" / "high_res"
    data = open_named("pairs", folder=str(folder), channels="L", degrade={"scale": 2})
    low = to_float(data.train.input.gather([0]))
    assert len(low.unique()) > 100 and 0.9 < float(low.max()) <= 1


def test_images_of_8_bits_lie_beside_deeper_ones(tmp_path: Path) -> None:
    write(tmp_path, steps(4095), png)
    png(tmp_path / "val" / "high_res" / "0", steps(255, np.uint8)(smooth(50)))
    assert images(open_named("pairs", folder=str(tmp_path), channels="L"))[0].max() == 1


# ------------------------------------------------------------------------------ keys


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ("bits: 12", "data.bits"),
        ("channels: 17", "data.channels"),
        ("channels: true", "data.channels"),
        ("channels: rgb", "data.channels"),
        ("range: [5, 5]", "range"),
        ("range: [0, 4095, 1]", "data.range"),
        ("bits: 8, range: [0, 4095]", "range"),
        ("channels: 5, degrade: {kernel: photo}", "photo"),
        ("name: demo, bits: 16", "data.bits"),
        ("name: demo, channels: auto", "data.channels"),
    ],
)
def test_keys_that_cannot_be_meant_are_refused(keys: str, what: str) -> None:
    with refuses(ConfigError, what):
        parse_config(f"model: {{name: bicubic}}\ndata: {{{keys}}}", "toy")


def test_a_given_range_is_taken_and_what_it_clips_is_said(tmp_path: Path) -> None:
    folder = str(write(tmp_path, steps(4095), png))
    found = images(open_named("pairs", folder=folder, channels="L"))
    data = open_named("pairs", folder=folder, channels="L", range=[1000, 3000])
    assert np.abs(images(data) - ((found * 4095 - 1000) / 2000).clip(0, 1)).max() < 1e-4
    assert settled(data).levels == 65_535 and any("12 images" in note and "3000" in note for note in data.notes)


def test_8_bits_are_still_to_be_had(tmp_path: Path) -> None:
    """As srae 0.1.0 read 12 bits in files of 16: 17 levels; and now it says so."""
    data = open_named("pairs", folder=str(write(tmp_path, steps(4095), png)), channels="L", bits=8)
    assert len(np.unique(images(data))) == 17 and any("data.bits: 8" in note for note in data.notes)


def test_floats_beside_integers_of_another_unit_are_refused(tmp_path: Path) -> None:
    write(tmp_path, steps(4095), png)
    (tmp_path / "val" / "high_res" / "0.png").unlink()
    tif(tmp_path / "val" / "high_res" / "0", smooth(50).astype(np.float32))
    with refuses(DataError, "floats", tmp_path):
        open_named("pairs", folder=str(tmp_path), channels="L")


def test_the_pages_of_a_stack_are_no_images(tmp_path: Path) -> None:
    def put(path: Path, pixels: np.ndarray) -> None:
        tif(path, np.stack([pixels] * 3), photometric="minisblack")

    write(tmp_path, steps(255, np.uint8), put)
    problems = check_pairs(tmp_path).problems
    assert len(problems) == 12 and all("3" in p.what and "--frame" not in p.how_to_mend for p in problems)


# ------------------------------------------------------------------------------ bands


@pytest.mark.parametrize(
    ("factors", "put", "found"),
    [
        ((1, 0.5, 0.2, 0.9, 0.1), bands, 5),
        ((1, 0.5), bands, 2),
        ((1, 0.5, 0.2, 0.9), lambda path, p: tif(path, p, photometric="rgb", extrasamples=(0,)), 4),
        ((1, 0.5, 0.2, 0.9), lambda path, p: tif(path, p, photometric="rgb", extrasamples=(2,)), "RGB"),
        ((1, 0.5, 0.2), bands, "RGB"),
        ((1, 0.5, 0.2), lambda path, p: tif(path, p, photometric="rgb"), "RGB"),
    ],
    ids=["5 bands", "2 bands", "R, G, B, near infrared", "alpha", "three of grey", "colours"],
)
def test_auto_finds_bands_that_are_no_colours(factors: Any, put: Writer, found: Any, tmp_path: Path) -> None:
    data = open_named("pairs", folder=str(write(tmp_path, stacked(*factors), put)), channels="auto")
    assert settled(data).channels == found
    kept = images(data)[0]
    if isinstance(found, int):
        assert np.abs(kept - np.stack([smooth(50) * f for f in factors], -1)).max() < 1 / 65_535
    else:
        assert kept.shape[-1] == 3


def test_colours_of_files_with_bands_are_their_first_three_and_it_is_said(tmp_path: Path) -> None:
    write(tmp_path, stacked(1, 0.5, 0.2, 0.9, 0.1), bands)
    data = open_named("pairs", folder=str(tmp_path))
    assert data.in_shape[0] == 3
    for notes in (data.notes, check_pairs(tmp_path).notes):
        assert any("5 bands" in note and "data.channels: 5" in note for note in notes)
    with refuses(DataError, "data.channels"):
        open_named("pairs", folder=str(tmp_path), channels=4)


@pytest.mark.parametrize("floats", [False, True])
def test_8_bits_and_floats_have_bands_too(floats: bool, tmp_path: Path) -> None:
    values = stacked(1, 0.5, dtype=np.uint8)
    write(tmp_path, (lambda grey: values(grey).astype(np.float32) / 2) if floats else values, bands)
    data = open_named("pairs", folder=str(tmp_path), channels=2)
    assert settled(data).bits == (16 if floats else 8) and data.in_shape == (2, 12, 12)
    assert np.abs(images(data)[0, ..., 1] - smooth(50) / 2).max() < 0.005


# ------------------------------------------------------------------------------ runs


def _config(folder: Path, model: str = "{name: bicubic}", channels: object = "L") -> Any:
    data = f"data: {{folder: {folder}, channels: {channels}}}"
    return parse_config(f"model: {model}\n{data}\ntrain: {{epochs: 1, batch_size: 2}}\n", "toy")


RESIDUAL = "{name: residual, width: 4, blocks: 1, shrink: 1}"


def test_a_run_keeps_its_range_for_scoring_resuming_and_upscaling(tmp_path: Path) -> None:
    folder, dark = write(tmp_path / "a", steps(4095), png), write(tmp_path / "b", steps(700), png)
    run = begin(_config(folder, RESIDUAL), tmp_path / "runs")
    config, trained = read_config(run), load_model(run)
    assert config.data == trained.config.data
    assert (config.data.range, config.data.bits, config.data.levels) == ([0, 4095], 16, 4095)  # type: ignore[attr-defined]
    fingerprint = read_summary(run)["data"]["fingerprint"]

    own, other = score_model(trained), score_model(trained, folder=str(dark))
    assert own.document["protocol"]["levels"] == other.document["protocol"]["levels"] == 4095
    assert own.document["val"]["psnr"] == pytest.approx(read_summary(run)["val"]["psnr"], abs=1e-4)
    gain = other.document["identity"]["psnr"] - own.document["identity"]["psnr"]
    assert gain == pytest.approx(20 * np.log10(4095 / 700), abs=0.2), "700 of 4095 is dark, not a depth of its own"

    low = np.asarray(Image.open(dark / "val" / "low_res" / "0.png"))[:, :, None]
    high = np.asarray(Image.open(dark / "val" / "high_res" / "0.png"))[:, :, None]
    large = upscale(low, model=str(run))
    assert isinstance(large, np.ndarray) and large.dtype == np.uint16
    error = ((large.astype(float) - high) ** 2).mean()
    assert 10 * np.log10(4095**2 / error) == pytest.approx(other.columns["psnr"][0], abs=0.05)

    resume(parse_config((run / "config.yaml").read_text(), "toy", ["train.epochs=2"], stored=True), run)
    assert (read_summary(run)["data"]["fingerprint"], read_summary(run)["epochs"]) == (fingerprint, 2)


def test_a_study_knows_its_run_again_whose_range_was_found(tmp_path: Path) -> None:
    config = tmp_path / "toy.yaml"
    config.write_text(dump_yaml(_config(write(tmp_path / "a", steps(4095), png), RESIDUAL, "auto").model_dump()))
    run = begin(parse_config(config.read_text(), "toy"), tmp_path / "runs")
    assert find_state(run, config, []) == "done"
    with refuses(ConfigError, run):
        find_state(run, config, ["data.range=[0, 1023]"])


def test_a_run_from_before_the_choice_stays_in_8_bits(tmp_path: Path) -> None:
    """And one of 8-bit images, from before or today, is the same experiment."""
    deep, plain = write(tmp_path / "a", steps(4095), png), write(tmp_path / "b", steps(255, np.uint8), png)
    for folder in (deep, plain):
        config = _config(folder).model_dump()
        old = {**config, "data": {key: value for key, value in config["data"].items() if key not in ("bits", "range")}}
        parsed = parse_config(dump_yaml(old), "config.yaml", stored=True)
        assert parsed.data.bits == 8  # type: ignore[attr-defined]
        session = prepare(parsed, CPU)
        assert session.data.train.input.pixels[0].dtype == torch.uint8 and session.protocol.levels == 255
        today = prepare(_config(folder), CPU)
        assert (session.data.fingerprint == today.data.fingerprint) == (folder == plain)
        assert (resolve_stored(old) == resolve_stored(today.config.model_dump())) == (folder == plain)


MODELS = {
    "residual": (RESIDUAL, True),
    "espcn": ("{name: espcn}", True),
    "edsr": ("{name: edsr, width: 4, blocks: 1}", True),
    "conv_autoencoder": ("{name: conv_autoencoder, channels: [4, 4], plain_output: true}", False),
}


@pytest.mark.parametrize("name", MODELS)
def test_networks_train_on_bands_and_are_scored_over_all(name: str, tmp_path: Path) -> None:
    model, enlarges = MODELS[name]
    folder = write(tmp_path / "a", stacked(1, 0.5, 0.2, 0.9, 0.1), bands)
    if not enlarges:
        for split in ("train", "val"):
            for path in (folder / split / "high_res").iterdir():
                (folder / split / "low_res" / path.name).write_bytes(path.read_bytes())
    run = begin(_config(folder, model, 5), tmp_path / "runs")
    trained, summary = load_model(run), read_summary(run)
    assert trained.in_shape[0] == 5 and "5" in summary["protocol"]["channels"]
    scores = score_model(trained, folder=str(folder)).document
    assert scores["val"]["mse"] == pytest.approx(summary["val"]["mse"], rel=1e-4)
    with Image.open(run / "samples" / "0_high.png") as sample:
        assert sample.mode == "RGB"
    with refuses(ConfigError, "--protocol", 5):
        score_model(trained, protocol="y")
    with refuses(ConfigError, 5, "srae eval"):
        upscale(np.zeros((8, 8, 3), np.uint8), model=str(run))


def test_two_bands_are_shown_by_the_first(tmp_path: Path) -> None:
    run = begin(_config(write(tmp_path / "a", stacked(1, 0.5), bands), RESIDUAL, 2), tmp_path / "runs")
    with Image.open(run / "samples" / "0_high.png") as sample:
        assert sample.mode == "L"
