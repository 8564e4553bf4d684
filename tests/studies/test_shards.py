"""A study on several machines and GPUs: every run once, whatever counts the shards; a GPU for each training."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from one_process import run_here
from refusals import refuses
from srae.errors import ConfigError
from srae.runs.layout import list_runs
from srae.studies.gpus import VISIBLE, deal_gpus, list_gpus
from srae.studies.shards import INDEX, Shard, parse_shard
from srae.studies.workers import Launch


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("first", [0, 1])
def test_shards_are_the_plan_whether_a_launcher_counts_from_0_or_1(count: int, first: int) -> None:
    plan = list(range(11))
    parts = [parse_shard(f"{k}/{count}").of(plan) for k in range(first, first + count)]
    assert sorted(run for part in parts for run in part) == plan
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("name", INDEX)
def test_the_index_comes_from_the_launcher(name: str) -> None:
    assert parse_shard("/4", {name: "3"}) == Shard(3, 4)
    assert parse_shard("1/4", {name: "3"}) == Shard(1, 4)
    with refuses(ConfigError, name, 5):
        parse_shard("/4", {name: "5"})


@pytest.mark.parametrize("text", ["", "1", "/", "1/", "a/2", "1/0", "-1/2", "3/2", "1/2/3", "/2", "1.5/2"])
def test_what_is_no_shard(text: str) -> None:
    with refuses(ConfigError, f"--shard {text}"):
        parse_shard(text, {"SGE_TASK_ID": "undefined"})


def test_two_shards_are_a_study(tmp_path: Path, pair_folder: Callable[..., Path]) -> None:
    folder = json.dumps(str(pair_folder()))
    (tmp_path / "base.yaml").write_text(
        f"model: {{name: residual, width: 4, blocks: 1}}\ndata: {{folder: {folder}}}\ntrain: {{epochs: 1}}\n"
    )
    (tmp_path / "three.yaml").write_text("configs: [base.yaml]\nseeds: [0, 1, 2]\n")
    command = ["study", "three.yaml", "--device", "cpu", "--json", "--shard"]
    first, second = run_here([[*command, "1/2"], [*command, "2/2"]], tmp_path)
    assert list(json.loads(first.out)["runs"]) == ["base-s1"]
    assert json.loads(second.out)["runs"] == {"base-s0": "done", "base-s2": "done"}
    assert [run.name for run in list_runs(tmp_path / "runs" / "three")] == ["base-s0", "base-s1", "base-s2"]
    assert len((tmp_path / "runs" / "three" / "study.csv").read_text().splitlines()) == 4  # of all of them


@pytest.mark.skipif(os.name == "nt", reason="the driver's program is a script of a shell here")
def test_gpus_are_those_that_were_granted_else_those_of_the_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list_gpus("auto", {}) == []
    for text, found in (("echo GPU-1; echo GPU-2", ["GPU-1", "GPU-2"]), ("echo No devices were found; exit 6", [])):
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
        assert list_gpus("auto", {}) == list_gpus("cuda", {}) == found
        for device in ("cpu", "cuda:1", "mps"):
            assert list_gpus(device, {}) == []
    for granted, names in (
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("3", ["3"]),
        ("2, MIG-a/0/1", ["2", "MIG-a/0/1"]),
    ):
        assert list_gpus("auto", {VISIBLE: granted}) == names


@pytest.mark.parametrize(
    ("gpus", "jobs", "processes", "dealt"),
    [
        ([], 2, 1, [None, None]),
        (["a"], 2, 1, [None, None]),  # several tiny runs on one
        (["a", "b"], 1, 1, ["a"]),
        (["a", "b"], 3, 1, ["a", "b", "a"]),
        (["a", "b", "c", "d"], 2, 2, ["a,b", "c,d"]),
        (["a", "b"], 1, 4, ["a,b"]),
    ],
)
def test_every_training_at_a_time_has_its_gpus(
    gpus: list[str], jobs: int, processes: int, dealt: list[str | None]
) -> None:
    assert [own.get(VISIBLE) for own in deal_gpus(gpus, jobs, processes)] == dealt


@pytest.mark.parametrize(("jobs", "at_a_time"), [(None, 3), (5, 5), (1, 1)])
def test_trainings_at_a_time_divide_gpus_and_cores(
    monkeypatch: pytest.MonkeyPatch, jobs: int | None, at_a_time: int
) -> None:
    monkeypatch.setenv(VISIBLE, "0,1,2")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    found = Launch("auto", jobs).environments()
    assert [own[VISIBLE] for own in found] == ["0", "1", "2", "0", "1"][:at_a_time]
    threads = {None: {"2"}, 5: {"1"}, 1: {None}}[jobs]
    assert {own.get("OMP_NUM_THREADS") for own in found} == threads
    (alone,) = Launch("cpu").environments()
    assert alone[VISIBLE] == "0,1,2"  # as it was
