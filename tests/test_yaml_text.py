"""The YAML reader: plain values by YAML 1.2, and hostile documents refused before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from srae.config import load_config
from srae.errors import ConfigError
from srae.yaml_text import MAX_BYTES, parse_yaml


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "a.yaml")
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    "text", ["x: " + "[" * 5000, "x: " + "{a: " * 5000, "- " * 5000, "\n".join(" " * i + "a:" for i in range(300))]
)
def test_depth_is_refused_before_anything_is_built(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("composed a hostile document")

    monkeypatch.setattr(yaml, "compose", never)
    seen: list[object] = []
    events = yaml.parse
    monkeypatch.setattr(yaml, "parse", lambda *a, **k: (seen.append(e) or e for e in events(*a, **k)))
    assert "nested deeper than 16" in refusal(text)
    assert len(seen) < 100


def test_an_alias_bomb_is_refused_at_its_first_anchor() -> None:
    rungs = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rungs += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    told = refusal("\n".join(rungs))
    assert "anchors and aliases" in told
    assert "a.yaml:1" in told


@pytest.mark.parametrize(
    "tag",
    ["!!python/object/apply:os.system ['touch hacked']", "!!python/name:os.system", "!!python/module:os", "!custom x"],
)
def test_tags_run_nothing(tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "is not accepted" in refusal(f"model: {tag}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "huge.yaml"
    with file.open("wb") as stream:
        stream.truncate(1 << 34)  # sparse; reading 16 GB would be noticed
    monkeypatch.setattr(yaml, "parse", lambda *a, **k: pytest.fail("parsed a huge file"))
    with pytest.raises(ConfigError, match=r"larger than 64 KB"):
        load_config(file)
    with pytest.raises(ConfigError, match=r"larger than 64 KB"):
        parse_yaml("#" * (MAX_BYTES + 1), "a.yaml")


def test_a_number_is_what_yaml_1_2_calls_a_number() -> None:
    text = "a: 1e-3\nb: 1E3\nc: .5\nd: -7\ne: on\nf: off\ng: yes\nh: '1'\ni: 1_000\n"
    text += "j: null\nk: true\nl: 12:30\nm: 2026-01-01\n"
    value, lines, problems = parse_yaml(text, "a.yaml")
    assert not problems
    assert lines[("m",)] == 13
    assert value == {
        "a": 0.001, "b": 1000.0, "c": 0.5, "d": -7, "e": "on", "f": "off", "g": "yes", "h": "1", "i": "1_000",
        "j": None, "k": True, "l": "12:30", "m": "2026-01-01",
    }  # fmt: skip
    assert isinstance(value["d"], int)
    assert isinstance(value["b"], float)
