"""Answers of a classifier: what it answers most, the commonest class, balanced accuracy.  No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Answers:
    """What a classifier answered on a split; shares are from 0 to 1."""

    commonest: str
    """The class of most images."""
    commonest_share: float
    """Accuracy of always answering that class."""
    balanced_accuracy: float
    """Mean over classes of the share of their images that got the right answer."""
    only_answer: str | None
    """The answer that every image got, of two or more classes; None where answers differ."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def count_answers(pairs: Iterable[tuple[str, str]]) -> Answers:
    """Answers of one split.

    Args:
        pairs: (true class, answer) of every image, at least one.
    """
    counts = Counter(pairs)
    shown, given = Counter[str](), Counter[str]()
    for (true, answer), count in counts.items():
        shown[true] += count
        given[answer] += count
    commonest, most = shown.most_common(1)[0]
    right = [counts[name, name] / count for name, count in shown.items()]
    return Answers(
        commonest=commonest,
        commonest_share=most / shown.total(),
        balanced_accuracy=sum(right) / len(right),
        only_answer=next(iter(given)) if len(given) == 1 < len(shown) else None,
    )
