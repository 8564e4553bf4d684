"""Devices that are not here: what is asked of them, as far as that can be told without one."""

import os
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import torch

from srae.device import cpu_name, describe_call, memory_peaks, pick_precision
from srae.errors import ConfigError
from srae.memory import available_memory


@pytest.mark.parametrize("name", ["auto", "float32"])
def test_mps_computes_in_float32(name: str) -> None:
    assert pick_precision(name, torch.device("mps")) == torch.float32


@pytest.mark.parametrize("name", ["bfloat16", "float16", "tf32"])
def test_mps_refuses_other_precisions(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        pick_precision(name, torch.device("mps"))
    assert caught.value.where == "train.precision" and name in caught.value.what


def test_the_memory_of_mps_is_what_is_taken_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.mps, "current_allocated_memory", lambda: 3 * 2**20)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 4 * 2**20)
    peaks = memory_peaks(torch.device("mps"))
    assert (peaks["vram_peak_mb"], peaks["vram_reserved_mb"]) == (3, 4) and (peaks["rss_peak_mb"] or 0) > 20


def test_memory_is_known_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: str) -> int:
        raise FileNotFoundError

    with_proc = available_memory()
    monkeypatch.setattr("srae.memory._read_number", none)
    free, peak = available_memory(), memory_peaks(torch.device("cpu"))["rss_peak_mb"]
    assert with_proc and free and 0.5 < free / with_proc < 2
    assert peak and peak > 20
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.setitem(sys.modules, "resource", None)
    assert available_memory() is None and memory_peaks(torch.device("cpu"))["rss_peak_mb"] is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("processor\t: 0\nmodel name\t: AMD EPYC 7B13 \nmodel\t: 1\n", "AMD EPYC 7B13"),
        ("processor\t: 0\nCPU part\t: 0xd0c\n", "aarch64"),
        (None, "aarch64"),
    ],
)
def test_the_name_of_the_cpu(monkeypatch: pytest.MonkeyPatch, text: str | None, name: str) -> None:
    def read(path: Path, **_: object) -> str:
        if text is None:
            raise FileNotFoundError(path)
        return text

    def run(*_: object, **__: object) -> None:
        raise FileNotFoundError("sysctl")

    with monkeypatch.context() as patch:
        patch.setattr("srae.device.Path.read_text", read)
        patch.setattr("srae.device.subprocess.run", run)
        patch.setattr("srae.device.platform.processor", lambda: "")
        patch.setattr("srae.device.platform.machine", lambda: "aarch64")
        assert cpu_name.__wrapped__() == name


def test_a_call_says_when_and_on_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/srae/__main__.py", "train", "--config", "a b"])
    call = describe_call()
    assert call["command"] == "srae train --config 'a b'"
    assert abs(datetime.fromisoformat(call["started"]) - datetime.now(timezone.utc)) < timedelta(hours=1)
    assert call["cpu"] and 1 <= call["cores"] <= (os.cpu_count() or 1)
