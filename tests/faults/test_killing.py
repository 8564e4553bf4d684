"""F1 to F5, and F29: whatever ends a process, and whenever, nothing is lost."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from functools import partial
from pathlib import Path

import pytest
from warm_parent import WarmParent

import srae.evaluation.evaluate
from builders import write_image, write_pairs
from conftest import LONG
from refusals import refuses
from srae.checkpoints.format import read_checkpoint, save_checkpoint
from srae.errors import Interrupted
from srae.files import this_place
from srae.images.image import read_image
from srae.runs.layout import COLUMNS
from srae.runs.reader import read_rows, read_run
from srae.runs.signals import catch_signals
from srae.runs.writer import RunWriter, claim_run
from toy_training import (
    assert_same_run,
    assert_whole,
    begin,
    resume,
    rows_of,
    save_bicubic,
    standing,
    toy,
    toy_text,
    until,
)

KILLS = 300 if LONG else 30
pytestmark = pytest.mark.timeout(7200 if LONG else 900)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("data") / "pairs")


@pytest.fixture(scope="module")
def whole(parent: WarmParent, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs that nobody disturbed."""
    runs = tmp_path_factory.mktemp("whole")
    assert parent.run("begin", config=toy_text(pairs), runs=str(runs), name="toy") == 0, parent.said()
    return runs / "toy"


def part_of(path: Path, pid: int) -> Path:
    """A name as this process of this host gives it to what it has not finished."""
    return path.with_name(f".{path.name}.tmp.{this_place()}.{pid}.0")


def go_on(parent: WarmParent, pairs: Path, run: Path) -> None:
    """What a user does after a kill: resume the run, or start it again when it has not begun yet."""
    if (run / "config.yaml").exists():
        assert parent.run("resume", run=str(run)) == 0, parent.said()
    else:
        assert parent.run("begin", config=toy_text(pairs), runs=str(run.parent), name=run.name) == 0, parent.said()


# ------------------------------------------------------------------------------ F1


def test_f1_kill_9_at_a_random_moment(parent: WarmParent, pairs: Path, whole: Path, tmp_path: Path) -> None:
    def start(name: str) -> tuple[int, float]:
        pid = parent.start("begin", config=toy_text(pairs), runs=str(tmp_path), name=name)
        return pid, until(lambda: (tmp_path / name / ".lock").exists())

    pid, began = start("measured")
    assert parent.wait(pid) == 0
    duration = time.monotonic() - began
    draw, killed, rows_left = random.Random(0), 0, set()
    for number in range(3 * KILLS):
        run = tmp_path / f"run{number}"
        pid, _ = start(run.name)
        time.sleep(draw.uniform(0, duration))
        os.kill(pid, signal.SIGKILL)
        died = parent.wait(pid) == -signal.SIGKILL
        duration *= 1.01 if died else 0.9  # other programs make this one slower, or stop doing so
        assert_whole(run)
        if died:
            killed += 1
            rows_left.add(len(read_rows(run)))
        go_on(parent, pairs, run)
        assert_same_run(run, whole)
        shutil.rmtree(run)
        if killed == KILLS:
            break
    assert killed == KILLS
    assert rows_left == {0, 1, 2, 3}  # the moments were spread over the whole run
    assert [path.name for path in tmp_path.iterdir()] == ["measured"]


@pytest.mark.parametrize("saved_often", [False, True])
def test_f1_killed_again_and_again(
    parent: WarmParent, pairs: Path, whole: Path, tmp_path: Path, saved_often: bool
) -> None:
    """Every resume is killed too, some of them before they got any further."""
    run, draw, kills = tmp_path / "toy", random.Random(1), 0
    what, arguments = "begin", {"config": toy_text(pairs), "runs": str(tmp_path), "name": "toy"}

    def dies() -> int:
        task = ("often", {"what": what, "arguments": arguments}) if saved_often else (what, arguments)
        number = draw.randrange(15, 40)
        return parent.run("at_operation", number=number, folder=str(run), what=task[0], arguments=task[1])

    while dies():
        kills += 1
        assert kills < 100
        assert_whole(run)
        what, arguments = "resume", {"run": str(run)}
        if kills == 8:
            go_on(parent, pairs, run)
            break
    assert kills == 8, "the run must last for eight kills"
    assert_same_run(run, whole)


def test_f1_a_start_that_was_killed_before_its_config_leaves_the_name_free(tmp_path: Path, dead_process: int) -> None:
    (tmp_path / "empty").mkdir()
    claim_run(tmp_path, "locked").close()
    part_of(tmp_path / "locked" / "config.yaml", dead_process).touch()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("precious")
    (tmp_path / "file").write_text("precious")
    for name, expected in (("empty", "empty"), ("locked", "locked"), ("mine", "mine-2"), ("file", "file-2")):
        writer = claim_run(tmp_path, name)
        assert writer.path.name == expected
        assert not list(writer.path.glob(".*.tmp.*"))
        again = claim_run(tmp_path, name)  # while the first holds it
        assert again.path.name != writer.path.name
        for each in (writer, again):
            each.close()


def test_f1_killed_before_the_first_checkpoint_a_run_starts_from_the_same_weights(
    parent: WarmParent, pairs: Path, whole: Path, tmp_path: Path
) -> None:
    text = toy_text(pairs).replace("train: {", f"train: {{start_from: {json.dumps(str(whole))}, ")
    (tmp_path / "toy.yaml").write_text(text)
    assert parent.run("begin", config=text, runs=str(tmp_path), name="whole") == 0, parent.said()
    dead = parent.run("begin_and_die_before", step="save_best", epoch=1, config=text, runs=str(tmp_path), name="toy")
    assert (dead, os.listdir(tmp_path / "toy" / "checkpoints")) == (-signal.SIGKILL, [])
    assert parent.run("command", argv=["train", "--resume", "./toy"], folder=str(tmp_path)) == 0, parent.said()
    assert "starts from" in parent.said()
    found = {entry.name for entry in (tmp_path / "toy").iterdir()}
    for drawn in {"curves.png", "curves.svg", "log.txt"} & found:
        (tmp_path / "toy" / drawn).unlink()
    for strip in (tmp_path / "toy" / "samples").glob("*_strip.png"):
        strip.unlink()
    assert_same_run(tmp_path / "toy", tmp_path / "whole")


# ------------------------------------------------------------------------------ F2


@pytest.mark.parametrize("name", ["last", "best"])
def test_f2_kill_9_at_every_boundary_inside_the_save(parent: WarmParent, tmp_path: Path, name: str) -> None:
    path, previous = tmp_path / "checkpoints" / f"{name}.safetensors", tmp_path / "checkpoints" / "previous.safetensors"
    after = previous if name == "last" else None
    RunWriter(tmp_path).close()
    for boundary in range(1000):
        for old in path.parent.iterdir():
            old.unlink()
        for fill in (0.0, 1.0):
            save_checkpoint(path, {}, {"progress": {"fill": fill}}, after)
        code = parent.run("save", path=str(path), fill=2.0, previous=str(after) if after else None, boundary=boundary)
        RunWriter(tmp_path).close()  # as every resume begins
        left = {file.stem: read_checkpoint(file)[1]["progress"]["fill"] for file in path.parent.iterdir()}
        if code == 0:
            break
        assert code == -signal.SIGKILL, parent.said()
        if name == "best":
            assert left in ({"best": 1.0}, {"best": 2.0})
        else:  # what a resume takes first is never older than the file that was there
            assert left in ({"last": 1, "previous": 0}, {"previous": 1}, {"last": 2, "previous": 1})
    assert boundary > 30, "this test must pass many boundaries to mean something"
    assert left == ({"best": 2} if name == "best" else {"last": 2, "previous": 1})


def test_f2_kill_9_at_every_file_operation_of_a_run(
    parent: WarmParent, pairs: Path, whole: Path, tmp_path: Path
) -> None:
    text, number = toy_text(pairs), 0
    while True:
        arguments = {"config": text, "runs": str(tmp_path), "name": "toy"}
        run = tmp_path / "toy"
        code = parent.run("at_operation", number=number, folder=str(run), what="begin", arguments=arguments)
        if code == 0:
            break
        assert code == -signal.SIGKILL, parent.said()
        assert_whole(run)
        go_on(parent, pairs, run)
        assert_same_run(run, whole)
        shutil.rmtree(run)
        number += 1 if LONG else 19
    assert number > 80, "this test must meet many operations to mean something"


def test_f2_kill_9_at_every_file_operation_of_a_resume_from_a_damaged_checkpoint(
    parent: WarmParent, pairs: Path, whole: Path, tmp_path: Path
) -> None:
    """The one whole generation must not be lost to the save that puts the damaged one in its place."""
    begun, number = tmp_path / "begun", 0
    code = parent.run(
        "begin_and_die_before",
        step="save_best", epoch=3, config=toy_text(pairs), runs=str(tmp_path), name="begun",
    )  # fmt: skip
    assert code == -signal.SIGKILL, parent.said()
    last = begun / "checkpoints" / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-1])
    while True:
        run = tmp_path / "toy"
        shutil.copytree(begun, run)
        arguments = {"run": str(run)}
        code = parent.run("at_operation", number=number, folder=str(run), what="resume", arguments=arguments)
        if code:
            assert code == -signal.SIGKILL, parent.said()
            go_on(parent, pairs, run)
        assert_same_run(run, whole)
        assert (run / "checkpoints" / "damaged.safetensors").exists()
        shutil.rmtree(run)
        if not code:
            break
        number += 1 if LONG else 17
    assert number > 40


# ------------------------------------------------------------------------------ F3


@pytest.mark.parametrize("epoch", [1, 2, 3])
@pytest.mark.parametrize("step", ["save_best", "save_last"])
def test_f3_killed_between_metrics_row_and_checkpoint(
    parent: WarmParent, pairs: Path, whole: Path, tmp_path: Path, step: str, epoch: int
) -> None:
    arguments = {"config": toy_text(pairs), "runs": str(tmp_path), "name": "toy"}
    code = parent.run("begin_and_die_before", step=step, epoch=epoch, **arguments)
    if code:  # else this epoch was not the best so far
        assert code == -signal.SIGKILL, parent.said()
        assert len(rows_of(tmp_path / "toy")) == epoch
        go_on(parent, pairs, tmp_path / "toy")
    assert [row["epoch"] for row in rows_of(tmp_path / "toy")] == ["1", "2", "3"]
    assert_same_run(tmp_path / "toy", whole)


def test_f3_a_row_torn_anywhere_is_written_again(tmp_path: Path) -> None:
    writer = claim_run(tmp_path, "toy")
    row = {"step": 4, "val_mse": 0.125, "learning_rate": 1e-3}
    for epoch in (1, 2, 3):
        writer.append_row({"epoch": epoch, **row})
    path = writer.path / "metrics.csv"
    text = path.read_bytes()
    header = text.index(b"\n")
    for length in range(len(text)) if LONG else sorted({*range(0, len(text), 9), header, header + 1}):
        path.write_bytes(text[:length])
        kept = min(len(read_rows(writer.path)), 2)
        assert [found["epoch"] for found in read_rows(writer.path)][:kept] == [1, 2][:kept]
        writer.keep_rows(kept)
        for epoch in range(kept + 1, 4):
            writer.append_row({"epoch": epoch, **row})
        assert path.read_bytes() == text, length
    writer.close()


def test_f3_rows_of_another_srae_keep_their_columns(tmp_path: Path) -> None:
    writer = claim_run(tmp_path, "toy")
    path = writer.path / "metrics.csv"
    for columns in (COLUMNS[:13], (*COLUMNS, "val_novelty")):
        path.write_text(",".join(columns) + "\n" + ",".join(["1"] * len(columns)) + "\n")
        writer.keep_rows(1)
        writer.append_row({"epoch": 2, "val_mse": 0.5, "train_accuracy": 0.75})
        old, new = read_rows(writer.path)
        assert {key for key, value in old.items() if value == 1} == set(columns)
        assert (new["epoch"], new["val_mse"], new["train_accuracy"]) == (2, 0.5, 0.75)
    writer.close()


# ----------------------------------------------------------------------- F4 and F5


@pytest.fixture(scope="module")
def long_run(parent: WarmParent, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of twenty epochs that nobody disturbed."""
    runs = tmp_path_factory.mktemp("long")
    assert parent.run("begin", config=toy_text(pairs, epochs=20), runs=str(runs), name="toy") == 0, parent.said()
    return runs / "toy"


@pytest.fixture
def command_run(pairs: Path, long_run: Path, tmp_path: Path) -> tuple[Path, Path, list[str]]:
    """A folder to work in, a run that nobody disturbed, and the command that makes it again."""
    (tmp_path / "toy.yaml").write_text(toy_text(pairs, epochs=20))
    return tmp_path, long_run, ["train", "--config", "toy.yaml", "--runs-dir", ".", "--device", "cpu"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_f4_f5_a_signal_ends_the_step_and_saves(
    parent: WarmParent, pairs: Path, command_run: tuple[Path, Path, list[str]], number: signal.Signals
) -> None:
    folder, whole, argv = command_run
    pid = parent.start("command_with_slow_disk", argv=argv, folder=str(folder), seconds=0.03)
    sent = until(lambda: "epoch  2/" in parent.said())
    os.kill(pid, number)
    assert parent.wait(pid) == 128 + number
    assert time.monotonic() - sent < 10
    assert "--resume toy" in parent.said()
    assert "Traceback" not in parent.said()
    assert read_run(folder / "toy").status == "stopped"
    done = len(rows_of(folder / "toy"))
    assert 2 <= done < 20
    stands = standing(folder / "toy" / "checkpoints" / "last.safetensors")
    assert (stands["epoch"], stands["step"]) == (done, done * 4 + stands["batch"])
    go_on(parent, pairs, folder / "toy")
    (folder / "toy" / "log.txt").unlink()
    assert_same_run(folder / "toy", whole)


def test_f4_a_stop_does_not_wait_for_the_validation(
    pairs: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = srae.evaluation.evaluate.forward_split
    config, calls = toy(pairs), []

    def forward(*arguments: object) -> object:
        calls.append(len(rows_of(tmp_path / "toy")) if (tmp_path / "toy" / "metrics.csv").exists() else 0)
        if calls.count(1) == 1:  # the first of two images of the second epoch
            os.kill(os.getpid(), signal.SIGTERM)
        return real(*arguments)

    monkeypatch.setattr(srae.evaluation.evaluate, "BATCH_PIXELS", 1)
    monkeypatch.setattr(srae.evaluation.evaluate, "forward_split", forward)
    with refuses(Interrupted, "step 8"):
        begin(config, tmp_path)
    assert calls.count(1) == 1
    stands = standing(tmp_path / "toy" / "checkpoints" / "last.safetensors")
    assert (stands["epoch"], stands["batch"], stands["step"]) == (1, 4, 8)
    monkeypatch.undo()
    resume(config, tmp_path / "toy")
    assert_same_run(tmp_path / "toy", whole)


def test_f5_a_second_ctrl_c_stops_now(
    parent: WarmParent, pairs: Path, command_run: tuple[Path, Path, list[str]]
) -> None:
    folder, whole, argv = command_run
    pid = parent.start("command_with_slow_disk", argv=argv, folder=str(folder), seconds=0.5)
    until(lambda: "epoch  2/" in parent.said())  # the save of this epoch takes seconds
    for _ in range(2):
        os.kill(pid, signal.SIGINT)
        time.sleep(0.1)
    assert parent.wait(pid) == 130
    assert "Traceback" not in parent.said()
    assert_whole(folder / "toy")
    assert not list((folder / "toy").rglob(".*.tmp.*"))
    go_on(parent, pairs, folder / "toy")
    (folder / "toy" / "log.txt").unlink()
    assert_same_run(folder / "toy", whole)


def test_f5_the_first_signal_is_a_wish_and_the_second_interrupt_an_order() -> None:
    with catch_signals() as request:
        os.kill(os.getpid(), signal.SIGTERM)
        until(request.wanted)
        assert request.signal_number == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


# ----------------------------------------------------------------------------- F29


@pytest.fixture
def batch(parent: WarmParent, tmp_path: Path) -> tuple[Path, list[str]]:
    """Fifty images, and the command for them."""
    for number in range(50):
        write_image(tmp_path / "in" / f"{number}.png", (30, 20 + number * 7 % 40), seed=number)
    return tmp_path, ["upscale", "in", "--model", str(save_bicubic(tmp_path / "model.safetensors")), "-o"]


def has_images(folder: Path, count: int) -> bool:
    return len(list(folder.glob("*.png"))) >= count


def test_f29_a_killed_batch_goes_on(parent: WarmParent, batch: tuple[Path, list[str]]) -> None:
    folder, argv = batch
    assert parent.run("command", argv=[*argv, "whole"], folder=str(folder)) == 0, parent.said()
    whole = {path.name: path.read_bytes() for path in (folder / "whole").iterdir()}
    assert len(whole) == 50
    kills = 60 if LONG else 6
    draw, torn = random.Random(0), 0
    for number in range(kills):
        out = folder / f"out{number}"
        pid = parent.start("command", argv=[*argv, out.name], folder=str(folder))
        until(partial(has_images, out, draw.randrange(50)))
        time.sleep(draw.uniform(0, 0.004))
        os.kill(pid, signal.SIGKILL)
        assert parent.wait(pid) in (-signal.SIGKILL, 0)
        for path in out.glob("*.png"):
            assert path.read_bytes() == whole[path.name]
        torn += len(list(out.glob(".*.tmp.*")))
        assert parent.run("command", argv=[*argv, out.name], folder=str(folder)) == 0, parent.said()
        assert {path.name: path.read_bytes() for path in out.iterdir()} == whole
    print(f"{torn} of {kills} kills left a part")


def test_f29_only_what_the_dead_left_is_swept(
    parent: WarmParent, batch: tuple[Path, list[str]], dead_process: int
) -> None:
    folder, argv = batch
    (folder / "out").mkdir()
    dead = part_of(folder / "out" / "7_x2.png", dead_process)
    living = part_of(folder / "out" / "7_x2.png", os.getpid())
    others = part_of(folder / "out" / "letter.png", dead_process)
    for path in (dead, living, others):
        path.touch()
    assert parent.run("command", argv=[*argv, "out"], folder=str(folder)) == 0, parent.said()
    assert not dead.exists()
    assert living.exists()
    assert others.exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_f29_several_processes_write_one_output(
    parent: WarmParent, batch: tuple[Path, list[str]], overwrite: bool
) -> None:
    folder, argv = batch
    for number in range(3):
        name = f"{number}_x2.png"
        more = [name, "--overwrite"] if overwrite else [name]
        one = ["upscale", f"in/{number}.png", *argv[2:], *more]
        codes = sorted(map(parent.wait, [parent.start("command", argv=one, folder=str(folder)) for _ in range(6)]))
        assert codes == ([0] * 6 if overwrite else [0, 4, 4, 4, 4, 4]), parent.said()
        assert read_image(folder / name).pixels.shape[0] == 60
    assert not list(folder.glob(".*.tmp.*"))


# ------------------------------------------------------------------------- studies


@pytest.fixture
def study(pairs: Path, tmp_path: Path) -> Path:
    """A study of two runs without parameters."""
    (tmp_path / "toy.yaml").write_text(f"model: {{name: identity}}\ndata: {{folder: {json.dumps(str(pairs))}}}\n")
    (tmp_path / "seeds.yaml").write_text("configs: [toy.yaml]\nseeds: [0, 1]\n")
    return tmp_path


def test_f8_one_study_at_a_time(parent: WarmParent, study: Path) -> None:
    folder = study / "runs" / "seeds"
    folder.mkdir(parents=True)
    pid = parent.start("hold_study", study=str(study / "seeds.yaml"), folder=str(folder))
    until(lambda: "held" in parent.said())
    assert parent.run("command", argv=["study", "seeds.yaml"], folder=str(study)) == 8
    assert str(pid) in parent.said() and this_place().rpartition("-")[0] in parent.said()
    assert "Traceback" not in parent.said()
    os.kill(pid, signal.SIGKILL)
    parent.wait(pid)
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []


def test_f1_a_killed_study_goes_on(parent: WarmParent, study: Path) -> None:
    folder = study / "runs" / "seeds"
    pid = parent.start("command", argv=["study", "seeds.yaml", "--device", "cpu"], folder=str(study))
    until(lambda: (folder / "toy-s0" / ".lock").exists())
    os.kill(pid, signal.SIGKILL)  # its training goes on without it
    assert parent.wait(pid) == -signal.SIGKILL
    (folder / "toy-s1").mkdir()  # and a start of the second run was killed at once
    again = parent.run("command", argv=["study", "seeds.yaml", "--device", "cpu"], folder=str(study))
    assert again == 0, parent.said()
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["toy-s0", "toy-s1"]
    assert all(read_run(folder / name).status == "done" for name in ("toy-s0", "toy-s1"))
