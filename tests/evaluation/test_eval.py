"""What `srae eval` scores, stores and refuses."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from PIL import Image

import srae.evaluation.score
from builders import write_image
from srae.checkpoints.format import read_checkpoint, save_checkpoint
from srae.checkpoints.loading import load_model
from srae.cli import main
from srae.config.loading import parse_config
from srae.errors import ConfigError
from srae.evaluation.score import score_model
from srae.files import json_text
from toy_training import begin

IMAGES = "model: {{name: {model}}}\ndata: {{{data}}}\ntrain: {{epochs: 1, batch_size: 4}}"
CLASSES = """
task: classification
model: {{name: residual_classifier, channels: [4]}}
data: {{name: class_folders, side: 16, augment: [flip], per_class: 9, {data}}}
train: {{epochs: 1, batch_size: 8, loss: cross_entropy}}
"""
X2 = "crop: 32, degrade: {kernel: bicubic, scale: 2}"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def draw(folder: str, count: int, *, seed: int = 0) -> None:
    """Random images of mixed sizes."""
    for i in range(count):
        write_image(Path(folder) / f"{i}.png", (32 + 2 * (i % 3), 40), seed=100 * seed + i)


def trained(text: str, name: str = "a") -> dict[str, Any]:
    run = begin(parse_config(text, "toy.yaml"), Path("runs"), name)
    return dict(json.loads((run / "summary.json").read_text()))


def strict(text: str) -> Any:
    """The value of a JSON document; what is no JSON fails, though Python reads it."""

    def refuse(name: str) -> NoReturn:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


Told = pytest.CaptureFixture[str]


def scored(capsys: Told, *options: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["eval", "--model", "a", "--device", "cpu", "--json", *options]) == 0
    return dict(strict(capsys.readouterr().out))


def refusal(capsys: Told, *options: str) -> str:
    capsys.readouterr()
    assert main(["eval", "--model", "a", "--device", "cpu", *options]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    return told.err


# ----------------------------------------------------------- the images of the run itself


@pytest.mark.parametrize(
    ("text", "options", "sorts"),
    [
        (IMAGES, X2, [""]),
        (IMAGES, "limit: 2, " + X2, [""]),
        (IMAGES, "limit: 3, test_from_val: 0.4, " + X2, ["train/", "val/"]),
        (CLASSES, "", ["cat/", "dog/"]),
        (CLASSES, "limit: 3", ["cat/", "dog/"]),
    ],
)
def test_without_data_the_runs_own_splits_are_scored(text: str, options: str, sorts: list[str], capsys: Told) -> None:
    for seed, sort in enumerate(sorts):
        draw(f"photos/{sort}", 24, seed=seed)
    summary = trained(text.format(model="espcn", data=f"folder: photos, {options}"))
    for split in ("val", "test"):
        document = scored(capsys, "--split", split)
        assert document[split] == summary[split]
        assert document["data"]["counts"][split] == summary["data"]["counts"][split]
        assert document["data"]["fingerprint"] == summary["data"]["fingerprint"]
    assert scored(capsys)["identity"] == summary["identity"]


@pytest.mark.parametrize(("text", "sorts"), [(IMAGES, [""]), (CLASSES, ["cat/", "dog/"])])
def test_a_folder_that_is_named_is_val_as_a_whole(text: str, sorts: list[str], capsys: Told) -> None:
    for seed, sort in enumerate(sorts):
        draw(f"photos/{sort}", 10, seed=seed)
    summary = trained(text.format(model="bicubic", data=f"folder: photos, {X2 if text is IMAGES else ''}"))
    shutil.copytree("photos", "others")
    scale = ["--scale", "2"] if text is IMAGES else []
    document = scored(capsys, "--data", "others", *scale)
    assert document["data"]["counts"] == {"val": 10 * len(sorts)}
    assert document["trained_on"] == {"val": summary["data"]["counts"]["train"]}, "copies of its own images"
    for seed, sort in enumerate(sorts):
        draw(f"new/{sort}", 10, seed=seed + 5)
    assert scored(capsys, "--data", "new", *scale)["trained_on"] == {"val": 0}
    assert "trained_on" not in scored(capsys), "the split of the training"
    Path("runs/a/trained_on.json").write_text("{")
    assert "trained_on" not in scored(capsys, "--data", "others", *scale), "a run that does not say"


@pytest.mark.usefixtures("enlarger")
def test_one_folder_has_one_fingerprint_of_its_images_however_they_are_prepared(capsys: Told) -> None:
    found = [scored(capsys, "--data", "photos", "--scale", "2", *more)["data"] for more in ([], ["--kernel", "photo"])]
    assert found[0]["fingerprint"] != found[1]["fingerprint"] and found[0]["images"] == found[1]["images"]
    draw("photos", 11, seed=1)
    assert scored(capsys, "--data", "photos", "--scale", "2")["data"]["images"] != found[0]["images"]


# ------------------------------------------------------------------------ what is stored


@pytest.fixture
def enlarger() -> None:
    """Run `a`: bicubic interpolation of `photos`."""
    draw("photos", 12)
    trained(IMAGES.format(model="bicubic", data=f"folder: photos, {X2}"))


@pytest.mark.usefixtures("enlarger")
def test_python_gets_the_document_that_the_command_prints_and_writes_nothing(capsys: Told) -> None:
    before = sorted(Path().rglob("*"))
    scores = score_model(load_model("runs/a"), folder="photos", scale=2, protocol="y")
    assert sorted(Path().rglob("*")) == before
    document = scored(capsys, "--data", "photos", "--scale", "2", "--protocol", "y")
    images = Path(document.pop("images"))
    assert strict(json_text(scores.document)) == document
    assert images.stem == f"images-{scores.label}"
    header, *rows = images.read_text().splitlines()
    assert header.split(",") == list(scores.columns)
    assert {len(column) for column in scores.columns.values()} == {len(rows)} == {12}
    assert (scores.protocol and scores.protocol.channels) == "Y"


@pytest.mark.usefixtures("enlarger")
@pytest.mark.parametrize("scale", [0, 1, 9])
def test_python_refuses_a_scale_that_the_command_line_refuses(scale: int) -> None:
    with pytest.raises(ConfigError) as caught:
        score_model(load_model("runs/a"), folder="photos", scale=scale)
    assert caught.value.where == "scale"


@pytest.mark.usefixtures("enlarger")
def test_an_output_that_cannot_be_is_refused_before_anything_is_scored(
    capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(srae.evaluation.score, "score_split", None)
    assert "\nmine.json\n" in refusal(capsys, "-o", "mine.json")
    Path("mine.json").write_text("{}")
    assert "\nmine.json\n" in refusal(capsys, "-o", "mine.csv")
    Path("other.csv").write_text("")
    assert "\nother.csv\n" in refusal(capsys, "-o", "other.csv")
    assert sorted(path.name for path in Path().glob("*.*")) == ["mine.json", "other.csv"]


@pytest.mark.usefixtures("enlarger")
@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_a_file_that_appears_meanwhile_is_kept_and_no_half_lies_beside_it(
    suffix: str, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., Any] = srae.evaluation.score.score_split
    appearing = [Path("mine"), Path("runs/a/images-photos-val-rgb")]

    def score(*arguments: Any, **options: Any) -> Any:
        for path in appearing:
            path.with_suffix(f".{suffix}").write_text("theirs")
        return real(*arguments, **options)

    monkeypatch.setattr(srae.evaluation.score, "score_split", score)
    assert "\nmine.csv\n" in refusal(capsys, "-o", "mine.csv")
    assert scored(capsys)["images"] == "runs/a/images-photos-val-rgb-2.csv"
    for path in appearing:
        assert [found.read_text() for found in path.parent.glob(f"{path.name}.*")] == ["theirs"]


@pytest.mark.parametrize(
    ("model", "verdict"), [("bicubic", "+0.00 dB"), ("espcn", "WORSE than"), ("bicubic, shrink: 2", "WORSE than")]
)
def test_an_image_without_error_is_counted_and_leaves_the_mean_finite(model: str, verdict: str, capsys: Told) -> None:
    for split in ("train", "val"):
        draw(f"photos/{split}", 8)
    Image.new("RGB", (32, 32), (99, 120, 7)).save("photos/val/flat.png")
    trained(IMAGES.format(model=model, data=f"folder: photos, {X2}"))
    document = scored(capsys)
    stored = strict(Path(document["images"]).with_suffix(".json").read_text())
    assert stored["exact"] == document["exact"] == {"val": ["flat.png"]}
    rows = list(csv.DictReader(Path(document["images"]).read_text().splitlines()))
    kept = [row for row in rows if row["name"] != "flat.png"]
    assert len(kept) == len(rows) - 1 > 1
    psnr = sum(float(row["psnr"]) for row in kept) / len(kept)
    identity = sum(-10 * math.log10(float(row["identity_mse"])) for row in kept) / len(kept)
    assert (stored["val"]["psnr"], stored["identity"]["psnr"]) == pytest.approx((psnr, identity), abs=1e-4)
    assert stored["gain_db"]["val"] == pytest.approx(psnr - identity, abs=1e-4)
    assert stored["val"]["mse"] == pytest.approx(sum(float(row["mse"]) for row in rows) / len(rows))
    assert main(["eval", "--model", "a", "--device", "cpu"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert verdict in said[-2] and "flat.png" in said[-1]


# ------------------------------------------------------------------------------- classes


@pytest.fixture
def classifier() -> None:
    """Run `a`: tells the cats and dogs of `animals` apart."""
    for seed, name in enumerate(("cat", "dog")):
        draw(f"animals/{name}", 10, seed=seed)
    trained(CLASSES.format(data="folder: animals"))


@pytest.mark.usefixtures("classifier")
def test_a_folder_with_test_alone_is_scored(capsys: Told) -> None:
    shutil.copytree("animals", "others/test")
    document = scored(capsys, "--data", "others", "--split", "test")
    assert document["data"]["counts"] == {"test": 20}
    assert 0 <= document["test"]["accuracy"] <= 1


@pytest.mark.usefixtures("classifier")
def test_classes_of_other_names_or_in_another_order_are_refused(capsys: Told) -> None:
    shutil.copytree("animals/cat", "others/zebra")
    shutil.copytree("animals/dog", "others/apple")
    told = refusal(capsys, "--data", "others")
    assert "cat, dog" in told and "apple, zebra" in told
    for kind in range(20):
        draw(f"more/kind {kind:02}", 1, seed=kind)
    told = refusal(capsys, "--data", "more")
    assert "kind 00, kind 01" in told and "12 more\n" in told and "kind 08" not in told

    rewrite_classes(lambda names: names[::-1])
    told = refusal(capsys)
    assert told.index("dog, cat") < told.index("cat, dog")


def rewrite_classes(change: Callable[[list[str]], list[str]]) -> None:
    path = Path("runs/a/model.safetensors")
    tensors, meta = read_checkpoint(path)
    meta["data"]["classes"] = change(meta["data"]["classes"])
    save_checkpoint(path, tensors, meta, None)


@pytest.mark.usefixtures("classifier")
def test_where_nothing_names_a_models_classes_it_is_said_what_they_are_taken_for(capsys: Told) -> None:
    rewrite_classes(lambda names: [])
    shutil.copy("runs/a/model.safetensors", "alone.safetensors")
    assert main(["eval", "--model", "alone.safetensors", "--data", "animals", "--device", "cpu"]) == 0
    told = capsys.readouterr().err
    assert "alone.safetensors" in told and "cat, dog" in told
