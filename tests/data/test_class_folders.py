"""A folder per class: any mode and size, balanced splits, and no image in two of them."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from builders import write_image
from refusals import refuses
from srae.config.loading import parse_config
from srae.data import Data, Labels, Split, train_batches
from srae.data.batches import TILT
from srae.errors import ConfigError, DataError
from srae.runs.reader import read_run
from toy_training import begin
from toys import open_named

SIDE = 16


def write_classes(root: Path, counts: dict[str, int], seed: int = 0) -> Path:
    for number, (name, count) in enumerate(counts.items()):
        for i in range(count):
            write_image(root / name / f"{i}.png", (20 + i, 24), seed=10_000 * seed + 100 * number + i)
    return root


def digests(split: Split) -> list[str]:
    return [hashlib.sha256(split.input.image(i).numpy().tobytes()).hexdigest() for i in range(len(split))]


def labels(split: Split | None) -> list[int]:
    assert split is not None and isinstance(split.target, Labels)
    return split.target.values.tolist()


def opened(folder: Path, **options: object) -> Data:
    return open_named("class_folders", folder=str(folder), side=SIDE, **options)


def names_of_splits(data: Data) -> list[set[str]]:
    return [set(split.names) for split in (data.train, data.val, data.test) if split is not None]


def test_each_class_is_split_alike_by_the_names_of_its_images(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "a", {"abra": 20, "ditto": 10, "zubat": 4})
    data = opened(folder)
    assert data.classes == ["abra", "ditto", "zubat"]
    assert [labels(data.val).count(c) for c in range(3)] == [2, 1, 1]
    assert [labels(data.test).count(c) for c in range(3)] == [2, 1, 1]
    assert len(data.train) == 16 + 8 + 2
    assert (data.in_shape, data.out_shape) == ((3, SIDE, SIDE), (3,))
    for side in (8, 17, 30):
        resized = open_named("class_folders", folder=str(folder), side=side)
        assert names_of_splits(resized) == names_of_splits(data), side
    others = write_classes(tmp_path / "b", {"abra": 20, "ditto": 10, "zubat": 4}, seed=1)
    assert names_of_splits(opened(others)) == names_of_splits(data)


def test_the_first_images_of_a_split_are_of_different_classes(tmp_path: Path) -> None:
    folder = write_classes(tmp_path, {"abra": 20, "ditto": 10, "zubat": 10})
    assert labels(opened(folder, limit=3).train) == [0, 1, 2]


def test_equal_images_are_in_one_split_and_doubtful_labels_in_none(tmp_path: Path) -> None:
    folder = write_classes(tmp_path, {"abra": 10, "ditto": 10})
    for i in range(4):
        (folder / "abra" / f"copy{i}.png").write_bytes((folder / "abra" / f"{i}.png").read_bytes())
    (folder / "ditto" / "stolen.png").write_bytes((folder / "abra" / "9.png").read_bytes())
    data = opened(folder)
    assert data.test is not None
    found = digests(data.train) + digests(data.val) + digests(data.test)
    assert len(found) == len(set(found)) == 19
    assert data.notes == [
        "4 images are duplicates of another image of their class: left out",
        "2 images equal an image of another class: left out, because their class is unknown",
    ]


def test_modes_and_strangers_do_not_break_it(tmp_path: Path) -> None:
    folder = write_classes(tmp_path, {"abra": 6, "ditto": 6})
    random = np.random.default_rng(1)
    grey = Image.fromarray(random.integers(0, 256, (20, 30), dtype=np.uint8))
    grey.save(folder / "abra" / "grey.png")
    grey.transpose(Image.Transpose.ROTATE_180).convert("P").save(folder / "abra" / "palette.png")
    Image.new("RGBA", (30, 20), (255, 0, 0, 0)).save(folder / "ditto" / "clear.png")
    (folder / "ditto" / "logo.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "ditto" / ".DS_Store").write_bytes(b"\0")
    (folder / "notes.txt").write_text("not a class")
    data = opened(folder)
    assert "2 files" in data.notes[0]
    everything = [(s.names[i], s.input.image(i)) for s in (data.train, data.val, data.test) if s for i in range(len(s))]
    images = dict(everything)
    assert len(images) == 15
    assert int(images["ditto/clear.png"].min()) == 255, "transparent is white, whatever colour lies beneath"
    assert all(p.shape == (3, SIDE, SIDE) for p in images.values())


def test_splits_on_disk_are_kept_and_leaks_are_not(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", {"abra": 5, "ditto": 5}, seed=0)
    write_classes(tmp_path / "val", {"abra": 2, "ditto": 2}, seed=1)
    (tmp_path / "val" / "abra" / "leak.png").write_bytes((tmp_path / "train" / "abra" / "0.png").read_bytes())
    data = opened(tmp_path)
    assert (len(data.train), len(data.val), data.test) == (10, 4, None)


def test_to_score_a_split_may_be_missing_and_a_folder_of_others_is_not_divided(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "set", {"abra": 10, "ditto": 10})
    assert len(opened(folder, for_scoring=True, undivided=True).val) == 20
    own, trained = opened(folder, for_scoring=True), opened(folder)
    assert own.fingerprint == trained.fingerprint and own.val.names == trained.val.names
    write_classes(tmp_path / "other" / "test", {"abra": 3, "ditto": 3})
    data = opened(tmp_path / "other", for_scoring=True, per_class=4)
    assert data.test is not None and len(data.test) == len(data.train) == 6
    for name in ("abra", "ditto"):
        (tmp_path / "empty" / name).mkdir(parents=True)
    with refuses(DataError, tmp_path / "empty", "train"):
        opened(tmp_path / "empty", for_scoring=True, undivided=True)


def test_an_epoch_can_have_equally_many_of_every_class(tmp_path: Path) -> None:
    data = opened(write_classes(tmp_path, {"abra": 20, "ditto": 10, "zubat": 5}), per_class=9)
    batches = list(train_batches(data.train, batch_size=4, seed=0, epoch=0))
    drawn = [label for batch in batches for label in batch.target.tolist()]
    assert [drawn.count(label) for label in range(3)] == [9, 9, 9]
    own = [index for batch in batches for index in batch.indices if labels(data.train)[index] == 2]
    assert {own.count(index) for index in set(own)} == {3}, "3 images, 9 samples"
    again = list(train_batches(data.train, batch_size=4, seed=0, epoch=0, start=3))
    assert [batch.indices for batch in again] == [batch.indices for batch in batches[3:]]


def test_every_damaged_image_is_told(tmp_path: Path) -> None:
    folder = write_classes(tmp_path, {"abra": 5, "ditto": 5})
    for name in ("abra/1.png", "ditto/2.png"):
        (folder / name).write_bytes((folder / name).read_bytes()[:60])
    with refuses(DataError, "abra/1.png", "ditto/2.png"):
        opened(folder)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda root: None, ""),
        (lambda root: root.mkdir(), "0"),
        (lambda root: write_classes(root, {"abra": 5}), "1"),
    ],
)
def test_what_is_no_set_of_classes_is_refused(tmp_path: Path, make: object, named: str) -> None:
    make(tmp_path / "set")  # type: ignore[operator]
    with refuses(DataError, tmp_path / "set", named):
        opened(tmp_path / "set")


def turned(folder: Path, *augment: str, epochs: int = 12) -> list[torch.Tensor]:
    """What becomes of one image in a few epochs."""
    data = opened(folder)
    return [
        next(batch.input[batch.indices.index(0)] for batch in train_batches(
            data.train, batch_size=99, seed=0, epoch=epoch, augment=augment))
        for epoch in range(epochs)
    ]  # fmt: skip


def test_vertical_flips_turn_images_upside_down(tmp_path: Path) -> None:
    folder = write_classes(tmp_path, {"abra": 4, "ditto": 4})
    plain = turned(folder, epochs=1)[0]
    seen = {"same" if torch.equal(p, plain) else "flipped" if torch.equal(p, plain.flip(1)) else "other"
            for p in turned(folder, "vertical_flip")}  # fmt: skip
    assert seen == {"same", "flipped"}


def test_tilts_are_small_turns_that_keep_the_middle(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for name in ("abra", "ditto"):
        (folder / name).mkdir(parents=True)
        for i in range(3):
            pixels = np.zeros((64, 64), np.uint8)
            pixels[:, 31:33] = 200 + 10 * i + (name == "abra")  # a vertical bar through the middle
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    angles = []
    data = open_named("class_folders", folder=str(folder), side=64)
    for epoch in range(20):
        (batch,) = train_batches(data.train, batch_size=9, seed=0, epoch=epoch, augment=["tilt"])
        for image in batch.input[:, 0]:
            assert image[31:33, 31:33].min() > 0.5
            rows = image * torch.arange(64.0)
            place = rows.sum(1) / image.sum(1)  # the bar's column, row by row
            angles.append(float(torch.atan((place[8] - place[56]) / 48).rad2deg()))
    assert max(map(abs, angles)) <= TILT + 0.5
    assert min(angles) < -TILT / 2 and max(angles) > TILT / 2


def test_tilt_is_refused_where_the_target_is_a_image() -> None:
    with refuses(ConfigError, "data", "tilt"):
        parse_config("model: {name: residual}\ndata: {augment: [tilt]}", "toy")


def test_images_of_the_test_split_lie_in_the_run_folder(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "set", {"abra": 30, "ditto": 30})
    config = parse_config(
        "task: classification\nmodel: {name: residual_classifier, channels: [4]}\n"
        f"data: {{name: class_folders, folder: {folder}, side: 16, augment: [flip, tilt], per_class: 40}}\n"
        "train: {epochs: 1, batch_size: 16, loss: cross_entropy}",
        "toy",
    )
    run = read_run(begin(config, tmp_path / "runs"))
    summary = run.summary or {}
    assert summary["data"]["classes"] == ["abra", "ditto"]
    assert sorted(p.name for p in (run.path / "samples").glob("*.png")) == [f"test_{i}.png" for i in range(6)]
    with open(run.path / "metrics.csv") as file:
        assert all(row["train_accuracy"] for row in csv.DictReader(file))
