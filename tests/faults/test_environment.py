"""F30, F34, F36: no GPU, no terminal, no network, no home: said in plain words, or simply no obstacle."""

from __future__ import annotations

import errno
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builders import write_image, write_images, write_pairs
from conftest import clean_environment
from one_process import Done, assert_told, run_all

# A start of torch takes seconds, and on a busy machine a minute.
pytestmark = pytest.mark.timeout(300)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
RESIDUAL = "model: {name: residual, width: 4, blocks: 1}\ntrain: {epochs: 1, batch_size: 2}\n"


# ------------------------------------------------- F30, F36: no GPU, no network, no home

# Whatever wants a socket, however it asks for one, is stopped and remembered.
_CUT_OFF = """
import sys, threading

def _refuse(event, arguments):
    if event.startswith("socket.") and event != "socket.__new__" or event == "urllib.Request":
        with open("attempts.txt", "a") as file:
            file.write(f"{event} {arguments}\\n")
        raise OSError(101, "Network is unreachable")

sys.addaudithook(_refuse)
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Done]]:
    """Everything srae does, in one process without CUDA, without network and with a home that is a file."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "file").write_text("no folder")
    write_pairs(folder / "pairs", train=2, size=(12, 12))
    write_image(folder / "photo.png")
    (folder / "a.yaml").write_text(RESIDUAL + "data: {folder: pairs}\n")
    (folder / "demo.yaml").write_text(RESIDUAL + "data: {folder: nowhere, otherwise: demo, limit: 2, crop: 16}\n")
    (folder / "study.yaml").write_text("configs: [a.yaml]\nseeds: [0]\n")
    commands = {
        "train": ["train", "--config", "a.yaml"],
        "train cuda": ["train", "--config", "a.yaml", "--device", "cuda", "--name", "never"],
        "demo": ["train", "--config", "demo.yaml"],
        "upscale": ["upscale", "photo.png"],
        "upscale cuda": ["upscale", "photo.png", "--device", "cuda", "-o", "never.png"],
        "eval cuda": ["eval", "--model", "a", "--device", "cuda"],
        "eval": ["eval", "--model", "a"],
        "compare": ["compare", "a", "-o", "comparison"],
        "report": ["report", "a", "-o", "report"],
        "study": ["study", "study.yaml", "--dry-run"],
        "runs": ["runs"],
        "check": ["data", "check", "pairs"],
        "doctor": ["doctor"],
    }
    nowhere = str(folder / "file" / "home")
    env = {"CUDA_VISIBLE_DEVICES": "", "HOME": nowhere, "XDG_CACHE_HOME": nowhere, "XDG_CONFIG_HOME": nowhere}
    done = run_all(list(commands.values()), folder, before=_CUT_OFF, env=env)
    return folder, dict(zip(commands, done, strict=True))


def test_f36_everything_works_without_network_and_home(alone: tuple[Path, dict[str, Done]]) -> None:
    folder, told = alone
    assert not (folder / "attempts.txt").exists(), (folder / "attempts.txt").read_text()
    for command, done in told.items():
        if not command.endswith("cuda"):
            assert done.code == 0, (command, done.err)
            assert "Traceback" not in done.err
    assert "demo" in told["demo"].err
    assert (folder / "photo_x2.png").is_file() and (folder / "report" / "report.html").is_file()


def test_f36_the_hook_above_would_tell(tmp_path: Path) -> None:
    """A test that cannot fail holds nothing: here somebody does ask for the network."""
    code = f"{_CUT_OFF}\nimport urllib.request\nurllib.request.urlopen('http://localhost:9/', timeout=1)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "urllib.Request" in (tmp_path / "attempts.txt").read_text()


def test_f30_cuda_where_there_is_none_stops_and_says_why(alone: tuple[Path, dict[str, Done]]) -> None:
    folder, told = alone
    for command in ("train cuda", "upscale cuda", "eval cuda"):
        assert_told(told[command], 5, "CUDA", "--device cpu", "--device auto")
        assert len(told[command].err.splitlines()) == 3
    assert sorted(os.listdir(folder / "runs")) == ["a", "demo"]
    assert not (folder / "never.png").exists()


def test_f30_auto_takes_the_cpu_and_says_so(alone: tuple[Path, dict[str, Done]]) -> None:
    _, told = alone
    assert "on cpu" in told["train"].err and "on cpu" in told["upscale"].err
    assert re.search(r"^ok +cuda .*--device auto .*--device cuda", told["doctor"].out, re.M)


# -------------------------------------------------------------- F34: pipes and terminals


def run_srae(*arguments: str, cwd: Path, **streams: Any) -> subprocess.CompletedProcess[Any]:
    """The command with streams of its own."""
    command = [sys.executable, "-m", "srae", *arguments]
    return subprocess.run(command, cwd=cwd, env=clean_environment(), timeout=120, **streams)


QUICK = [("--help",), ("--version",), ("train", "--help"), ("runs", "--json"), ("runs",), ("schema", "--study")]


@pytest.mark.parametrize("arguments", QUICK)
def test_f34_a_closed_pipe_ends_without_a_word(arguments: tuple[str, ...], tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run_srae(*arguments, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE)
    finally:
        os.close(writer)
    assert bool(done.stderr) == (arguments == ("runs",))  # that there are none is said elsewhere
    assert done.returncode in (0, 141)


@pytest.mark.parametrize("redirected", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_f34_closed_streams_are_no_obstacle(redirected: str, tmp_path: Path) -> None:
    for arguments in (("--help",), ("schema", "--study"), ("runs",)):
        line = f'exec "$0" -m srae {" ".join(arguments)} {redirected}'
        done = subprocess.run(
            ["sh", "-c", line, sys.executable], cwd=tmp_path, env=clean_environment(), capture_output=True, timeout=60
        )
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_f34_a_full_disk_behind_the_output_is_told(tmp_path: Path) -> None:
    for arguments in (("--help",), ("schema", "--study", "--json"), ("runs", "--json")):
        with open("/dev/full", "w") as full:
            done = run_srae(*arguments, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True)
        assert (done.returncode, len(done.stderr.splitlines())) == (5, 3)


@pytest.mark.parametrize("listener", ["gone", "full"])
def test_f34_a_training_that_nobody_listens_to_goes_on(listener: str, tmp_path: Path) -> None:
    """A study that was killed, a closed terminal, a full disk behind `2> log`: hours of training are not at stake."""
    if listener == "full" and not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    (tmp_path / "toy.yaml").write_text(f"{RESIDUAL}data: {{folder: {write_pairs(tmp_path / 'pairs', train=2)}}}\n")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone, open("/dev/full" if listener == "full" else os.devnull, "w") as full:
        stream = full if listener == "full" else gone
        done = run_srae("train", "--config", "toy.yaml", "--device", "cpu", cwd=tmp_path, stderr=stream)
    assert done.returncode == 0
    assert (tmp_path / "runs" / "toy" / "DONE").exists()
    assert "epoch 1/1" in (tmp_path / "runs" / "toy" / "log.txt").read_text()


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": "xterm-256color", "COLUMNS": "20"}])
def test_f34_output_that_is_no_terminal_has_no_control_characters(
    setting: dict[str, str], srae: Callable[..., Any]
) -> None:
    for arguments in (("--help",), ("train", "--help"), ("train", "--config", "nothing"), ("runs",)):
        done = srae(*arguments, env=setting)
        assert done.returncode == (2 if "nothing" in arguments else 0)
        assert not CONTROL.search(done.stdout + done.stderr), arguments


def on_a_terminal(folder: Path, *commands: str, **env: str) -> tuple[int, str]:
    """A shell line on a terminal 20 columns wide: its exit code, and everything it showed."""
    leader, follower = pty.openpty()
    line = " && ".join(["stty cols 20 rows 5", *commands])
    with subprocess.Popen(
        ["sh", "-c", line, sys.executable], cwd=folder, env=clean_environment(**env),
        stdin=follower, stdout=follower, stderr=follower,
    ) as process:  # fmt: skip
        os.close(follower)
        shown, end = b"", time.monotonic() + 110
        while time.monotonic() < end and select.select([leader], [], [], 110)[0]:
            try:
                piece = os.read(leader, 65_536)
            except OSError as error:  # Linux says so when the last writer is gone
                if error.errno != errno.EIO:
                    raise
                piece = b""
            if not piece:
                break
            shown += piece
        code = process.wait(timeout=10)
    os.close(leader)
    return code, shown.decode().replace("\r\n", "\n")


def test_f34_a_terminal_of_20_columns_that_can_do_nothing(tmp_path: Path) -> None:
    """Training and a batch of images, where bars would be; a bar is nothing but control characters."""
    write_pairs(tmp_path / "pairs", train=2)
    write_images(tmp_path / "photos", [f"a\x1b[{i}m.png" for i in range(3)])
    (tmp_path / "a.yaml").write_text(RESIDUAL + "data: {folder: pairs}\n")
    look = (
        "import sys, os; from srae.cli import main; "
        "assert sys.stderr.isatty() and os.get_terminal_size().columns == 20; "
        "sys.exit(main(['train', '--config', 'a.yaml', '--device', 'cpu'])"
        " or main(['upscale', 'photos', '--device', 'cpu']) or main(['runs']))"
    )
    code, shown = on_a_terminal(tmp_path, f'"$0" -c "{look}"', TERM="dumb")
    assert code == 0, shown
    assert "photos/a\\x1b[2m_x2.png" in shown and "epoch" in shown
    assert not CONTROL.search(shown), CONTROL.findall(shown)
    assert len(os.listdir(tmp_path / "photos")) == 6


@pytest.mark.parametrize("term", ["dumb", "xterm-256color"])
def test_f34_help_fits_a_narrow_terminal(term: str, tmp_path: Path) -> None:
    code, shown = on_a_terminal(tmp_path, '"$0" -m srae --help', '"$0" -m srae runs --help', TERM=term)
    assert code == 0
    assert "Traceback" not in shown and "verbs:" in shown and "--runs-dir" in shown
    if term == "dumb":
        assert not CONTROL.search(shown)
