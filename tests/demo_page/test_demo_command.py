"""`srae demo` as a process: what it prints, how it ends, and what it says when it cannot begin."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from page_server import PATIENCE, Client

from builders import write_image
from conftest import Run, clean_environment
from srae.cli import main
from srae.demo_page.server import ADDRESS


@contextmanager
def demo(tmp_path: Path, *arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], Client, str]]:
    """The command, a client for it, and the line that it printed."""
    (tmp_path / "tmp").mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "srae", "demo", *arguments],
        cwd=tmp_path,
        env=clean_environment(TMPDIR=str(tmp_path / "tmp"), **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        match = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/([\w-]{32,})/\n", line)
        assert match, line
        yield process, Client(int(match[1]), match[2]), line
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "busy"), [(signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGHUP, False)])
def test_a_signal_ends_it_and_nothing_is_left(tmp_path: Path, number: signal.Signals, busy: bool) -> None:
    with demo(tmp_path, "--port", "0") as (process, client, _):
        content = write_image(tmp_path / "large.png", (1500, 1500)).read_bytes()
        key = client.drop("large.png", content, model="shipped:p")["key"]
        (folder,) = (tmp_path / "tmp").glob("srae-demo-*")
        assert folder.stat().st_mode & 0o077 == 0, "nobody else may read it"
        if busy:
            client.wait(key, "running")
        else:
            client.ask("DELETE", f"images/{key}")
        process.send_signal(number)
        rest, messages = process.communicate(timeout=PATIENCE)
    assert (process.returncode, rest) == (128 + number, "")
    assert "Traceback" not in messages and messages.startswith("this address")
    assert os.listdir(tmp_path / "tmp") == []
    assert sorted(os.listdir(tmp_path)) == ["large.png", "tmp"]


def test_it_opens_a_browser_listens_on_the_loopback_alone_and_takes_its_port(tmp_path: Path, srae: Run) -> None:
    browser = tmp_path / "browser.py"
    browser.write_text("import sys; open('opened', 'w').write(sys.argv[1])")
    with demo(tmp_path, "--port", "0", "--open", BROWSER=f"{sys.executable} {browser} %s") as (_, client, line):
        others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {ADDRESS}
        for address in others:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address, client.port), timeout=PATIENCE)
        second = srae("demo", "--port", str(client.port))
        assert (second.returncode, second.stdout) == (5, "")
        assert str(client.port) in second.stderr and "--port" in second.stderr and "Traceback" not in second.stderr
        assert client.ask("GET", "")[0].status == 200
        assert (tmp_path / "opened").read_text() == line.strip()
    with demo(tmp_path, "--port", str(client.port)) as (_, again, _):
        assert again.port == client.port and again.token != client.token


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra_it_names_it(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["demo"]) == 2
    assert "pip install 'srae[demo]'" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["-1", "65536", "x", "80.5", ""])
def test_a_port_that_is_none(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["demo", f"--port={port}"])
    assert stop.value.code == 2 and "65535" in capsys.readouterr().err


def test_a_device_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--device", "tpu"]) == 2
    assert "tpu" in capsys.readouterr().err
