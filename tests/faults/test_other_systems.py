"""V6: systems and file systems that lack something; tried here by hiding it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from builders import write_pairs
from conftest import clean_environment
from srae import files
from srae.cli import main
from srae.runs.locks import find_refusals
from toy_training import assert_same_run, begin, resume, toy, toy_text

_WINDOWS = """
import json, os, sys, warnings
import platformdirs, psutil  # which know that this is no Windows

# Elsewhere text is not UTF-8 unless that is said.
warnings.filterwarnings("error", category=EncodingWarning, module="srae")
HIDDEN = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty"}

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in list(sys.modules):
    if name.partition(".")[0] in HIDDEN | {"filelock"}:
        del sys.modules[name]
sys.meta_path.insert(0, Refusing())
for name in ("sched_getaffinity", "fork", "mkfifo", "getuid", "geteuid", "pread", "pwrite"):
    delattr(os, name)

import srae
from srae.cli import main
from srae.data import mapped
from srae.errors import RunBusyError
from srae.runs.writer import RunWriter

codes = []
for arguments in json.loads(sys.argv[1]):
    codes.append(main(arguments))
mapped.SHARE = 0  # decoded images go into a file
codes.append(main(["train", "--config", "toy.yaml", "--name", "mapped", "--device", "cpu"]))
writer = RunWriter(__import__("pathlib").Path("runs/toy"))
try:
    RunWriter(writer.path)
except RunBusyError as error:
    codes.append(error.exit_code)
writer.close()
print(json.dumps(codes))
"""


def test_v6_every_verb_works_without_what_windows_lacks(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs")
    (tmp_path / "toy.yaml").write_text(toy_text(pairs, epochs=1))
    image = str(pairs / "val" / "low_res" / "0.png")
    verbs = [
        ["doctor", "--json"],
        ["runs"],
        ["train", "--config", "toy.yaml", "--device", "cpu"],
        ["train", "--resume", "toy", "--set", "train.epochs=2", "--device", "cpu"],
        ["runs", "--json"],
        ["upscale", image, "--model", "tiny", "-o", "large.png", "--device", "cpu"],
        ["eval", "--model", "runs/toy", "--device", "cpu"],
        ["compare", "runs/toy"],
        ["report", "runs/toy", "-o", "report"],
        ["data", "check", str(pairs)],
        ["data", "make-pairs", str(pairs / "train" / "high_res"), "made", "--scale", "2"],
        ["schema"],
        ["doctor", "--clean-cache"],
    ]
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-c", _WINDOWS, json.dumps(verbs)],
        cwd=tmp_path, env=clean_environment(XDG_CACHE_HOME=str(tmp_path / "cache")), capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [0] * (len(verbs) + 1) + [8], done.stderr
    assert done.stderr.count("refuses") == 1 and "Traceback" not in done.stderr
    assert (tmp_path / "large.png").exists() and (tmp_path / "runs" / "toy" / "DONE").exists()
    summary = json.loads((tmp_path / "runs" / "mapped" / "summary.json").read_text())
    assert summary["status"] == "done" and list((tmp_path / "cache").rglob("*.pixels"))
    assert not [path for path in tmp_path.rglob("*") if ".tmp." in path.name]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS])
def test_v6_a_folder_without_fsync_and_locks_trains_resumes_and_upscales_with_one_warning(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    code: int,
) -> None:
    pairs = write_pairs(tmp_path / "pairs")
    expected = begin(toy(pairs, epochs=2), tmp_path / "expected")

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    monkeypatch.setattr("fcntl.flock", refuse)
    monkeypatch.setattr(files, "_warned", set())
    assert sorted(find_refusals(tmp_path)) == ["fsync", "locks"]
    run = begin(toy(pairs, epochs=2), tmp_path / "runs")
    assert_same_run(run, expected)
    (run / "DONE").unlink()
    resume(toy(pairs, epochs=3), run)
    assert len((run / "metrics.csv").read_text().splitlines()) == 4
    image = str(pairs / "val" / "low_res" / "0.png")
    assert main(["upscale", image, "--model", "tiny", "-o", str(tmp_path / "large.png"), "--device", "cpu"]) == 0
    assert len([record for record in caplog.records if record.name == "srae"]) == 1
    capsys.readouterr()
    assert main(["doctor", "--runs-dir", str(tmp_path), "--json"]) == 0
    levels = [
        check["level"] for check in json.loads(capsys.readouterr().out)["checks"] if check["name"] == "runs folder"
    ]
    assert levels == ["warn", "warn"]
