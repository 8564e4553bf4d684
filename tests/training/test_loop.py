"""The loop: what it leaves behind, that it learns, and that stopping it changes nothing."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import srae.evaluation.evaluate
import srae.training.loop
import srae.training.run
from builders import write_pairs
from one_process import run_python
from refusals import refuses
from srae.checkpoints.format import read_checkpoint, save_checkpoint
from srae.checkpoints.loading import load_model
from srae.cli import main
from srae.config.experiment import Config, TrainConfig
from srae.config.loading import load_config, parse_config
from srae.config.schedules import learning_rate_at
from srae.data import Batch, Split
from srae.device import repeatable_kernels
from srae.errors import CheckpointError, ConfigError
from srae.runs.layout import COLUMNS
from srae.runs.messages import result_lines
from srae.runs.reader import read_run
from srae.runs.writer import claim_run
from srae.training.checkpointer import Checkpointer
from srae.training.optimizer import update_average
from srae.training.prepare import prepare
from srae.training.progress import Progress
from srae.training.run import train
from toy_training import CPU, assert_same_run, begin, resume, rows_of, toy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "pairs", val=3, size=(24, 24))


def test_the_run_folder_holds_what_it_promises(folder: Path, tmp_path: Path) -> None:
    path = begin(toy(folder, "data.test_from_val=0.34"), tmp_path / "runs")
    for name in ("config.yaml", "environment.json", "DONE"):
        assert (path / name).is_file(), name
    rows = list(csv.DictReader((path / "metrics.csv").read_text().splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [row["step"] for row in rows] == ["4", "8", "12"]  # 5 images x 2 crops in batches of 3
    summary = json.loads((path / "summary.json").read_text())
    assert summary["status"] == "done"
    assert summary["data"]["counts"] == {"train": 5, "val": 2, "test": 1}
    assert summary["epochs"] == 3
    assert summary["identity"]["mse"] == pytest.approx(float(rows[0]["identity_mse"]))
    images = list(csv.DictReader((path / "images.csv").read_text().splitlines()))
    assert [row["split"] for row in images] == ["val", "val", "test"]
    val = [float(row["mse"]) for row in images if row["split"] == "val"]
    assert sum(val) / len(val) == pytest.approx(summary["val"]["mse"])
    assert summary["val"]["mse"] == pytest.approx(min(float(row["val_mse"]) for row in rows))
    assert len(list((path / "samples").glob("*_output.png"))) == 2
    assert (path / "model.safetensors").read_bytes() == (path / "checkpoints" / "best.safetensors").read_bytes()
    assert load_model(path).config == toy(folder, "data.test_from_val=0.34", "data.bits=8")


def test_equal_seeds_give_equal_runs_and_other_seeds_others(folder: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    first, second = begin(toy(folder), runs), begin(toy(folder), runs)
    assert (first.name, second.name) == ("toy", "toy-2")
    assert_same_run(first, second)
    assert rows_of(first) != rows_of(begin(toy(folder, "seed=4"), runs))


def test_averaged_weights_are_what_is_validated_and_kept(folder: Path, tmp_path: Path) -> None:
    plain = begin(toy(folder, "train.weight_average=null"), tmp_path / "runs", "plain")
    path = begin(toy(folder, "train.weight_average=0.9"), tmp_path / "runs", "averaged")
    raw, _ = read_checkpoint(plain / "checkpoints" / "last.safetensors")
    tensors, meta = read_checkpoint(path / "checkpoints" / "last.safetensors")
    names = [key.removeprefix("model.") for key in raw if key.startswith("model.")]
    assert all(torch.equal(tensors[f"model.{name}"], raw[f"model.{name}"]) for name in names)  # the path is the same
    assert not all(torch.equal(tensors[f"average.{name}"], tensors[f"model.{name}"]) for name in names)
    assert meta["progress"]["best_epoch"] == 3
    best = load_model(path).model.state_dict()
    assert all(torch.equal(best[name], tensors[f"average.{name}"]) for name in names)


def test_an_average_moves_by_its_decay_and_starts_fast() -> None:
    model, average = torch.nn.BatchNorm1d(1), torch.nn.BatchNorm1d(1)
    model.weight.data.fill_(3.0)
    model.num_batches_tracked.fill_(7)
    update_average(average, model, 0.9, 0)  # the decay of step 0 is 1 / 10
    assert average.weight.item() == pytest.approx(1 + 2 * 0.9)
    assert average.num_batches_tracked.item() == 7
    update_average(average, model, 0.9, 10_000)
    assert average.weight.item() == pytest.approx(2.8 + 0.2 * 0.1)


def test_a_run_can_start_from_the_weights_of_another(folder: Path, tmp_path: Path) -> None:
    first = begin(toy(folder), tmp_path / "runs", "first")
    said: list[str] = []
    config = toy(folder, f"train.start_from={first}", "train.learning_rate=1e-12")
    second = begin(config, tmp_path / "runs", "second", said.append)
    source = first / "model.safetensors"
    assert any(line.startswith(f"starts from {source}") for line in said)
    recorded = {"path": str(source), "sha256": hashlib.sha256(source.read_bytes()).hexdigest()}
    for file in ("environment.json", "summary.json"):
        assert json.loads((second / file).read_text())["started_from"] == recorded
    assert load_model(second).meta["started_from"] == recorded
    old, new = (dict(load_model(path).model.named_parameters()) for path in (first, second))
    assert all(torch.allclose(old[name], new[name], atol=1e-6) for name in old)
    with refuses(CheckpointError, first):
        prepare(parse_config(f"model: {{name: unet, channels: [4]}}\ndata: {{folder: {folder}}}", "toy",
                             [f"train.start_from={first}"]), CPU)  # fmt: skip
    by_name = toy(folder, "train.start_from=first")
    assert prepare(by_name, CPU, runs_dir=tmp_path / "runs").started_from == recorded
    shutil.rmtree(first)
    with refuses(ConfigError, first):
        prepare(config, CPU)
    prepare(config, CPU, resume=True)  # its weights are in the run


def test_a_long_epoch_is_saved_on_its_way_and_a_kill_loses_no_more(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = toy(folder)
    whole = begin(config, tmp_path / "runs", "whole")
    monkeypatch.setattr(srae.training.loop, "SAVE_SECONDS", 0)
    saved = []

    real = Checkpointer.save_last

    def save(self: Checkpointer, progress: Progress) -> None:
        real(self, progress)
        saved.append((progress.epoch, progress.batch))
        if saved[-1] == (1, 1):
            raise MemoryError("dies here")

    monkeypatch.setattr(Checkpointer, "save_last", save)
    with pytest.raises(MemoryError):
        begin(config, tmp_path / "runs", "often")
    resume(config, tmp_path / "runs" / "often")
    assert saved == [(done // 4, done % 4) for done in range(1, 13)]  # after every batch of four in an epoch
    assert_same_run(whole, tmp_path / "runs" / "often")


def _die(*_: object) -> None:
    raise MemoryError


def test_a_finished_run_that_goes_on_and_is_killed_is_not_done(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = begin(toy(folder, "train.epochs=1"), tmp_path)
    assert read_run(path).status == "done"
    monkeypatch.setattr(srae.training.run, "_finish", _die)
    with pytest.raises(MemoryError):
        resume(toy(folder, "train.epochs=3"), path)
    killed = read_run(path)
    assert (killed.status, killed.summary, len(killed.rows)) == ("killed", None, 3)


def test_samples_take_no_more_images_than_they_show(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a large val split as floats all together would not fit."""
    session, taken = prepare(toy(folder), CPU), []
    real = srae.evaluation.evaluate.eval_batches

    def batches(split: Split) -> Iterator[Batch]:
        for batch in real(split):
            taken.append(batch.indices)
            yield batch

    monkeypatch.setattr(srae.evaluation.evaluate, "eval_batches", batches)
    srae.evaluation.evaluate.save_samples(session.model, session.data.val, tmp_path, dtype=torch.float32, count=2)
    assert taken == [[0], [1]] and len(list(tmp_path.glob("*.png"))) >= 6


def test_a_model_without_parameters_is_only_scored(folder: Path, tmp_path: Path) -> None:
    config = parse_config(f"model: {{name: identity}}\ndata: {{folder: {folder}}}", "toy")
    path = begin(config, tmp_path / "runs")
    summary = json.loads((path / "summary.json").read_text())
    assert (summary["parameters"], summary["epochs"], summary["status"]) == (0, 0, "done")
    assert summary["val"] == pytest.approx(summary["identity"])


def test_a_small_network_learns_a_simple_relation(tmp_path: Path, pair_folder: Callable[..., Path]) -> None:
    import numpy as np
    from PIL import Image

    folder = pair_folder(train=8, val=2, size=(16, 16))
    for high in folder.glob("*/high_res/*.png"):  # the target has half the input's contrast
        low = np.asarray(Image.open(high.parent.parent / "low_res" / high.name))
        Image.fromarray((low // 2).astype(np.uint8)).save(high)
    config = parse_config(
        f"model: {{name: residual, width: 24, blocks: 1}}\ndata: {{folder: {folder}}}\n"
        "train: {epochs: 60, batch_size: 4, learning_rate: 0.01}",
        "toy",
    )
    rows = read_run(begin(config, tmp_path / "runs")).rows
    assert rows[-1]["val_mse"] < 0.2 * rows[0]["identity_mse"]  # type: ignore[operator]


def test_a_dead_network_is_called_dead_in_words(folder: Path, tmp_path: Path) -> None:
    text = (
        f"model: {{name: conv_autoencoder, channels: [4], activation: relu, output_activation: tanh,"
        f" value_range: [-1, 1]}}\ndata: {{folder: {folder}}}\ntrain: {{epochs: 1, learning_rate: 1e-9}}"
    )
    summary = prepare_and_train(parse_config(text, "toy"), tmp_path, dead=False)
    assert summary["output"]["min"] >= 0.5
    assert "darker than 0.5" in result_lines(summary, "runs/toy")
    summary = prepare_and_train(parse_config(text, "toy"), tmp_path, dead=True)
    assert "learned nothing" in result_lines(summary, "runs/toy")


def prepare_and_train(config: Config, tmp_path: Path, *, dead: bool) -> dict:
    session = prepare(config, CPU)
    if dead:  # every relu of the output is off
        torch.nn.init.constant_(session.model.decoder[-1][0].bias, -100.0)
    writer = claim_run(tmp_path / "runs", "toy")
    try:
        return train(session, writer, lambda _: None)
    finally:
        writer.close()


def test_every_resume_is_recorded(folder: Path, tmp_path: Path) -> None:
    path = begin(toy(folder, epochs=1), tmp_path / "runs")
    for epochs in (2, 3):
        resume(toy(folder, epochs=epochs), path)
    for file in ("environment.json", "summary.json"):
        resumes = json.loads((path / file).read_text())["resumes"]
        assert [entry["epoch"] for entry in resumes] == [1, 2]
        assert all({"device", "threads", "torch", "command"} <= entry.keys() for entry in resumes)


def test_a_stretched_schedule_is_said_and_recorded(folder: Path, tmp_path: Path) -> None:
    path = begin(toy(folder, epochs=2), tmp_path / "runs")
    last_rate = float(rows_of(path)[-1]["learning_rate"])
    said: list[str] = []
    resume(toy(folder, epochs=4), path, said.append)
    (entry,) = json.loads((path / "summary.json").read_text())["resumes"]
    assert entry["changes"]["train.epochs"] == [2, 4]
    before, after = entry["changes"]["learning_rate"]
    assert before == pytest.approx(last_rate) and after > 2 * before
    (warning,) = [line for line in said if line.startswith("warning")]
    assert f"{before:.3g}" in warning and f"{after:.3g}" in warning
    said.clear()
    constant = ("train.schedule=constant", "train.warmup_epochs=0")
    same = begin(toy(folder, *constant, epochs=1), tmp_path / "runs", "constant")
    resume(toy(folder, *constant, epochs=2), same, said.append)
    assert not [line for line in said if line.startswith("warning")]


def test_an_image_that_the_baseline_reproduces_is_named_and_left_out(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "val" / "low_res" / "1.png", folder / "val" / "high_res" / "1.png")
    shutil.copytree(folder / "val", folder / "test")
    said: list[str] = []
    path = begin(toy(folder), tmp_path / "runs", say=said.append)
    summary = json.loads((path / "summary.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    rows = list(csv.DictReader((path / "images.csv").read_text().splitlines()))
    assert summary["exact"] == {"val": ["1.png"], "test": ["1.png"]}
    assert summary["test_identity"] == summary["identity"] and summary["gain_db"]["test"] == summary["gain_db"]["val"]
    kept = [row for row in rows if row["split"] == "val" and row["name"] != "1.png"]
    assert summary["val"]["psnr"] == pytest.approx(sum(float(row["psnr"]) for row in kept) / 2, abs=1e-4)
    assert summary["gain_db"]["val"] == pytest.approx(summary["val"]["psnr"] - summary["identity"]["psnr"])
    (out,) = (float(row["identity_mse"]) for row in rows if row["split"] == "test" and row["name"] == "1.png")
    assert out == 0
    assert float(rows_of(path)[summary["best_epoch"] - 1]["val_psnr"]) == pytest.approx(summary["val"]["psnr"])
    assert "1.png" in result_lines(summary, "runs/toy") and not any("no finite" in line for line in said)


def test_a_checkpoint_without_the_loss_of_its_best_epoch_resumes(folder: Path, tmp_path: Path) -> None:
    path = begin(toy(folder, epochs=1), tmp_path / "runs")
    for name in ("last", "best"):
        tensors, meta = read_checkpoint(file := path / "checkpoints" / f"{name}.safetensors")
        del meta["progress"]["best_error"]
        save_checkpoint(file, tensors, meta, None)
    resume(toy(folder, epochs=2), path)
    assert [row["epoch"] for row in rows_of(path)] == ["1", "2"]


def test_early_stopping_and_patience(folder: Path, tmp_path: Path) -> None:
    config = toy(folder, "train.epochs=50", "train.patience=2", "train.learning_rate=1e-12")
    run = read_run(begin(config, tmp_path / "runs"))
    assert run.summary is not None
    assert len(run.rows) < 50
    assert len(run.rows) == run.summary["best_epoch"] + 2


def test_bfloat16_stays_close_to_float32(folder: Path, tmp_path: Path) -> None:
    rows = [
        read_run(begin(toy(folder, f"train.precision={p}"), tmp_path / "runs", p)).rows for p in ("float32", "bfloat16")
    ]
    assert rows[0][-1]["val_mse"] != rows[1][-1]["val_mse"]
    assert rows[1][-1]["val_mse"] == pytest.approx(rows[0][-1]["val_mse"], rel=0.1)


def test_a_bound_network_refuses_images_of_another_size(folder: Path, tmp_path: Path) -> None:
    config = parse_config(
        f"model: {{name: conv_autoencoder, channels: [4], latent: 3}}\ndata: {{folder: {folder}, crop: 16}}", "toy"
    )
    with refuses(ConfigError, 16, "data.crop"):
        prepare(config, CPU)


def test_a_last_batch_of_one_sample_is_refused_where_batch_norm_needs_more(folder: Path) -> None:
    text = "model: {{name: conv_autoencoder, channels: [4, 6, 6, 6, 6], batch_norm: true}}\ndata: {{folder: {0}}}"
    config = parse_config(text.format(folder), "toy", ["train.batch_size=3"])
    prepare(config, CPU)  # 5 images: 3 and 2
    with refuses(ConfigError, "batch_size"):
        prepare(parse_config(text.format(folder), "toy", ["train.batch_size=4"]), CPU)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({}, [1, 1, 1, 1, 1, 1, 1, 1]),
        ({"warmup_epochs": 2.0}, [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]),
        ({"schedule": "step", "step_epochs": [1, 3]}, [1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]),
        ({"schedule": "cosine"}, [1, 0.962, 0.854, 0.691, 0.5, 0.309, 0.146, 0.038]),
    ],
)
def test_learning_rate_schedules(schedule: dict, expected: list[float]) -> None:
    config = TrainConfig(epochs=4, learning_rate=1.0, **schedule)
    assert [learning_rate_at(config, step, 2) for step in range(8)] == pytest.approx(expected, abs=1e-3)


_STEPS = """
import resource, sys
import torch
from srae.config.loading import parse_config
from srae.memory import keep_freed_memory
from srae.training.prepare import epoch_batches, prepare
from srae.training.step import compute_gradients

keep_freed_memory()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

torch.set_num_threads(1)
s = prepare(parse_config(sys.argv[1], "toy"), torch.device("cpu"))
counts = []
for batch in epoch_batches(s, 0, 0):
    before = faults()
    compute_gradients(s, batch.input, batch.target)
    s.optimizer.step()
    counts.append(faults() - before)
print(min(counts[4:]))
"""


@pytest.mark.skipif("glibc" not in platform.libc_ver()[0], reason="other allocators have no such switch")
def test_a_step_takes_no_new_memory_from_the_system(pair_folder: Callable[..., Path]) -> None:
    folder = pair_folder(train=1, val=1, size=(512, 512))
    text = f"""
model: {{name: conv_autoencoder, channels: [16], value_range: [-1, 1]}}
data: {{folder: {folder}, crop: 512, crops_per_picture: 56}}
train: {{batch_size: 8}}
"""
    # A layer's output is 33 MB, 8192 pages: more than the allocator keeps by itself.
    assert int(run_python(_STEPS, text).stdout) < 1000


def test_the_command_keeps_freed_memory_and_the_library_leaves_malloc_alone(
    pair_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr("srae.memory.keep_freed_memory", lambda: calls.append(1))
    (tmp_path / "a.yaml").write_text(f"model: {{name: identity}}\ndata: {{folder: {json.dumps(str(pair_folder()))}}}\n")
    prepare(load_config(tmp_path / "a.yaml"), torch.device("cpu"))
    assert not calls
    assert main(["train", "--config", str(tmp_path / "a.yaml"), "--dry-run"]) == 0
    assert calls == [1]


def test_only_on_cuda_are_kernels_that_add_in_any_order_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # so that what is set here is taken back
    del os.environ["CUBLAS_WORKSPACE_CONFIG"]
    for name, wanted in (("cpu", False), ("cuda", True)):
        with repeatable_kernels(torch.device(name)):
            assert torch.backends.cudnn.deterministic is wanted
            assert torch.are_deterministic_algorithms_enabled() is wanted
            assert ("CUBLAS_WORKSPACE_CONFIG" in os.environ) is wanted
        assert not torch.backends.cudnn.deterministic and not torch.are_deterministic_algorithms_enabled()


def test_images_of_one_photograph_are_one_group_in_every_file(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """From the data set to images.csv, the gain of the summary, and what `srae eval` stores."""
    text = "model: {name: residual, width: 4, blocks: 1}\ndata: {name: demo, crop: 32}\ntrain: {epochs: 1}"
    path = begin(parse_config(text, "toy"), tmp_path / "runs")
    rows = list(csv.DictReader((path / "images.csv").read_text().splitlines()))
    groups = {split: {row["group"] for row in rows if row["split"] == split} for split in ("val", "test")}
    assert groups["val"] == {"astronaut", "chelsea"} and len(groups["test"]) == 7
    summary = json.loads((path / "summary.json").read_text())
    assert [summary["gain_test"][split]["over"] for split in ("val", "test")] == ["2 groups", "7 groups"]
    assert (summary["steps"], summary["stopped_early"]) == (read_run(path).rows[-1]["step"], False)
    assert main(["eval", "--model", str(path), "--split", "test", "--device", "cpu", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["gain_test"]["test"]["over"] == "7 groups"
    scored = list(csv.DictReader(Path(document["images"]).read_text().splitlines()))
    assert {row["group"] for row in scored} == groups["test"]
