"""F9 to F12, and F33: checkpoints that are damaged, hostile, foreign, or from other conditions."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import random
import re
import shutil
import signal
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from warm_parent import WarmParent

import srae.training.loop
import srae.training.step
from builders import write_pairs
from conftest import LONG
from refusals import refuses
from srae.checkpoints.format import read_checkpoint, save_checkpoint
from srae.checkpoints.loading import load_model
from srae.cli import main
from srae.errors import CheckpointError, ConfigError, DivergedError, Interrupted
from srae.runs.reader import read_config, read_run
from srae.runs.writer import claim_run
from srae.training.prepare import prepare
from srae.training.run import train
from srae.training.session import Session
from toy_training import assert_same_run, begin, bytes_of, resume, rows_of, standing, toy, toy_text

pytestmark = pytest.mark.timeout(600)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("data") / "pairs")


@pytest.fixture(scope="module")
def whole(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs that nobody disturbed."""
    return begin(toy(pairs), tmp_path_factory.mktemp("whole"))


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """Its copy, to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "toy"))


def flipped(data: bytes, bit: int) -> bytes:
    broken = bytearray(data)
    broken[bit // 8] ^= 1 << bit % 8
    return bytes(broken)


# ------------------------------------------------------------------------------ F9


@pytest.mark.parametrize("step", [6, 8])
@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_f9_what_is_not_finite_stops_before_the_step(
    pairs: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, step: int
) -> None:
    """In the second epoch, within it and at its last step."""
    real, seen = srae.training.step.compute_gradients, 0

    def step_gradients(s: Session, *others: Any) -> Any:
        nonlocal seen
        seen += 1
        numbers = real(s, *others)
        if seen == step + 3:  # three steps are timed before
            numbers[0 if what == "loss" else 2] = float("nan")
        return numbers

    with monkeypatch.context() as patch:
        patch.setattr(srae.training.step, "compute_gradients", step_gradients)
        with refuses(DivergedError, f"epoch 2, step {step}, learning_rate 0.0", ".png"):
            begin(toy(pairs), tmp_path)
    path = tmp_path / "toy"
    assert read_run(path).status == "diverged"
    assert not (path / "DONE").exists()
    assert standing(path / "checkpoints" / "last.safetensors")["epoch"] == 1
    resume(toy(pairs), path)  # without the fault: the last good one was the right one
    assert_same_run(path, whole)


@pytest.mark.parametrize("step", [6, 8])
@pytest.mark.parametrize("save_seconds", [0, 600])
def test_f9_a_spoilt_update_shows_before_it_is_saved(
    pairs: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, save_seconds: int
) -> None:
    """An update that itself is not finite shows in the losses after it, and that of the last step in the validation.

    In an epoch that is saved on its way it shows in the weights.
    """
    real, seen = srae.training.step.TrainingStep.__call__, 0

    def call(self: Any, *of_step: Any) -> Any:
        nonlocal seen
        seen += 1
        numbers = real(self, *of_step)
        if seen == step + 3:  # three steps are timed before
            with torch.no_grad():
                next(self._s.model.parameters()).view(-1)[0] = float("nan")
        return numbers

    with monkeypatch.context() as patch:
        patch.setattr(srae.training.step.TrainingStep, "__call__", call)
        patch.setattr(srae.training.loop, "SAVE_SECONDS", save_seconds)
        with refuses(DivergedError):
            begin(toy(pairs), tmp_path)
    assert standing(tmp_path / "toy" / "checkpoints" / "last.safetensors")["epoch"] == 1
    assert len(rows_of(tmp_path / "toy")) == 1
    resume(toy(pairs), tmp_path / "toy")
    assert_same_run(tmp_path / "toy", whole)


def test_f9_a_rate_beyond_all_reason(pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "toy.yaml").write_text(toy_text(pairs))
    sets = [f"--set=train.{what}" for what in ("optimizer=sgd", "learning_rate=1e30", "schedule=constant")]
    assert main(["train", "--config", str(tmp_path / "toy.yaml"), "--runs-dir", str(tmp_path), *sets]) == 6
    told = capsys.readouterr().err
    assert re.search(r"^epoch 1, step \d, learning_rate \S+, batch: \d\.png", told, re.MULTILINE)
    assert read_run(tmp_path / "toy").status == "diverged"
    assert list((tmp_path / "toy" / "checkpoints").iterdir()) == []


# ----------------------------------------------------------------------------- F10


def test_f10_every_flipped_bit_is_found(run: Path) -> None:
    path = run / "checkpoints" / "last.safetensors"
    data, draw, found = path.read_bytes(), random.Random(0), 0
    header = 8 + int.from_bytes(data[:8], "little")
    places = [draw.randrange(64) for _ in range(20)]
    places += [draw.randrange(8 * header) for _ in range(100)]
    places += [draw.randrange(8 * header, 8 * len(data)) for _ in range(180)]
    for place in places:
        path.write_bytes(flipped(data, place))
        with pytest.raises(CheckpointError):
            read_checkpoint(path)
        found += 1
    assert found == 300
    path.write_bytes(data)
    read_checkpoint(path)


def test_f10_truncated_anywhere_is_refused(run: Path) -> None:
    path = run / "checkpoints" / "last.safetensors"
    data = path.read_bytes()
    for length in [*range(20), *range(20, len(data), 97 if LONG else 997), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError):
            read_checkpoint(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(CheckpointError):
        read_checkpoint(path)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data)),
    "bit of the length": lambda data: flipped(data, 3),
    "bit of the header": lambda data: flipped(data, 8 * 400),
    "bit of a weight": lambda data: flipped(data, 8 * len(data) - 20),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_f10_falls_back_to_the_previous_and_says_so(pairs: Path, whole: Path, run: Path, damage: str) -> None:
    last = run / "checkpoints" / "last.safetensors"
    broken = DAMAGES[damage](last.read_bytes())
    last.write_bytes(broken)
    said: list[str] = []
    resume(toy(pairs), run, said.append)
    assert [line for line in said if line.startswith("last.safetensors: ")]
    assert [line for line in said if "previous.safetensors: epoch 3, step 8" in line]
    assert (run / "checkpoints" / "damaged.safetensors").read_bytes() == broken  # and nothing else is lost to it
    assert_same_run(run, whole)


def test_f10_none_left_is_exit_7_however_often_it_is_tried(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (run / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:-3])
    before = {path: path.read_bytes() for path in (run / "checkpoints").iterdir()}
    rows = rows_of(run)
    for _ in range(2):
        assert main(["train", "--resume", str(run)]) == 7
        told = capsys.readouterr().err
        assert told.count("SHA-256") == 2 and "last.safetensors" in told and "previous.safetensors" in told
        assert rows_of(run) == rows
        assert {path: path.read_bytes() for path in (run / "checkpoints").iterdir()} == before


# ----------------------------------------------------------------------------- F11

NETWORK = "model={name: residual, width: 4, blocks: 1}"
SHAPE = [3, 16, 16]


class Bomb:
    """Whoever unpickles it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def signed(entries: Mapping[str, Any] | str, meta: Any, data: bytes = b"") -> bytes:
    """A checkpoint by somebody who knows how srae signs them; `entries` as JSON text where a dict could not hold it."""
    text = entries if isinstance(entries, str) else json.dumps(entries)[1:-1]
    metadata = json.dumps({"sha256": "0" * 64, "srae": json.dumps(meta)})
    header = f'{{"__metadata__":{metadata}{"," if text else ""}{text}}}'.encode()
    header += b" " * (-len(header) % 8)
    blank = len(header).to_bytes(8, "little") + header + data
    return blank.replace(b"0" * 64, hashlib.sha256(blank).hexdigest().encode(), 1)


def meta_of(folder: Path, *overrides: str, **changes: Any) -> dict[str, Any]:
    config = toy(folder, NETWORK, *overrides).model_dump(mode="json")
    data = {"name": "toy", "fingerprint": "0"}
    return {"format": 1, "config": config, "in_shape": SHAPE, "out_shape": SHAPE, "data": data, **changes}


def entry(shape: list[int], start: int, stop: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def torch_saved(bomb: Bomb, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save({"model.head.weight": bomb}, file, **options)
    return file.getvalue()


def torch_tar(bomb: Bomb) -> bytes:
    """The form of torch before 0.1.10: a tar of pickles."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            content = pickle.dumps(bomb, 2)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def npy(bomb: Bomb) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([bomb], dtype=object), allow_pickle=True)
    return file.getvalue()


def zip_bomb(bomb: Bomb) -> bytes:
    """300 MB of zeros in 300 KB, named as torch names a tensor, beside a pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(bomb))
        with archive.open("archive/data/0", "w") as member:
            for _ in range(300):
                member.write(bytes(2**20))
    return file.getvalue()


def unsigned(header: bytes, data: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + data


FORMS: dict[str, Callable[[Bomb, Path], bytes]] = {
    "pickle, protocol 0": lambda bomb, at: pickle.dumps(bomb, 0),
    "pickle, protocol 2": lambda bomb, at: pickle.dumps(bomb, 2),
    "pickle, protocol 5": lambda bomb, at: pickle.dumps(bomb, 5),
    "torch, zip": lambda bomb, at: torch_saved(bomb),
    "torch, before zip": lambda bomb, at: torch_saved(bomb, _use_new_zipfile_serialization=False),
    "torch, tar": lambda bomb, at: torch_tar(bomb),
    "joblib, compressed": lambda bomb, at: zlib.compress(pickle.dumps(bomb)),
    "npy of objects": lambda bomb, at: npy(bomb),
    "zip bomb": lambda bomb, at: zip_bomb(bomb),
    "header of 2**60 bytes": lambda bomb, at: struct.pack("<Q", 2**60) + pickle.dumps(bomb),
    "header of five million lists": lambda bomb, at: unsigned(b'{"a":[' + b"[]," * 5_000_000 + b"[]]}"),
    "header of as many lists as are read": lambda bomb, at: unsigned(b'{"a":[' + b"[]," * 349_000 + b"[]]}"),
    "header 100,000 deep": lambda bomb, at: unsigned(b"[" * 100_000),
    "pickle for meta data": lambda bomb, at: signed({}, pickle.dumps(bomb, 0).decode("latin-1")),
    "signed, meta data of a wrong kind": lambda bomb, at: signed({}, meta_of(at, data=[1], in_shape="wide")),
    "signed, overlapping tensors": lambda bomb, at: signed(
        {"model.a": entry([4], 0, 16), "model.b": entry([4], 8, 24)}, meta_of(at), bytes(24)
    ),
    "signed, tensors beyond the file": lambda bomb, at: signed({"model.a": entry([2**40], 0, 2**42)}, meta_of(at)),
    "signed, one name twice": lambda bomb, at: signed(
        ",".join(f'"model.a":{json.dumps(entry([1], k, k + 4))}' for k in (0, 4)), meta_of(at), bytes(8)
    ),
    "signed, names that are paths": lambda bomb, at: signed(
        {"model.../../../etc/x": entry([1], 0, 4), "/tmp/y\x1b[2J\r\n": entry([1], 4, 8)}, meta_of(at), bytes(8)
    ),
    "signed, config of a network of terabytes": lambda bomb, at: signed(
        {"model.a": entry([1], 0, 4)}, meta_of(at, "model.width=1000000"), bytes(4)
    ),
    "signed, config of endless layers": lambda bomb, at: signed(
        {"model.a": entry([1], 0, 4)}, meta_of(at, "model.blocks=1000000000"), bytes(4)
    ),
    "signed, config with hostile text": lambda bomb, at: signed(
        {}, meta_of(at, config={"model": {"name": "__import__('os').system('x')\x1b]0;x\x07", "width": [[1] * 9]}})
    ),
}


def test_f11_malicious_checkpoints_are_refused_and_nothing_runs(parent: WarmParent, tmp_path: Path) -> None:
    """Each in a process of its own, which tells how much its memory grew."""
    mark, told = tmp_path / "ran", {}
    for form, make in FORMS.items():
        path = tmp_path / "evil.safetensors"
        path.write_bytes(make(Bomb(mark), tmp_path))
        assert parent.run("load_hostile", path=str(path)) == 0, f"{form}: {parent.said()}"
        told[form] = json.loads(parent.said())
        assert not mark.exists(), form
    assert len(told) >= 12
    # Its tensors alone may be sound; then only the network that it describes is refused.
    assert [form for form, (raised, _) in told.items() if raised[0] != "CheckpointError"] == []
    assert {name for raised, _ in told.values() for name in raised} == {"CheckpointError", "nothing"}
    assert [(form, grown) for form, (_, grown) in told.items() if grown >= 50] == []
    print(f"{len(told)} of {len(FORMS)} forms refused; at most {max(grown for _, grown in told.values()):.0f} MB")


@pytest.mark.parametrize("form", ["pickle, protocol 5", "torch, zip", "zip bomb", "signed, names that are paths"])
def test_f11_the_commands_refuse_them_with_exit_7(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pairs: Path, form: str
) -> None:
    mark, path = tmp_path / "ran", tmp_path / "evil.safetensors"
    path.write_bytes(FORMS[form](Bomb(mark), tmp_path))
    image = str(pairs / "val" / "low_res" / "0.png")
    (tmp_path / "toy.yaml").write_text(f"{NETWORK.replace('=', ': ', 1)}\ndata: {{folder: {json.dumps(str(pairs))}}}\n")
    start = ["--set", f"train.start_from={json.dumps(str(path))}", "--runs-dir", str(tmp_path / "runs")]
    for arguments in (
        ["upscale", image, "--model", str(path), "-o", str(tmp_path / "out.png")],
        ["eval", "--model", str(path), "--data", str(pairs)],
        ["train", "--config", str(tmp_path / "toy.yaml"), *start],
    ):
        assert main(arguments) == 7, arguments
        told = capsys.readouterr()
        assert told.out == ""
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]|Traceback", told.err)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["evil.safetensors", "toy.yaml"]


# ----------------------------------------------------------------------------- F12


def test_f12_a_checkpoint_of_another_variant_is_explained(pairs: Path, run: Path) -> None:
    config = run / "config.yaml"
    config.write_text(re.sub(r"- 4\b", "- 6", config.read_text(), count=1))
    rows = rows_of(run)
    assert main(["train", "--resume", str(run)]) == 7
    with refuses(CheckpointError, "last.safetensors", "(6, "):
        resume(toy(pairs, "model.channels=[3, 6]"), run)
    assert rows_of(run) == rows


def test_f12_missing_and_unknown_weights_are_named(run: Path) -> None:
    path = run / "model.safetensors"
    tensors, meta = read_checkpoint(path)
    name = sorted(tensors)[0]
    lost = {key: tensor for key, tensor in tensors.items() if key != name}
    save_checkpoint(path, lost, meta, None)
    with refuses(CheckpointError, path, name.removeprefix("model.")):
        load_model(run)
    save_checkpoint(path, {**tensors, "model.extra": torch.zeros(1)}, meta, None)
    with refuses(CheckpointError, path, "extra"):
        load_model(run)
    save_checkpoint(path, {**tensors, name: torch.zeros(7)}, meta, None)
    with refuses(CheckpointError, path, name.removeprefix("model."), "(7,)"):
        load_model(run)


def test_f12_a_checkpoint_says_nothing_of_its_device(run: Path) -> None:
    """Made on CUDA or on the CPU, the bytes are the same, so that each reads the other's."""
    data = (run / "checkpoints" / "last.safetensors").read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert all(value.keys() == {"dtype", "shape", "data_offsets"} for key, value in header.items() if key[0] != "_")
    path = run / "checkpoints" / "last.safetensors"
    tensors, meta = read_checkpoint(path)
    assert all(tensor.device == CPU for tensor in tensors.values())
    meta["machine"] |= {"device_type": "cuda", "cuda": "13.2", "device": "a large one"}
    save_checkpoint(path, tensors, meta, None)
    before, said = bytes_of(path), list[str]()
    resume(read_config(run), run, said.append)
    assert [line for line in said if "device a large one -> " in line and "device_type cuda -> cpu" in line]
    assert bytes_of(path) == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: a checkpoint that CUDA made")
def test_f12_made_on_cuda_read_on_the_cpu(pairs: Path, tmp_path: Path) -> None:
    writer = claim_run(tmp_path, "toy")
    train(prepare(toy(pairs), torch.device("cuda")), writer, lambda _: None)
    writer.close()
    assert all(p.device == CPU for p in load_model(writer.path).model.parameters())
    said: list[str] = []
    resume(toy(pairs, epochs=4), writer.path, said.append)
    assert any("device_type cuda -> cpu" in line for line in said)


# ----------------------------------------------------------------------------- F33


def test_f33_other_threads_are_told(parent: WarmParent, run: Path) -> None:
    assert parent.run("resume", run=str(run), threads=2) == 0, parent.said()
    assert "threads 1 -> 2" in parent.said()
    assert parent.run("resume", run=str(run)) == 0, parent.said()
    assert "threads" not in parent.said()  # nothing was trained, so nothing was saved with two


def changed_data(run: Path, pairs: Path) -> Path:
    """The same folder with other images in it, as far as the run can see."""
    folder = write_pairs(run.parent / "pairs", seed=1)
    config = run / "config.yaml"
    config.write_text(config.read_text().replace(str(pairs), str(folder)))
    return folder


def test_f33_changed_data_need_a_flag(pairs: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = changed_data(run, pairs)
    before = {path: path.read_bytes() for path in run.rglob("*.safetensors")}
    arguments = ["train", "--resume", str(run), "--set", "train.epochs=4", "--device", "cpu"]
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert re.search(r"data [0-9a-f]{16} -> [0-9a-f]{16}", told)
    assert "--allow-changed" in told
    assert {path: path.read_bytes() for path in run.rglob("*.safetensors")} == before
    assert len(rows_of(run)) == 3
    assert main([*arguments, "--allow-changed"]) == 0
    assert re.search(r"data [0-9a-f]{16} -> [0-9a-f]{16}", capsys.readouterr().err)
    assert [row["epoch"] for row in rows_of(run)] == ["1", "2", "3", "4"]
    summary = json.loads((run / "summary.json").read_text())
    assert summary["best_epoch"] == 4  # metrics of the old images do not compare
    assert summary["data"]["fingerprint"] == prepare(toy(folder), CPU).data.fingerprint
    assert main(["train", "--resume", str(run), "--device", "cpu"]) == 0  # what was allowed is the run's own now


def test_f33_another_batch_size_needs_a_flag(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = ["--set", "train.epochs=4", "--set", "train.batch_size=2"]
    arguments = ["train", "--resume", str(run), *sets, "--device", "cpu"]
    assert main(arguments) == 2
    assert "--allow-changed" in capsys.readouterr().err
    assert main([*arguments, "--allow-changed"]) == 0
    assert "batch_size 3 -> 2" in capsys.readouterr().err
    assert [row["step"] for row in rows_of(run)] == ["4", "8", "12", "20"]
    assert "batch_size: 2" in (run / "config.yaml").read_text()


def test_f33_a_changed_epoch_begins_again(pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of another size are others: half an epoch of each would show some images twice, others never."""
    real, seen = srae.training.step.TrainingStep.__call__, 0

    def stop(self: Any, *of_step: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == 6 + 3:  # three steps are timed before
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, *of_step)

    with monkeypatch.context() as patch:
        patch.setattr(srae.training.step.TrainingStep, "__call__", stop)
        with pytest.raises(Interrupted):
            begin(toy(pairs), tmp_path)
    assert standing(tmp_path / "toy" / "checkpoints" / "last.safetensors")["batch"] == 2
    config = toy(pairs, "train.batch_size=5")
    with refuses(ConfigError, "batch_size 3 -> 5", "--allow-changed"):
        resume(config, tmp_path / "toy")
    said: list[str] = []
    resume(config, tmp_path / "toy", said.append, allow_changed=True)
    assert [line for line in said if "last.safetensors: epoch 2, step 2" in line]
    assert [row["step"] for row in rows_of(tmp_path / "toy")] == ["4", "4", "6"]


def test_f33_nothing_else_may_change(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for key in ("model.channels=[8]", "seed=9", "train.optimizer=sgd", "train.learning_rate=1"):
        for flag in ([], ["--allow-changed"]):
            assert main(["train", "--resume", str(run), "--set", key, *flag]) == 2
            assert "train.epochs" in capsys.readouterr().err  # what may
