"""Score the weights of a session on every split, beside the identity baseline."""

from __future__ import annotations

from typing import Any

from srae.evaluation.evaluate import evaluate, evaluate_baseline, find_exact, mean_gain, means, score_split
from srae.training.session import Session


def score_splits(s: Session) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Metrics of the session's model.

    Returns:
        For the summary: means by split, `identity` and `test_identity` (means of the baseline), `gain_db` by split
        (over the images on which neither is exact) and `exact` (split -> images on which one is); and the rows of
        images.csv.
    """
    scored: dict[str, Any] = {"exact": {}, "gain_db": {}} if s.task.images else {}
    rows = []
    if not s.task.has_baseline:  # the train loss of an epoch was taken with dropout, while the weights changed
        scored["train"] = means(evaluate(s.model, s.data.train, s.task, s.protocol, dtype=s.dtype))
    for name, split in (("val", s.data.val), ("test", s.data.test)):
        if split is None:
            continue
        values = score_split(s.model, split, s.data.classes, s.task, s.protocol, dtype=s.dtype)
        identity = s.identity_values if split is s.val else evaluate_baseline(s.data, split, s.task, s.protocol)
        scored[name] = means({metric: values[metric] for metric in s.task.metrics}, identity)
        if s.task.images:
            scored["exact"][name] = [split.names[i] for i in find_exact(values, identity)]
            scored["gain_db"][name] = mean_gain(values, identity)
        if identity:
            values["identity_mse"] = identity["mse"]
            scored["identity" if name == "val" else "test_identity"] = means(identity)
        for i, image in enumerate(split.names):
            rows.append({"split": name, "name": image, **{metric: column[i] for metric, column in values.items()}})
    return scored, rows
