"""Networks of others through spandrel: what loads, what is measured of it, and what is refused."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Callable
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from refusals import refuses
from srae.checkpoints import remembered
from srae.checkpoints.foreign import ForeignModel, is_foreign, load_foreign
from srae.checkpoints.loading import read_geometry
from srae.checkpoints.shipped import shipped_models
from srae.errors import CheckpointError
from srae.evaluation.forward import forward_in_pieces as upscale

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # spandrel's own
    spandrel = pytest.importorskip("spandrel", reason="the extra spandrel is not installed")
    from spandrel.architectures.Compact import Compact
    from spandrel.architectures.DITN import DITN
    from spandrel.architectures.DnCNN import DnCNN
    from spandrel.architectures.ESRGAN import ESRGAN
    from spandrel.architectures.PLKSR import RealPLKSR
    from spandrel.architectures.SAFMN import SAFMN
    from spandrel.architectures.SPAN import SPAN
    from spandrel.architectures.SwinIR import SwinIR
    from spandrel.architectures.Uformer import Uformer


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def weights_of(build: Callable[..., nn.Module], **options: Any) -> dict[str, Tensor]:
    """Random weights, those of the last layers smaller so that outputs stay within [0, 1] and nothing is cut off."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return build(**options).state_dict()


def write(path: Path, weights: dict[str, Tensor], stated: dict[str, str] | None = None) -> Path:
    if path.suffix == ".safetensors":
        save_file({name: tensor.clone() for name, tensor in weights.items()}, path, stated)
    else:
        torch.save({"params": weights}, path)
    return path


COMPACT = {"num_feat": 8, "num_conv": 3}
NETWORKS: dict[str, tuple[Callable[..., nn.Module], dict[str, Any], dict[str, Any]]] = {
    # name: network, its options, what is found of it
    "compact_x2": (Compact, COMPACT | {"upscale": 2}, {"scale": 2, "radius": 5}),
    "compact_x4": (Compact, COMPACT | {"upscale": 4}, {"scale": 4, "radius": 5}),
    "compact_grey": (Compact, COMPACT | {"upscale": 2, "num_in_ch": 1, "num_out_ch": 1}, {"scale": 2, "channels": 1}),
    "compact_rgba": (Compact, COMPACT | {"upscale": 1, "num_in_ch": 4, "num_out_ch": 4}, {"scale": 1, "channels": 4}),
    "span": (SPAN, {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 4, "upscale": 2}, {"scale": 2}),
    "safmn": (SAFMN, {"dim": 8, "n_blocks": 2, "upscaling_factor": 2}, {"scale": 2, "multiple_of": 8}),
    "plksr": (RealPLKSR, {"dim": 8, "n_blocks": 2, "upscaling_factor": 2}, {"scale": 2}),
    "esrgan": (ESRGAN, {"num_filters": 4, "num_blocks": 1, "scale": 2}, {"scale": 2, "smallest": 2}),
    "esrgan_unshuffled": (
        ESRGAN,
        {"in_nc": 12, "num_filters": 4, "num_blocks": 1, "scale": 4, "shuffle_factor": 2},
        {"scale": 2, "multiple_of": 4},
    ),
    "dncnn": (DnCNN, {"in_nc": 1, "out_nc": 1, "nc": 8, "nb": 4}, {"scale": 1, "channels": 1, "radius": 4}),
}


def find_facts(model: ForeignModel) -> dict[str, Any]:
    geometry = model.facts.geometry
    return {
        "scale": geometry.scale,
        "channels": model.facts.channels,
        "multiple_of": geometry.multiple_of,
        "smallest": geometry.smallest,
        "radius": geometry.receptive_radius,
    }


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_measured_and_tiles_equal_the_whole(name: str, tmp_path: Path) -> None:
    build, options, expected = NETWORKS[name]
    loaded = load_foreign(write(tmp_path / f"{name}.pth", weights_of(build, **options)))
    found = find_facts(loaded)
    assert {key: found[key] for key in expected} == expected
    geometry = loaded.facts.geometry
    assert geometry == read_geometry(loaded.model) if geometry.smallest == 1 else geometry.receptive_radius is not None
    image = torch.rand(loaded.facts.channels, 88, 121, generator=torch.Generator().manual_seed(0))
    whole = upscale(loaded.model, image)
    assert whole.shape == (loaded.facts.channels, 88 * geometry.scale, 121 * geometry.scale)
    tile = 2 * geometry.margin + 48
    # PLKSR normalizes by means over the whole image.
    limit = 1 / 255 if name == "plksr" else 1e-5
    assert (upscale(loaded.model, image, tile=tile) - whole).abs().max() < limit
    assert not loaded.model.training and loaded.licence is None


def test_safetensors_are_as_pth_and_state_a_licence(tmp_path: Path) -> None:
    weights = weights_of(Compact, **COMPACT, upscale=2)
    by_pth = load_foreign(write(tmp_path / "a.pth", weights))
    file = write(tmp_path / "a.safetensors", weights, {"license": "CC-BY-4.0"})
    loaded = load_foreign(file)
    assert (loaded.licence, loaded.facts, loaded.architecture) == ("CC-BY-4.0", by_pth.facts, by_pth.architecture)
    image = torch.rand(1, 3, 9, 10)
    assert torch.equal(loaded.model(image), by_pth.model(image))
    assert torch.equal(load_foreign(write(tmp_path / "a.pt", weights)).model(image), by_pth.model(image))


def test_half_precision_weights_become_float32(tmp_path: Path) -> None:
    halves = {name: tensor.half() for name, tensor in weights_of(Compact, **COMPACT, upscale=2).items()}
    loaded = load_foreign(write(tmp_path / "a.pth", halves))
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2), (9, 40)])
def test_images_smaller_than_it_takes_are_enlarged(size: tuple[int, int], tmp_path: Path) -> None:
    loaded = load_foreign(write(tmp_path / "a.pth", weights_of(SAFMN, dim=8, n_blocks=1, upscaling_factor=2)))
    assert upscale(loaded.model, torch.rand(3, *size)).shape == (3, 2 * size[0], 2 * size[1])


def test_tiles_are_not_used_where_spandrel_discourages_them(tmp_path: Path) -> None:
    options = {"img_size": 16, "embed_dim": 8, "depths": [2], "num_heads": [2], "window_size": 8, "upscale": 2}
    weights = weights_of(SwinIR, **options, upsampler="pixelshuffledirect")
    assert load_foreign(write(tmp_path / "a.pth", weights)).facts.geometry.sees_all


def test_hidden_windows_are_found(tmp_path: Path) -> None:
    weights = weights_of(DITN, dim=8, UFONE_blocks=1, ITL_blocks=1, SAL_blocks=1, patch_size=8, upscale=2)
    geometry = load_foreign(write(tmp_path / "a.pth", weights)).facts.geometry
    assert geometry.multiple_of % 8 == 0


def test_square_images_become_windows(tmp_path: Path) -> None:
    weights = weights_of(Uformer, img_size=128, embed_dim=4, depths=[1] * 9, num_heads=[1] * 9, win_size=8)
    geometry = load_foreign(write(tmp_path / "a.pth", weights)).facts.geometry
    assert geometry.fixed_size == (256, 256) and geometry.scale == 1


# -------------------------------------------------------------------------- what is remembered


def test_a_file_is_measured_once(tmp_path: Path) -> None:
    file, said = write(tmp_path / "a.pth", weights_of(Compact, **COMPACT, upscale=2)), list[str]()
    first = load_foreign(file, said.append)
    assert load_foreign(file, said.append).facts == first.facts and len(said) == 1
    other = load_foreign(write(tmp_path / "a.pth", weights_of(Compact, num_feat=8, num_conv=4)), said.append)
    assert other.facts != first.facts and len(said) == 2


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 1}'])
def test_a_damaged_cache_is_ignored(content: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a.pth", weights_of(Compact, **COMPACT, upscale=2))
    first, place = load_foreign(file).facts, remembered._place()
    place.write_text(place.read_text().replace('"scale"', '"scales"') if content == '{"x": 1}' else content)
    assert load_foreign(file).facts == first


def test_a_cache_that_cannot_be_written_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "cache"))
    assert load_foreign(write(tmp_path / "a.pth", weights_of(Compact, **COMPACT, upscale=2))).facts.geometry.scale


# -------------------------------------------------------------------------- what is refused


def test_unknown_weights_are_refused_although_spandrel_says_nothing(tmp_path: Path) -> None:
    with refuses(CheckpointError, "spandrel", tmp_path / "a.pth"):
        load_foreign(write(tmp_path / "a.pth", {"head.0.weight": torch.zeros(3, 3, 3, 3)}))


def fused(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in weights.items() if ".sk." not in name and ".conv." not in name}


@pytest.mark.parametrize(
    ("weights", "named"),
    [
        (lambda: fused(weights_of(SPAN, num_in_ch=3, num_out_ch=3, feature_channels=8)), "fused"),
        (lambda: weights_of(Compact, **COMPACT, num_in_ch=2, num_out_ch=2), "2 channels"),
        (lambda: weights_of(Compact, **COMPACT, num_in_ch=1, num_out_ch=3, upscale=1), "channels"),
        (lambda: weights_of(Compact, **COMPACT) | {"body.2.weight": torch.zeros(1)}, "size mismatch"),
        (lambda: {}, "no architecture"),
        (lambda: torch.zeros(3), "damaged"),
        (lambda: "text", "damaged"),
    ],
)
def test_other_weights_are_refused(weights: Callable[[], Any], named: str, tmp_path: Path) -> None:
    file = tmp_path / "a.pth"
    torch.save(weights(), file)
    with refuses(CheckpointError, named, file):
        load_foreign(file)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt"])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("value", [Fraction(1, 3), print])
def test_objects_other_than_weights_are_refused(value: Any, legacy: bool, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"a{suffix}"
    torch.save(weights_of(Compact, **COMPACT) | {"x": value}, file, _use_new_zipfile_serialization=not legacy)
    with refuses(CheckpointError, file, ".safetensors"):
        load_foreign(file)


class Touch:
    """Its pickle runs a function when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".safetensors"])
@pytest.mark.parametrize("write_it", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_code_in_a_file_is_not_run(write_it: Callable, suffix: str, tmp_path: Path) -> None:
    trace, file = tmp_path / "trace", tmp_path / f"a{suffix}"
    write_it({"params": Touch(trace)}, file)
    with refuses(CheckpointError, file):
        load_foreign(file)
    assert not trace.exists()


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize("damage", ["empty", "cut", "text", "zip"])
def test_damaged_files_are_refused(damage: str, suffix: str, tmp_path: Path) -> None:
    file = write(tmp_path / f"a{suffix}", weights_of(Compact, **COMPACT))
    content = file.read_bytes()
    file.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "text": b"no weights\n"}.get(damage, b""))
    if damage == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a/data.txt", "nothing")
    with refuses(CheckpointError, file):
        load_foreign(file)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pth", tmp_path):
        with refuses(CheckpointError, path):
            load_foreign(path)


def test_a_missing_extra_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with refuses(CheckpointError, "pip install 'srae[spandrel]'"):
        load_foreign(tmp_path / "a.pth")


def test_own_files_are_told_from_those_of_others(tmp_path: Path) -> None:
    assert not any(map(is_foreign, shipped_models().values()))
    weights = weights_of(Compact, **COMPACT)
    for name in ("a.pth", "a.PTH", "b.pt", "c.safetensors"):
        assert is_foreign(write(tmp_path / name, weights))
    assert not is_foreign(tmp_path / "a.onnx")
