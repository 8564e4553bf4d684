"""The metrics' own check: it passes, and it notices what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from conftest import Run
from refusals import refuses
from srae.errors import DataError
from srae.evaluation import self_test


def test_the_metrics_pass_their_own_check(call: Run) -> None:
    done = call("eval", "--self-test", "--json")
    checks = json.loads(done.stdout)
    assert done.returncode == 0
    assert len(checks) >= 7 and all(check["passed"] for check in checks)


def test_a_wrong_metric_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    good = self_test.built_in_checks()
    monkeypatch.setattr(self_test, "to_y", lambda images: images.mean(1, keepdim=True))  # full range, wrong weights
    monkeypatch.setattr(self_test, "psnr", lambda x, y: -20 * torch.log10((x - y).abs().flatten(1).mean(1)))
    wrong = {check.what for check in self_test.built_in_checks() if not check.passed}
    assert wrong == {"PSNR, scikit-image's", "Y of white, of 255", "Y of black, of 255"}
    assert all(check.passed for check in good)
    assert "WRONG" in next(str(check) for check in self_test.built_in_checks() if not check.passed)


def test_other_images_are_not_set5(tmp_path: Path, call: Run) -> None:
    with refuses(DataError, tmp_path):
        self_test.set5_checks(tmp_path)
    assert call("eval").returncode == 2
