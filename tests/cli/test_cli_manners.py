"""How the command behaves to a person and to a script: help, exit codes, streams, pipes, terminals."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from builders import edit_summary, write_run
from conftest import Run
from srae import __version__
from srae.cli import VERBS, main

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def assert_three_lines(done: subprocess.CompletedProcess[str], code: int) -> None:
    """A user's mistake: its exit code, nothing on stdout, what, where and what to do on stderr."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert 2 <= len(lines) <= 3, done.stderr
    assert all(line.strip() and len(line) < 300 for line in lines)


# ------------------------------------------------------------------ help


def test_the_top_lists_every_verb_and_its_sentence(srae: Run) -> None:
    done = srae("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for verb, sentence in VERBS.items():
        assert re.search(rf"^  {verb} +{re.escape(sentence)}$", done.stdout, re.MULTILINE)
    assert srae().stdout == done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_help_says_what_the_verb_does_and_gives_examples_to_copy(
    verb: str, call: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module(f"srae.cli.{verb}")
    sentence = (module.__doc__ or "").splitlines()[0]
    assert sentence.endswith(".")
    monkeypatch.setenv("COLUMNS", "200")
    done = call(verb, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.index(sentence) < done.stdout.index("options:")
    examples = [line.strip() for line in module.EXAMPLES.splitlines() if line.strip()]
    assert 1 <= len(examples) <= 5
    for example in examples:
        assert example.startswith((f"srae {verb}", f"srae-{verb}"))
        assert example in done.stdout
    assert not re.search(r"\(default[^)]*\)\s+\(default", done.stdout), "the default is told once"


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_has_a_help_text(verb: str) -> None:
    import argparse

    parser = argparse.ArgumentParser()
    importlib.import_module(f"srae.cli.{verb}").add_arguments(parser)
    parsers = [parser]
    for parser in parsers:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                parsers += action.choices.values()
            else:
                assert action.help, f"{verb} {action.option_strings or action.dest}"


def test_version_is_the_packages(srae: Run) -> None:
    assert srae("--version").stdout == __version__ + "\n"


# ------------------------------------------------------------------ mistakes


def test_an_unknown_verb_is_a_usage_error(call: Run) -> None:
    done = call("trian")
    assert_three_lines(done, 2)
    assert "did you mean train?" in done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_option_is_a_usage_error(verb: str, call: Run) -> None:
    done = call(verb, "--no-such-option")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["cnn4_tahn", "no/such/file.yaml"])
def test_a_missing_config_is_a_config_error(name: str, call: Run) -> None:
    assert_three_lines(call("train", "--config", name), 2)


@pytest.mark.parametrize("folder", ["nowhere", "a.yaml"])
def test_a_data_folder_that_is_none_is_a_data_error_and_no_run_is_made(folder: str, call: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"model: {{name: identity}}\ndata: {{folder: {folder}}}\n")
    done = call("train", "--config", "a.yaml")
    assert_three_lines(done, 3)
    assert folder in done.stderr
    assert os.listdir(tmp_path) == ["a.yaml"]


def test_doctor_fails_where_runs_cannot_be_written(call: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = call("doctor", "--runs-dir", "file/runs")
    assert done.returncode == 5
    assert re.search(r"^fail +runs folder +.*--runs-dir", done.stdout, re.MULTILINE)


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("target", "value", "level", "name", "found"),
    [
        ("sys.version_info", (3, 9, 1), "fail", "python", ""),
        ("srae.diagnostics.machine.metadata.version", lambda _: "0.1", "fail", "torch", "0.1"),
        (
            "srae.diagnostics.machine.import_module",
            lambda _: _raise(OSError("libjpeg\nmore")),
            "fail",
            "pillow",
            "libjpeg",
        ),
        ("srae.memory.available_memory", lambda: 3e8, "fail", "memory", "0.3 GB"),
        ("srae.memory.available_memory", lambda: 1e9, "warn", "memory", "1.0 GB"),
        ("srae.memory.available_memory", lambda: None, "ok", "memory", "unknown"),
        ("shutil.disk_usage", lambda _: SimpleNamespace(free=1e7), "fail", "disk", "0.0 GB"),
        ("shutil.disk_usage", lambda _: SimpleNamespace(free=1e9), "warn", "disk", "1.0 GB"),
        ("fcntl.flock", lambda *_: _raise(OSError(37, "No locks")), "warn", "runs folder", "locks"),
        ("srae.checkpoints.shipped.FOLDER", Path("nowhere"), "fail", "models", ""),
    ],
)
def test_doctor_tells_what_would_fail(
    target: str, value: object, level: str, name: str, found: str, call: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, value)
    done = call("doctor", "--json")
    checks = [check for check in json.loads(done.stdout)["checks"] if check["name"] == name]
    assert [check for check in checks if check["level"] == level and found in check["found"]], checks
    assert level == "ok" or all(check["remedy"] for check in checks if check["level"] == level)
    assert done.returncode == (5 if level == "fail" else 0)
    assert "Traceback" not in done.stderr


def test_doctor_finds_a_damaged_model(call: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from srae.checkpoints import shipped

    whole = next(iter(sorted(shipped.FOLDER.glob("tiny.safetensors"))))
    data = bytearray(whole.read_bytes())
    data[-5] ^= 1
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "tiny.safetensors").write_bytes(data)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "weights")
    done = call("doctor", "--json")
    report = json.loads(done.stdout)
    (failed,) = (check for check in report["checks"] if check["level"] == "fail")
    assert (done.returncode, report["ok"], failed["name"]) == (5, False, "models")
    assert failed["found"].startswith("tiny: ") and failed["remedy"]


# ------------------------------------------------------------------ streams


def test_doctor_finds_this_machine_fit(call: Run, tmp_path: Path) -> None:
    done = call("doctor", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr, report["ok"]) == (0, "", True), report
    libraries = {"torch", "torchvision", "pillow", "numpy", "scipy", "scikit-image", "matplotlib", "pyyaml", "pydantic",
                 "safetensors", "jinja2", "tqdm", "filelock", "psutil", "platformdirs"}  # fmt: skip
    machine = {"python", "threads", "cuda", "bfloat16", "memory", "runs folder", "disk", "configs", "models", "letters"}
    assert libraries | machine <= {check["name"] for check in report["checks"]}
    assert all(check["level"] in ("ok", "warn") and check["found"] for check in report["checks"])
    assert os.listdir(tmp_path) == []


def test_runs_lists_finished_and_unfinished_runs(call: Run, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    config = "model: {name: identity}\ndata: {folder: photos}"
    edit_summary(write_run(runs / "finished", config=config), task="super_resolution")
    stopped = write_run(runs / "stopped-by-force", config=config, summary=False, rows=2)
    with open(stopped / "metrics.csv", "a") as file:
        file.write("3,0.0")
    write_run(runs / "new", config=config, summary=False, rows=0)
    (tmp_path / "runs" / "notes").mkdir()
    done = call("runs")
    assert (done.returncode, done.stderr) == (0, "")
    header, *lines = (re.split(r"  +", line) for line in done.stdout.splitlines())
    assert header == ["name", "status", "task", "epochs", "val_mse", "val_psnr", "identity_psnr", "seconds", "data"]
    assert lines == [
        ["finished", "done", "super_resolution", "3", "0.06", "12.2", "13", "6", "toy"],
        ["new", "killed", "super_resolution", "-", "-", "-", "-", "-", "photos"],
        ["stopped-by-force", "killed", "super_resolution", "2", "0.1", "-", "-", "4", "photos"],
    ]
    rows = json.loads(call("runs", "--json").stdout)
    assert [row["name"] for row in rows] == ["finished", "new", "stopped-by-force"]
    assert rows[0]["val_psnr"] == 12.2
    assert rows[1]["val_psnr"] is None
    assert Path(rows[0]["path"]) == Path("runs/finished")


def test_no_runs_is_said_on_stderr_and_is_no_error(call: Run) -> None:
    done = call("runs")
    assert (done.returncode, done.stdout) == (0, "")
    assert "runs" in done.stderr
    done = call("runs", "--json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_training_prints_its_summary_as_one_document(
    call: Run, pair_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pair_folder(name="a \\b año 😀")  # a name that no quoting of ours may change
    (folder.parent / "a.yaml").write_text("model: {name: identity}\n")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "20")
    done = call("train", "--config", "a.yaml", "--data", folder.name, "--device", "cpu", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    run = folder.parent / "runs" / "a"
    written = json.loads((run / "summary.json").read_text())
    assert Path(summary["run"]) == Path("runs/a")
    assert written["status"] == summary["status"] == "done"
    assert written["val"] == summary["val"]
    assert not CONTROL.search(done.stdout + done.stderr)


# ------------------------------------------------------------------ pipes and terminals


@pytest.mark.parametrize(
    "command",
    [
        ["eval", "--model", "x2", "--data", "pairs", "--scale", "-2"],
        ["eval", "--model", "x2", "--data", "pairs", "--scale", "0"],
        ["study", "report_a", "--jobs", "0"],
        ["upscale", "image.png", "--tile", "-1"],
    ],
)
def test_counts_below_one_are_refused(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(command)
    assert caught.value.code == 2
    assert command[-2] in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["compare", "report"])
@pytest.mark.parametrize("what", ["file", "folder"])
def test_output_never_mixes_with_what_is_there(
    verb: str, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "a")
    place = tmp_path / "out"
    if what == "folder":
        place.mkdir()
    (place / "mine.txt" if what == "folder" else place).write_text("mine")
    assert main([verb, str(tmp_path / "a"), "-o", str(place)]) == 2
    assert str(place) in capsys.readouterr().err
    assert (place / "mine.txt" if what == "folder" else place).read_text() == "mine"
    assert what == "file" or [entry.name for entry in place.iterdir()] == ["mine.txt"]
