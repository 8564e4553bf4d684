"""The YAML reader: plain values by YAML 1.2.  Hostile documents are in faults/test_configs_refused.py."""

from __future__ import annotations

from srae.config.yaml_text import parse_yaml


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
