"""Labelled images: read from the formats torchvision reads, split, and trained on by the same loop."""

from __future__ import annotations

import csv
import json
import pickle
import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import Run
from refusals import refuses
from srae.config.loading import CONFIG_FOLDERS, load_config, parse_config
from srae.data import Labels, train_batches
from srae.data.demo import TEXTURES
from srae.errors import ConfigError, DataError
from srae.models import build_model, check_options, count_parameters
from srae.runs.reader import read_run
from srae.training.prepare import prepare
from toy_training import begin
from toys import open_named

CONFIGS = next(folder for folder in CONFIG_FOLDERS if folder.is_dir())
CPU = torch.device("cpu")


def write_idx(folder: Path, train: int = 20, test: int = 6) -> Path:
    """Random digits in the IDX files of MNIST."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    for prefix, count in (("train", train), ("t10k", test)):
        pixels = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = random.integers(0, 10, count, dtype=np.uint8)
        header = struct.pack(">IIII", 0x803, count, 28, 28)
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + labels.tobytes())
    return folder


def test_idx_files_are_split_and_nothing_is_lost(tmp_path: Path) -> None:
    folder = str(write_idx(tmp_path))
    data = open_named("mnist", folder=folder, channels="L", val_count=5)
    assert (len(data.train), len(data.val), len(data.test or [])) == (15, 5, 6)
    assert (data.in_shape, data.out_shape, data.classes[3]) == ((1, 28, 28), (10,), "3 - three")
    again = open_named("mnist", folder=folder, channels="L", val_count=5)
    assert again.fingerprint == data.fingerprint
    assert open_named("mnist", folder=folder, channels="L", val_count=4).fingerprint != data.fingerprint
    assert isinstance(data.train.target, Labels) and isinstance(data.val.target, Labels)
    labels = torch.cat([data.train.target.values, data.val.target.values])
    assert torch.equal(labels.bincount(minlength=10), open_named("mnist", folder=folder, channels="L", val_count=1)
                       .train.target.values.bincount(minlength=10) + _one_hot(folder))  # fmt: skip


def test_without_val_images_the_test_split_is_watched(tmp_path: Path) -> None:
    data = open_named("mnist", folder=str(write_idx(tmp_path)), channels="L", val_count=0)
    assert data.test is not None
    assert (len(data.train), data.val.names) == (20, data.test.names)
    assert torch.equal(data.val.input.gather([3]), data.test.input.gather([3]))
    assert "val is the test split" in data.notes[0]


def _one_hot(folder: str) -> torch.Tensor:
    rest = open_named("mnist", folder=folder, channels="L", val_count=1).val.target
    assert isinstance(rest, Labels)
    return rest.values.bincount(minlength=10)


def test_batches_hold_images_and_labels_in_step(tmp_path: Path) -> None:
    data = open_named("mnist", folder=str(write_idx(tmp_path)), channels="L", val_count=5)
    assert isinstance(data.train.target, Labels)
    batches = list(train_batches(data.train, batch_size=4, seed=0, epoch=1))
    assert sorted(i for batch in batches for i in batch.indices) == list(range(15))
    for batch in batches:
        assert batch.target.dtype == torch.int64
        assert torch.equal(batch.target, data.train.target.values[batch.indices])
        expected = torch.stack([data.train.input.image(i) for i in batch.indices]) / 255
        torch.testing.assert_close(batch.input, expected)


def test_an_autoencoder_gets_its_input_as_target(tmp_path: Path) -> None:
    data = open_named("mnist", folder=str(write_idx(tmp_path)), channels="L", val_count=5, target="input")
    assert data.out_shape == data.in_shape
    (batch,) = train_batches(data.train, batch_size=99, seed=0, epoch=0)
    assert torch.equal(batch.input, batch.target)


def test_missing_and_damaged_files_are_told(tmp_path: Path) -> None:
    with refuses(DataError, tmp_path / "none"):
        open_named("mnist", folder=str(tmp_path / "none"))
    folder = write_idx(tmp_path / "cut")
    images = folder / "MNIST" / "raw" / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:500])
    with refuses(DataError, folder):
        open_named("mnist", folder=str(folder))


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_without_files_the_textures_step_in(name: str, tmp_path: Path) -> None:
    data = open_named(name, folder=str(tmp_path / "none"), otherwise="demo")
    assert data.name == "demo_textures"
    assert "is not there" in data.notes[0]
    assert (len(data.train), len(data.val), data.out_shape) == (2000, 400, (len(TEXTURES),))


def residual_count(channels: int, widths: tuple[int, ...], classes: int) -> int:
    """Two convolutions without bias, two batch-norms and a 1x1 shortcut in each stage, and the logits."""
    stages = sum((i * 9 + o * 9 + 2 * 2 + i) * o for i, o in pairwise((channels, *widths)))
    return stages + (widths[-1] + 1) * classes


POKEMON_CNN = sum((i * 9 + 1 + 2) * o for i, o in pairwise((3, 16, 32, 64, 128, 256))) + (3 * 3 * 256 + 1) * 150
COUNTS = {
    # (1 * 9 + 1) * 32 + (32 * 9 + 1) * 64 + (12 * 12 * 64 + 1) * 128 + 129 * 10
    "classifiers/mnist_net1": (28, 1, 10, 1_199_882),
    "classifiers/mnist_net2": (28, 1, 10, 1_199_882),
    # (3 * 9 + 1) * 32 + (32 * 9 + 1) * 64 + (14 * 14 * 64 + 1) * 128 + 129 * 10
    "classifiers/cifar10_net1_adam": (32, 3, 10, 1_626_442),
    "classifiers/cifar10_net1_adadelta": (32, 3, 10, 1_626_442),
    # convolution and batch-norm of five blocks, 3 * 3 * 256 values left of 112 x 112
    **dict.fromkeys(("classifiers/pokemon_cnn", "classifiers/pokemon_cnn_augmented"), (112, 3, 150, POKEMON_CNN)),
    **{
        name: (side, channels, classes, residual_count(channels, widths, classes))
        for name, side, channels, classes, widths in (
            ("classifiers/pokemon_resnet", 112, 3, 150, (16, 32, 64, 128)),
            ("classifiers/pokemon_resnet_augmented", 112, 3, 150, (16, 32, 64, 128)),
            ("classifiers/cifar10_residual", 32, 3, 10, (32, 64, 128)),
            ("classifiers/mnist_residual", 28, 1, 10, (16, 32, 64)),
        )
    },
    **{f"fashion_mnist/dense_{n}": (28, 1, 10, 784 * n + n + n * 784 + 784) for n in (64, 128, 256, 512)},
}


def test_every_config_of_reports_c_d_e_has_a_count() -> None:
    found = {p.relative_to(CONFIGS).with_suffix("").as_posix() for p in CONFIGS.glob("*/*.yaml")}
    assert {name for name in found if not name.startswith(("studies/", "published/", "upscalers/"))} == set(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_published_parameter_counts(name: str) -> None:
    side, channels, classes, count = COUNTS[name]
    config = load_config(CONFIGS / f"{name}.yaml", check_options=check_options)
    shape = (channels, side, side)
    out_shape = shape if config.task == "reconstruction" else (classes,)
    assert count_parameters(build_model(config.model.name, shape, out_shape, config.model.options)) == count


def test_kerass_initialisation_is_glorot_uniform_with_zero_bias() -> None:
    torch.manual_seed(0)
    model = build_model("conv_classifier", (1, 28, 28), (10,), {"channels": [32], "dense": [64], "init": "keras"})
    linear = model.layers[-1]  # type: ignore[index]
    limit = (6 / (64 + 10)) ** 0.5
    assert 0.9 * limit < float(linear.weight.detach().abs().max()) <= limit
    assert float(linear.bias.detach().abs().max()) == 0


def test_the_same_loop_classifies_and_says_what_it_predicted(tmp_path: Path, call: Run) -> None:
    config = parse_config(
        "task: classification\nmodel: {name: conv_classifier, channels: [8], stride: 2, dense: [16]}\n"
        "data: {name: mnist, folder: none, otherwise: demo, channels: L}\n"
        "train: {epochs: 3, batch_size: 50, loss: cross_entropy, learning_rate: 0.003}",
        "toy",
    )
    run = read_run(begin(config, tmp_path / "runs"))
    summary = run.summary or {}
    assert summary["identity"] is None
    assert summary["val"]["accuracy"] > 0.25, "ten classes: chance is 0.1"
    assert {"cross_entropy", "accuracy", "loss"} <= summary["train"].keys()
    rows = list(csv.DictReader((run.path / "images.csv").read_text().splitlines()))
    right = [row["label"] == row["prediction"] for row in rows if row["split"] == "test"]
    assert sum(right) / len(right) == pytest.approx(summary["test"]["accuracy"])
    assert run.rows[-1]["val_accuracy"] is not None
    done = call("eval", "--model", run.path, "--split", "test", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["test"]["accuracy"] == pytest.approx(summary["test"]["accuracy"])
    assert found["identity"] is None
    again = list(csv.DictReader(Path(found["images"]).read_text().splitlines()))
    assert [row["prediction"] for row in again] == [row["prediction"] for row in rows if row["split"] == "test"]
    refused = call("upscale", CONFIGS / "none.png", "--model", run.path)
    assert refused.returncode in (2, 7) and "Traceback" not in refused.stderr


def test_the_same_loop_reconstructs(tmp_path: Path) -> None:
    config = parse_config(
        "task: reconstruction\nmodel: {name: dense_autoencoder, hidden: 32, activation: tanh}\n"
        "data: {name: fashion_mnist, folder: none, otherwise: demo, channels: L, target: input}\n"
        "train: {epochs: 6, batch_size: 50, learning_rate: 0.003}",
        "toy",
    )
    run = read_run(begin(config, tmp_path / "runs"))
    summary = run.summary or {}
    rows = run.rows
    assert summary["identity"] is None
    assert rows[-1]["val_mse"] < 0.8 * rows[0]["val_mse"]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("override", "named"), [("data.target=input", "label"), ("train.loss=mse", "mse"), ("model={name: residual}", "10")]
)
def test_a_task_that_does_not_fit_its_data_is_refused(override: str, named: str) -> None:
    text = (
        "task: classification\nmodel: {name: conv_classifier, channels: [4]}\n"
        "data: {name: mnist, folder: none, otherwise: demo, channels: L}\ntrain: {loss: cross_entropy}"
    )
    with refuses(ConfigError, named):
        prepare(parse_config(text, "toy", [override]), CPU)


class Owner:
    """Unpickled, it leaves a file behind."""

    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("owned"),))


@pytest.mark.parametrize("name", ["cifar10", "mnist"])
def test_a_data_folder_runs_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR-10 comes as pickles, and torchvision still knows an MNIST that did."""
    monkeypatch.chdir(tmp_path)
    files = {
        "cifar10": [f"cifar-10-batches-py/{file}" for file in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch",
                                                              "batches.meta")],
        "mnist": [f"MNIST/processed/{file}" for file in ("training.pt", "test.pt")],
    }  # fmt: skip
    for file in files[name]:
        path = tmp_path / "data" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(Owner()))
        if name == "mnist":
            torch.save(Owner(), path)
    with refuses(DataError, "data"):
        open_named(name, folder="data")
    assert not (tmp_path / "owned").exists()
    pickle.loads(pickle.dumps(Owner()))
    assert (tmp_path / "owned").exists(), "such a pickle does something where it is read"


def test_damaged_idx_files_are_refused_in_plain_words(tmp_path: Path) -> None:
    folder, random, refused = write_idx(tmp_path), np.random.default_rng(0), 0
    files = sorted((folder / "MNIST" / "raw").iterdir())
    for turn in range(120):
        file = files[turn % len(files)]
        whole = file.read_bytes()
        damaged = bytearray(whole)
        damaged[int(random.integers(0, 14))] ^= 1 << int(random.integers(0, 8))  # header, or the first labels
        file.write_bytes(whole[: int(random.integers(0, len(whole)))] if turn % 5 == 0 else damaged)
        try:
            data = open_named("mnist", folder=str(folder), channels="L", val_count=0)
        except DataError:
            refused += 1
        else:
            assert isinstance(data.train.target, Labels)
            assert len(data.train) == 20 and 0 <= data.train.target.values.min() <= data.train.target.values.max() < 10
        file.write_bytes(whole)
    assert 80 < refused < 120
