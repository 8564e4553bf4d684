"""Open pairs of images on disk, in any of the layouts of `layouts`.

All problems are collected and raised once, before the training.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from srae.config.data_sets import PairsConfig
from srae.data.contract import Data, sample_shapes, take_fingerprint
from srae.data.degrade import describe_copies, describe_degrade
from srae.data.demo import open_demo
from srae.data.depth import describe_range, find_channels, note_clipped, settle
from srae.data.enlarged import note_enlarged
from srae.data.groups import Groups, note_groups, note_suspicion, read_groups
from srae.data.intake import count_files, find_misfits, note_white, pixel_reader, read_headers, take_in
from srae.data.layouts import SPLITS, find_pairs
from srae.data.matching import FileProblem, Pair
from srae.data.rendered import describe_rendered, note_rendered
from srae.data.scan import ScannedPair, note_cuts, raise_problems, scan
from srae.data.splits import describe_val_from_train, set_aside, split_by_name, take_by_name
from srae.errors import DataError


def open_pairs(options: PairsConfig, *, for_scoring: bool = False, undivided: bool = False) -> Data:
    """Read the pairs that `options` names; see `open_data`.

    Raises:
        DataError: folder missing, or everything that is wrong with its images.
    """
    folder, low, high = (
        Path(os.path.expanduser(p)) if p else None for p in (options.folder, options.low, options.high)
    )
    given = [path for path in ((folder,) if folder else (low, high)) if path]
    if not given:
        raise DataError("no folder given", "data.folder", "name one, or give --data FOLDER")
    missing = next((path for path in given if not os.path.exists(path)), None)
    if missing and options.otherwise == "demo":
        eight = options.model_copy(
            update={"channels": "RGB" if options.channels == "auto" else options.channels, "bits": 8, "range": None}
        )
        demo = open_demo(eight, for_scoring=for_scoring)
        demo.notes.insert(0, f"{missing} is not there: training on the built-in demo images")
        return replace(demo, section=eight)
    if missing:
        remedy = "put the images there, give --data FOLDER, or set data.otherwise: demo"
        raise DataError("data folder is missing", str(missing), remedy)
    source = folder or Path(f"{low} and {high}")

    chosen = choose_splits(options, folder, low, high, for_scoring=for_scoring, undivided=undivided)
    pairs = {split: found for split, found in chosen.splits.items() if found}
    headers = read_headers(pairs)
    options, found = settle(options, headers, source)
    if chosen.problems:
        scanned, unreadable = scan(pairs, pixel_reader(options), folder)
        raise_problems(chosen.problems + unreadable + find_misfits(scanned, options, folder), source)
    splits, scanned, notes = take_in(pairs, options, headers, folder, source, for_scoring=for_scoring)
    made = describe_degrade(options.degrade, options.enlarge) + describe_range(options)
    made += describe_rendered(options, for_scoring=for_scoring)
    rows = [
        (split, item.pair.name, f"{item.low.digest if item.low else ''}/{item.high.digest}")
        for split, items in scanned.items()
        for item in items
    ]
    val = splits.get("val") or next(iter(splits.values()))
    train = splits.get("train", val)
    in_shape, out_shape = sample_shapes(train, None if for_scoring else options.crop, may_differ=for_scoring)
    scale = out_shape[1] // in_shape[1]
    if options.scale and not for_scoring and scale not in (1, options.scale):
        raise DataError(
            f"data.scale is {options.scale}, but these pairs have scale {scale}", str(source), "leave it out"
        )
    data = Data(
        name=source.stem if source.is_file() else source.resolve().name,
        train=train,
        val=val,
        test=splits.get("test"),
        in_shape=in_shape,
        out_shape=out_shape,
        fingerprint=take_fingerprint(rows, made),
        section=options,
        grey_files=find_channels(headers) == "L",
        digests={split: {item.pair.name: item.high.digest for item in items} for split, items in scanned.items()},
        notes=chosen.notes
        + found
        + note_clipped(count_files(scanned, lambda facts: facts.clipped), options)
        + _passed_over(chosen.ignored)
        + describe_copies(train)
        + note_rendered(options, for_scoring=for_scoring)
        + note_white(scanned)
        + note_cuts(scanned)
        + note_enlarged(scanned, options)
        + _leaks(scanned)
        + notes,
    )
    return chosen.groups.label(data)


@dataclass(frozen=True)
class SplitChoice:
    """Which pairs are in which split, before any is read."""

    layout: str
    rules: list[str]
    splits: dict[str, list[Pair]]
    problems: list[FileProblem]
    ignored: int
    notes: list[str]
    groups: Groups


def choose_splits(
    options: PairsConfig,
    folder: Path | None,
    low: Path | None,
    high: Path | None,
    *,
    for_scoring: bool = False,
    undivided: bool = False,
) -> SplitChoice:
    """Find the pairs and choose the splits: those on disk, else by name; then test_from_val; then limit.

    Args:
        for_scoring: the data will not be trained on, so a split may be missing.
        undivided: without splits on disk all images are val.
    """
    found = find_pairs(
        folder,
        low,
        high,
        high_only=bool(options.degrade),
        alone=bool(options.own_target),
        scale=options.scale,
    )
    splits, notes = found.splits, list(found.notes)
    named = [pair.name for pairs in splits.values() for pair in pairs]
    groups = read_groups(named, None if undivided else options.group_by, folder or high or Path())
    notes += groups.notes
    if "" in splits and undivided:
        splits = {"val": splits[""]}
    elif "" in splits:
        splits = split_by_name(splits[""], groups=groups.of(named))
        counts = "/".join(str(len(splits[split])) for split in SPLITS)
        notes.append(f"no split on disk: {counts} train/val/test by file name")
    elif splits.get("train") and not undivided and "val" not in splits and options.val_from_train:
        names = [pair.name for pair in splits["train"]]
        kept, taken = take_by_name(splits["train"], names, options.val_from_train, groups.of(names))
        splits = splits | {"train": kept, "val": taken}
        notes.append(describe_val_from_train(len(taken), len(kept) + len(taken), options.val_from_train))
    if options.test_from_val and splits.get("test"):
        notes.append("data.test_from_val is ignored: there is a test split of its own")
    elif options.test_from_val and splits.get("val"):
        names = [pair.name for pair in splits["val"]]
        kept, aside = set_aside(splits["val"], options.test_from_val, groups.of(names))
        splits = splits | {"val": kept, "test": aside}
    problems = list(found.problems)
    for split in () if for_scoring and any(splits.values()) else ("train", "val"):
        if not splits.get(split) and not any(problem.split == split for problem in problems):
            remedy = "add images, or leave out the split folders: srae then splits by file name"
            remedy = "add images, or set data.val_from_train: 0.1" if split == "val" and splits.get("train") else remedy
            problems.append(FileProblem(split, split, "no images", remedy))
    by_split = {split: [pair.name for pair in pairs] for split, pairs in splits.items()}
    notes += note_groups(by_split, groups) or ([] if for_scoring else note_suspicion(by_split, groups))
    splits = {split: splits[split][: options.limit] for split in SPLITS if split in splits}
    return SplitChoice(found.layout, found.rules, splits, problems, found.ignored, notes, groups)


def _passed_over(count: int) -> list[str]:
    return [f"{count} entries passed over, they are no images"] if count else []


def _leaks(scanned: Mapping[str, list[ScannedPair]]) -> list[str]:
    train = {item.high.digest for item in scanned.get("train", [])}
    counts = {split: sum(item.high.digest in train for item in scanned.get(split, [])) for split in ("val", "test")}
    return [
        f"{count} {split} images are also train images, so {split} metrics are too good; `srae data check` lists them"
        for split, count in counts.items()
        if count
    ]
