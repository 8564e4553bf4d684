"""Claims of machines that share a folder: nobody is robbed, of many takers one wins, and who was robbed stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from conftest import clean_environment
from refusals import refuses
from srae.errors import ConfigError, RunBusyError
from srae.files import this_place
from srae.runs import claims
from srae.runs.claims import STALE, Owner, make_claim, mount_of, read_owner, start_of
from srae.runs.locks import find_owner, is_locked, lock_file
from srae.runs.writer import claim_new_run

ELSEWHERE = "elsewhere-00000000"


def leave(lock: Path, owner: Owner, *, age: float = 0.0) -> Path:
    """A claim that gave its last sign of life `age` seconds ago."""
    file = claims._file_of(lock, owner.number)
    file.write_text(owner.words())
    os.utime(file, (time.time() - age,) * 2)
    return file


def elsewhere(number: int = 1, *, mount: str = "other.1") -> Owner:
    """A process of another machine, with the number of this one."""
    return Owner(number, 0.0, os.getpid(), ELSEWHERE, "5", 1.0, mount)


# (what is different from a process of another machine, age in seconds, whether the kernel's lock is granted) -> taken
CASES = [
    ({}, STALE - 10, True, False),  # a mount that grants a lock to every machine
    ({}, STALE - 10, False, False),
    ({}, STALE + 10, True, True),
    ({}, STALE + 10, False, True),
    ({"mount": "own"}, 1, True, True),  # a container of this machine that was killed: its lock would be held
    ({"mount": "own"}, 1, False, False),
    ({"mount": ""}, 1, True, False),  # a system that does not name its start
    ({"place": this_place()}, 1, False, True),  # this number was given to another process since
    ({"place": this_place(), "started": start_of(os.getpid())}, STALE * 9, False, False),  # suspended, or a slow disk
]


@pytest.mark.parametrize(("parts", "age", "kernel", "taken"), CASES)
def test_who_is_gone(tmp_path: Path, parts: dict[str, str], age: float, kernel: bool, taken: bool) -> None:
    lock = tmp_path / ".lock"
    owner = elsewhere()._replace(**parts)  # type: ignore[arg-type]
    file = leave(lock, owner._replace(mount=mount_of(tmp_path)) if owner.mount == "own" else owner, age=age)
    if taken:
        claim, before = make_claim(lock, kernel=kernel)
        assert before is not None and before.number == 1 and not file.exists()
        claim.check()
        claim.close()
        assert list(tmp_path.iterdir()) == []
    else:
        with pytest.raises(RunBusyError):
            make_claim(lock, kernel=kernel)
        assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("start", ["free", "stale"])
def test_of_many_takers_one_wins(tmp_path: Path, start: str) -> None:
    for turn in range(30):
        lock = tmp_path / f"{turn}.lock"
        if start == "stale":
            leave(lock, elsewhere(), age=STALE + 1)
        won, lost, begin = list[claims.Claim](), list[RunBusyError](), threading.Barrier(8)

        def take(lock: Path = lock, won: list = won, lost: list = lost, begin: threading.Barrier = begin) -> None:
            begin.wait()
            try:
                won.append(make_claim(lock, kernel=False)[0])
            except RunBusyError as error:
                lost.append(error)

        takers = [threading.Thread(target=take) for _ in range(8)]
        for taker in takers:
            taker.start()
        for taker in takers:
            taker.join()
        assert (len(won), len(lost)) == (1, 7)
        won[0].check()
        won[0].close()


@pytest.mark.parametrize("number", [2, 3])
def test_who_decided_long_ago_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """It saw claim 1 as stale; since then others took over, and are alive."""
    lock = tmp_path / ".lock"
    holder = leave(lock, elsewhere(number))
    real, seen = claims.read_owner, iter([elsewhere(1)])
    monkeypatch.setattr(claims, "read_owner", lambda path: next(seen, None) or real(path))
    with pytest.raises(RunBusyError):
        make_claim(lock, kernel=False)
    assert list(tmp_path.iterdir()) == [holder] and holder.read_text() == elsewhere().words()


@pytest.mark.parametrize("text", ["", "4711", "x y", "1 a b c d e", "\0"])
def test_a_claim_that_cannot_be_read_counts_until_it_is_stale(tmp_path: Path, text: str) -> None:
    lock = tmp_path / ".lock"
    file = tmp_path / ".lock.owner"
    file.write_text(text)
    with pytest.raises(RunBusyError):
        lock_file(lock)
    os.utime(file, (time.time() - STALE - 1,) * 2)
    assert not is_locked(lock)
    with lock_file(lock):
        assert is_locked(lock)


def test_a_run_that_was_taken_over_is_not_written_any_more(tmp_path: Path) -> None:
    writer = claim_new_run(tmp_path / "run")
    try:
        writer.write_json("a.json", {})
        leave(writer.path / ".lock", elsewhere(2))
        found = find_owner(writer.path / ".lock")
        assert found is not None and found.host == "elsewhere"
        for write in (
            lambda: writer.append_row({"epoch": 1}),
            lambda: writer.write_json("b.json", {}),
            lambda: writer.checkpoints,
            writer.reopen,
        ):
            with refuses(RunBusyError, "elsewhere"):
                write()
        assert {path.name for path in writer.path.glob("*.*")} == {"a.json", ".lock.owner", ".lock.owner.2"} | (
            {".lock"} if (writer.path / ".lock").exists() else set()
        )
    finally:
        writer.close()
    assert read_owner(tmp_path / "run" / ".lock") is not None  # that of the other one stays


def test_a_name_that_must_be_exact(tmp_path: Path) -> None:
    first = claim_new_run(tmp_path / "run")
    with pytest.raises(RunBusyError):
        claim_new_run(tmp_path / "run")
    first.close()
    again = claim_new_run(tmp_path / "run")  # what a killed start leaves
    (again.path / "config.yaml").write_text("{}")
    again.close()
    with refuses(ConfigError, str(tmp_path / "run")):
        claim_new_run(tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


# ------------------------------------------------------------------------- two machines

# A mount without locks; signs of life in tenths of the usual time.
HOLDER = """
import errno, fcntl, os, pathlib, sys, time
{before}
def refuse(*_): raise OSError(errno.ENOSYS, "no locks")
fcntl.flock = refuse
from srae.errors import RunBusyError
from srae.runs import claims
claims.BEAT, claims.STALE = 0.1, {stale}
{after}
from srae.runs.writer import RunWriter
path = pathlib.Path(sys.argv[1])
deadline = time.monotonic() + 60
while True:
    try:
        writer = RunWriter(path)
        break
    except RunBusyError as error:
        print("busy", error.what, flush=True)
        assert time.monotonic() < deadline
        time.sleep(0.1)
print("holds", os.getpid(), flush=True)
try:
    while time.monotonic() < deadline:
        writer.append_row({{"epoch": int(sys.argv[2])}})
        time.sleep(0.02)
except RunBusyError as error:
    print("lost", error.what, flush=True)
"""
SPACE = ["unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]


def can_unshare() -> bool:
    try:
        return subprocess.run([*SPACE, "true"], capture_output=True).returncode == 0
    except OSError:
        return False


class Holder:
    """A process that believes to be number 1 of a machine of that name."""

    def __init__(self, name: str, run: Path, mark: int, *, real: bool) -> None:
        before, after, prefix = "", "", list[str]()
        if real:
            before, prefix = f"import socket; socket.sethostname({name!r})", SPACE
        else:
            before = "os.getpid = lambda: 1"
            after = f"claims.this_place = lambda: '{name}-0'; claims.mount_of = lambda _: '{name}'"
        code = HOLDER.format(before=before, after=after, stale=2.0)
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-W", "ignore", "-c", code, str(run), str(mark)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=clean_environment(),
            start_new_session=True,
        )  # fmt: skip

    def hear(self, word: str) -> str:
        """The next line that begins so."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(word):
                return line
        raise AssertionError(f"ended without {word!r}")

    def signal(self, number: int) -> None:
        os.killpg(self.process.pid, number)


@pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups of POSIX")
@pytest.mark.parametrize("real", [True, False], ids=["namespaces", "injected"])
@pytest.mark.parametrize("fault", ["kill", "suspend"])
def test_two_machines_without_locks_and_with_one_pid(tmp_path: Path, real: bool, fault: str) -> None:
    if real and not can_unshare():
        pytest.skip("this system allows no namespaces")
    run = tmp_path / "run"
    run.mkdir()
    first = Holder("first", run, 1, real=real)
    try:
        assert first.hear("holds").split()[1] == "1"
        second = Holder("second", run, 2, real=real)
        try:
            for _ in range(3):
                assert "process 1 on first" in second.hear("busy")
            first.signal(signal.SIGKILL if fault == "kill" else signal.SIGSTOP)
            assert second.hear("holds").split()[1] == "1"
            if fault == "suspend":
                first.signal(signal.SIGCONT)
                assert "process 1 on second" in first.hear("lost")
            time.sleep(0.2)
            second.signal(signal.SIGKILL)
        finally:
            second.signal(signal.SIGKILL)
            second.process.communicate()
    finally:
        first.signal(signal.SIGKILL)
        first.process.communicate()
    rows = [line.split(",")[0] for line in (run / "metrics.csv").read_text().splitlines()[1:]]
    marks = [row for row in rows if row in ("1", "2")]
    assert marks == sorted(marks) and set(marks) == {"1", "2"}  # never both


def test_an_older_srae_is_understood(tmp_path: Path, dead_process: int) -> None:
    lock, file = tmp_path / ".lock", tmp_path / ".lock.owner"
    for pid, alive in ((os.getppid(), True), (dead_process, False)):
        file.write_text(f"{pid} {this_place()}\n")
        owner = read_owner(lock)
        assert owner is not None and (owner.pid, owner.place) == (pid, this_place())
        assert owner.is_alive(time.time()) == alive
    with lock_file(lock):
        assert is_locked(lock)
