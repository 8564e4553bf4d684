"""Real processes on loopback: their number changes nothing, and whatever ends one ends all, with one message."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from ranks import Ranks, free_port
from warm_parent import WarmParent

from builders import write_images, write_pairs
from conftest import LONG, clean_environment
from srae.errors import ConfigError, DataError, DivergedError, PeerError, ResourceError, SraeError
from srae.runs.reader import read_rows
from toy_training import CPU, HANG, assert_same_run, assert_whole, standing, toy_text, until

KILLS = 20 if LONG else 2
pytestmark = pytest.mark.timeout(3600 if LONG else 300)
# Everything that draws or adds up: 14 samples an epoch in batches of 5, so that the last batch has 4 for 4 shards.
PLANS = {
    "muon": "optimizer: muon, clip_gradient: 0.5, shards: 4, batch_size: 5",
    "adamw": "optimizer: adamw, loss: l1, weight_decay: 0.01, loss_weight: 2, shards: 4, batch_size: 4, patience: 2",
    "sgd": "optimizer: sgd, momentum: 0.9, shards: 8, batch_size: 11, precision: auto, validate_every: 2",
    "adadelta": "optimizer: adadelta, shards: 2, batch_size: 3, shuffle: false, checkpoint_every: 2",
}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("data") / "pairs", train=7, val=5, size=(20, 20))


def write_config(folder: Path, pairs: Path, plan: str = "muon", *, epochs: int = 3) -> Path:
    text = toy_text(pairs, epochs=epochs).replace("batch_size: 3, learning_rate: 0.01", f"{PLANS[plan]}")
    path = folder / f"{plan}.yaml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def whole(parent: WarmParent, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    assert Ranks(parent).run(1, folder, "--config", str(write_config(folder, pairs))) == [0], parent.said()
    return folder / "muon"


def assert_goes_on(parent: WarmParent, run: Path, whole: Path, processes: int = 1) -> None:
    """What is left of a run ends, with so many processes, as the undisturbed one."""
    assert_whole(run)
    if (run / "config.yaml").exists():
        ended = Ranks(parent).run(processes, run.parent, "--resume", run.name)
    else:
        ended = Ranks(parent).run(processes, run.parent, "--config", str(run.parent / "muon.yaml"))
    assert ended == [0] * processes, parent.said()
    assert_same_run(run, whole)


@pytest.mark.parametrize(("plan", "sizes"), [("muon", (2, 4)), ("adamw", (2,)), ("sgd", (4,)), ("adadelta", (2,))])
def test_the_number_of_processes_changes_nothing(
    parent: WarmParent, pairs: Path, tmp_path: Path, plan: str, sizes: tuple[int, ...]
) -> None:
    config = write_config(tmp_path, pairs, plan)
    for size in (1, *sizes):
        name = ("--config", str(config), "--name", f"by{size}")
        assert Ranks(parent).run(size, tmp_path, *name) == [0] * size, parent.said()
        said = parent.said()
        assert said.count("epoch 3/3") == said.count("baseline") == said.count("result") == 1, said
        machines = json.loads((tmp_path / f"by{size}" / "environment.json").read_text())["processes"]
        assert [machine["rank"] for machine in machines] == list(range(size))
        assert {machine["device_type"] for machine in machines} == {CPU.type}
        assert_same_run(tmp_path / f"by{size}", tmp_path / "by1")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [f"by{size}" for size in (1, *sizes)]


TASKS = {
    "classification": (
        "model: {name: residual_classifier, channels: [4, 6]}\n"
        "data: {name: class_folders, folder: classes, side: 16, augment: [tilt]}\n"
        "train: {loss: cross_entropy, "
    ),
    "reconstruction": (
        "model: {name: dense_autoencoder, hidden: 8, dropout: 0.1}\ndata: {folder: classes/cats}\ntrain: {loss: mse, "
    ),
}


@pytest.mark.parametrize("task", TASKS)
def test_other_tasks_too(parent: WarmParent, tmp_path: Path, task: str) -> None:
    for name in ("cats", "dogs"):
        write_images(tmp_path / "classes" / name, 20, seed=len(name) + ord(name[0]))
    train = "epochs: 3, batch_size: 6, shards: 2, optimizer: adam}\n"
    (tmp_path / "a.yaml").write_text(f"task: {task}\n{TASKS[task]}{train}")
    for size in (1, 2):
        name = ("--config", "a.yaml", "--name", f"by{size}")
        assert Ranks(parent).run(size, tmp_path, *name) == [0] * size, parent.said()
    assert_same_run(tmp_path / "by2", tmp_path / "by1")


def test_killed_with_four_resumed_with_one_and_with_two(
    parent: WarmParent, pairs: Path, whole: Path, tmp_path: Path
) -> None:
    config = write_config(tmp_path, pairs)
    fate = ["die_at_step", 1]
    codes = Ranks(parent).run(4, tmp_path, "--config", str(config), spoil={0: fate})
    assert codes == [-signal.SIGKILL, *[PeerError.exit_code] * 3]
    assert standing(tmp_path / "muon" / "checkpoints" / "last.safetensors")["step"] == 1
    assert Ranks(parent).run(1, tmp_path, "--resume", "muon", spoil={0: ["die_at_step", 2]}) == [-signal.SIGKILL]
    assert standing(tmp_path / "muon" / "checkpoints" / "last.safetensors")["step"] == 2
    assert_goes_on(parent, tmp_path / "muon", whole, 2)


@pytest.mark.parametrize("victim", [0, 1])
def test_kill_9_of_one_at_a_random_moment(
    parent: WarmParent, pairs: Path, whole: Path, tmp_path: Path, victim: int
) -> None:
    """The other one ends by itself, the first process saves what all had done, and nothing is lost or different."""
    config = str(write_config(tmp_path, pairs))
    impatient = {rank: ["be_impatient", 10] for rank in range(2)}
    began = time.monotonic()
    assert Ranks(parent).run(2, tmp_path, "--config", config, "--name", "measured") == [0, 0], parent.said()
    draw, killed, duration = random.Random(victim), 0, time.monotonic() - began
    for number in range(3 * KILLS):
        run = tmp_path / "muon"
        ranks = Ranks(parent).start(2, tmp_path, "--config", config, spoil=impatient)
        time.sleep(draw.uniform(0, duration))
        ranks.kill(victim)
        codes = ranks.wait()
        died = codes[victim] == -signal.SIGKILL
        duration *= 1.01 if died else 0.9  # other programs make this one slower, or stop doing so
        if died:
            killed += 1
            assert codes[1 - victim] in (0, PeerError.exit_code), parent.said()  # 0: it had nothing to wait for
            assert "Traceback" not in parent.said()
        assert_goes_on(parent, run, whole, 1 + number % 2)
        shutil.rmtree(run, ignore_errors=True)
        if killed == KILLS:
            return
    pytest.fail(f"{killed} kills")


def test_a_signal_to_one_stops_all_at_one_step(parent: WarmParent, pairs: Path, whole: Path, tmp_path: Path) -> None:
    ranks = Ranks(parent).start(
        2, tmp_path, "--config", str(write_config(tmp_path, pairs)), spoil={1: ["signal_at", 1]}
    )
    assert ranks.wait() == [128 + signal.SIGTERM] * 2, parent.said()
    assert parent.said().count("everything is saved") == 1
    assert_goes_on(parent, tmp_path / "muon", whole, 2)


@pytest.mark.parametrize(
    ("rank", "fate", "error"),
    [
        (1, ["lose_a_number_at_step", 2], DivergedError),
        (0, ["fill_the_disk_after", 14], ResourceError),
        (1, ["lose_the_images"], DataError),
        (1, ["fail_at_step", 1, "memory"], ResourceError),
    ],
)
def test_what_one_meets_ends_all_with_one_message(
    parent: WarmParent, pairs: Path, tmp_path: Path, rank: int, fate: list[Any], error: type[SraeError]
) -> None:
    config = write_config(tmp_path, pairs)
    assert Ranks(parent).run(2, tmp_path, "--config", str(config), spoil={rank: fate}) == [error.exit_code] * 2
    said = parent.said()
    assert said.count("srae train: ") == 1 + ("memory" in fate), said  # who lacks memory says so, too
    assert "Traceback" not in said
    assert (tmp_path / "muon").exists() == (error is not DataError)


def test_a_bug_in_one_ends_the_others(parent: WarmParent, pairs: Path, tmp_path: Path) -> None:
    config = str(write_config(tmp_path, pairs))
    codes = Ranks(parent).run(2, tmp_path, "--config", config, spoil={1: ["fail_at_step", 1, "bug"]})
    assert codes == [PeerError.exit_code, 1]
    assert parent.said().count("Traceback") == 1 and "process 1 of 2 failed: ZeroDivisionError" in parent.said()


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_finds_nobody_says_so(parent: WarmParent, pairs: Path, tmp_path: Path, rank: int) -> None:
    place = {"rank": rank, "size": 2, "port": free_port()}
    argv = ["train", "--config", str(write_config(tmp_path, pairs)), "--device", "cpu"]
    code = parent.run("one_of_many", argv=argv, folder=str(tmp_path), place=place, spoil=["be_impatient", 1])
    assert code == PeerError.exit_code
    assert ("did not answer within 0:00:01" in parent.said()) == (rank == 0)  # the others are silent


def test_machines_that_compute_other_bits_are_told_and_aligned(parent: WarmParent, pairs: Path, tmp_path: Path) -> None:
    config = str(write_config(tmp_path, pairs))
    assert Ranks(parent).run(2, tmp_path, "--config", config, spoil={1: ["drift_at_step", 1]}) == [0, 0]
    assert parent.said().count("compute other bits") == 1  # not again in the epochs after


@pytest.mark.parametrize(
    ("size", "overrides", "key"),
    [(2, ["train.shards=1"], "train.shards"), (3, ["train.shards=4"], "--processes"),
     (2, ["model={name: identity}", "train.shards=2"], "model.name")],
)  # fmt: skip
def test_what_cannot_be_shared_is_refused(
    parent: WarmParent, pairs: Path, tmp_path: Path, size: int, overrides: list[str], key: str
) -> None:
    changes = [f"--set={override}" for override in overrides]
    codes = Ranks(parent).run(size, tmp_path, "--config", str(write_config(tmp_path, pairs)), *changes)
    assert codes == [ConfigError.exit_code] * size
    assert parent.said().count(key) >= 1 and parent.said().count("srae train: ") == 1
    assert not (tmp_path / "muon").exists()


# ------------------------------------------------------------------- the real launcher


def launched(folder: Path, *launcher: str) -> subprocess.Popen[bytes]:
    """What it says goes into `said.txt`."""
    command = [sys.executable, "-m", *launcher, "--config", "muon.yaml", "--runs-dir", ".", "--device", "cpu"]
    with open(folder / "said.txt", "ab") as said:
        return subprocess.Popen(command, cwd=folder, env=clean_environment(), stderr=said, start_new_session=True)


def workers_of(process: subprocess.Popen[bytes]) -> dict[str, psutil.Process]:
    found = {}
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.Error):
            found[child.environ().get("RANK", "")] = child
    return found


@pytest.mark.parametrize(
    ("number", "code", "size"), [(signal.SIGTERM, 143, 2), (signal.SIGKILL, -9, 2), (signal.SIGKILL, -9, 1)]
)
def test_the_launcher_is_ended(pairs: Path, tmp_path: Path, number: int, code: int, size: int) -> None:
    """It passes a signal on; when it is killed, its workers notice.  Both times everything is saved."""
    write_config(tmp_path, pairs, epochs=500)
    process = launched(tmp_path, "srae", "train", "--processes", str(size))
    rows = tmp_path / "muon" / "metrics.csv"
    until(lambda: rows.exists() and len(read_rows(rows.parent)) > 1)
    workers = workers_of(process)
    assert {str(rank) for rank in range(size)} <= workers.keys()
    process.send_signal(number)
    assert process.wait(HANG) == code
    assert psutil.wait_procs(workers.values(), HANG)[1] == []
    assert (tmp_path / "said.txt").read_text().count("everything is saved") == 1
    assert json.loads((tmp_path / "muon" / "summary.json").read_text())["status"] == "stopped"


def test_torchrun_restarts_and_the_training_goes_on(parent: WarmParent, pairs: Path, tmp_path: Path) -> None:
    """With the same command line, into the same run."""
    write_config(tmp_path, pairs, epochs=25)
    whole = launched(tmp_path, "srae", "train", "--name", "whole")
    (tmp_path / "muon").mkdir()
    (tmp_path / "muon" / "notes.txt").write_text("the name is taken")
    torchrun = ("torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=1")
    process = launched(tmp_path, *torchrun, "-m", "srae", "train")
    rows = tmp_path / "muon-2" / "metrics.csv"
    until(lambda: rows.exists() and len(read_rows(rows.parent)) > 2)
    workers_of(process)["1"].kill()
    assert process.wait(HANG) == whole.wait(HANG) == 0
    assert_same_run(tmp_path / "muon-2", tmp_path / "whole")
    assert not (tmp_path / "muon-3").exists()
    (resumed,) = json.loads((tmp_path / "muon-2" / "environment.json").read_text())["resumes"]
    assert resumed["step"] > 0


def test_the_command_gives_the_exit_code_of_its_workers(pairs: Path, tmp_path: Path) -> None:
    write_config(tmp_path, pairs)
    process = launched(tmp_path, "srae", "train", "--processes", "2", "--data", "missing")
    assert process.wait(HANG) == DataError.exit_code
    assert (tmp_path / "said.txt").read_text().count("srae train: ") == 1
