"""Score the weights of a session on every split, beside the identity baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from srae.data import Store
from srae.data.subset import crop_middle, spread
from srae.evaluation.evaluate import (
    answers_in,
    evaluate,
    evaluate_baseline,
    find_exact,
    judge_gains,
    mean_gain,
    means,
    sample_outputs,
    score_split,
)
from srae.images.tensors import to_uint8
from srae.training.session import Session

SAMPLES = 2
"""Images of `sample_strips`."""
LONGEST_SIDE = 256
"""Pixels of each image in a strip: the middle of larger ones."""


def sample_strips(s: Session) -> dict[str, np.ndarray]:
    """Name -> input, output and target side by side, uint8 (H, 3 * W, 1|3), of a few val images; only of images."""
    if not s.task.images:
        return {}
    assert isinstance(s.val.target, Store)
    scale = s.val.target.size(0)[0] // s.val.input.size(0)[0]
    part = crop_middle(spread(s.val, SAMPLES), LONGEST_SIDE // scale * scale)
    strips = {}
    for name, sides in sample_outputs(s.judged, part, dtype=s.dtype, count=SAMPLES):
        low = sides["low"].repeat_interleave(scale, 1).repeat_interleave(scale, 2)
        strip = torch.cat((low, sides["output"], sides["high"]), 2)
        strips[name] = to_uint8(strip).permute(1, 2, 0).contiguous().cpu().numpy()  # (C, H, W) -> (H, W, C)
    return strips


def score_splits(s: Session) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Metrics of the session's model.

    Returns:
        For the summary: means by split, `identity` and `test_identity` (means of the baseline), `gain_db` by split
        (over the images on which neither is exact), `gain_test` by split (its interval and p), `exact` (split ->
        images on which one is) and `answers` by split, of classifiers; and the rows of images.csv.
    """
    scored: dict[str, Any] = {"exact": {}, "gain_db": {}, "gain_test": {}} if s.task.images else {"answers": {}}
    rows = []
    if not s.task.has_baseline:  # the train loss of an epoch was taken with dropout, while the weights changed
        scored["train"] = means(evaluate(s.model, s.data.train, s.task, s.protocol, dtype=s.dtype, peers=s.peers))
    for name, split in (("val", s.data.val), ("test", s.data.test)):
        if split is None:
            continue
        values = score_split(s.model, split, s.data.classes, s.task, s.protocol, dtype=s.dtype, peers=s.peers)
        identity = (
            s.identity_values if split is s.val else evaluate_baseline(s.data, split, s.task, s.protocol, s.peers)
        )
        scored[name] = means({metric: values[metric] for metric in s.task.metrics}, identity)
        if s.task.images:
            scored["exact"][name] = [split.names[i] for i in find_exact(values, identity)]
            scored["gain_db"][name] = mean_gain(values, identity)
            scored["gain_test"][name] = judge_gains(values, identity, split.groups)
        if answers := answers_in(values):
            scored[name]["balanced_accuracy"] = answers.balanced_accuracy
            scored["answers"][name] = answers.as_dict()
        if identity:
            values["identity_mse"] = identity["mse"]
            scored["identity" if name == "val" else "test_identity"] = means(identity)
        values["group"] = [*split.groups] or [None] * len(split)
        for i, image in enumerate(split.names):
            rows.append({"split": name, "name": image, **{metric: column[i] for metric, column in values.items()}})
    return scored, rows
