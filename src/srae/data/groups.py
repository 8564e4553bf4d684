"""Images that belong together (slices of a patient, tiles of an image): by `data.group_by`, or as their names suggest.

A name is the path below the split folder (below the class folder, for classes), with slashes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import NamedTuple

from srae.data.contract import Data
from srae.errors import DataError

FOLDER = "folder"
"""The value of `data.group_by` that takes the folder for the group."""
_SHOWN = 3
_FAMILY = re.compile(r"^(.*?\d.*?)(?:[ _.-]+(?:[a-z]{0,12}[ _.-]?)?\d+)+$", re.IGNORECASE)
_GENERAL = "^(.*?[0-9].*?)[ _.-]+[a-zA-Z]*[0-9]+$"


class Groups(NamedTuple):
    """The group of every name; none where images are split one by one."""

    of_name: Mapping[str, str]
    notes: list[str]

    def of(self, names: Iterable[str]) -> list[str] | None:
        """For the functions of `splits`."""
        return [self.of_name[name] for name in names] if self.of_name else None

    def label(self, data: Data, key: Callable[[str], str] = str) -> Data:
        """The data with the group of every image, over which metrics are tested; smaller versions stand alone.

        Args:
            key: name of an image in its split -> name here.
        """
        if not self.of_name:
            return data
        splits = {name: split for name in ("train", "val", "test") if (split := getattr(data, name))}
        return replace(data, **{
            name: replace(split, groups=[self.of_name.get(key(image), image) for image in split.names])
            for name, split in splits.items()
        })  # fmt: skip


def read_groups(names: Sequence[str], group_by: str | None, where: Path) -> Groups:
    """Groups as `data.group_by` names them; a name that it does not match is a group of its own.

    Args:
        where: the data set, for errors.

    Raises:
        DataError: it matches no name, or puts all images into one group.
    """
    if group_by is None or not names:
        return Groups({}, [])
    found = {name: _group_of(name, group_by) for name in names}
    alone = [name for name, group in found.items() if group is None]
    example = f"for example {names[0]}"
    if len(alone) == len(found):
        what = "no image lies in a folder" if group_by == FOLDER else f"no name matches {group_by}"
        remedy = "a regular expression is searched in the path without suffix, and its group names what stays together"
        raise DataError(f"data.group_by: {what} ({example})", str(where), remedy)
    of_name = {name: f"={name}" if group is None else group for name, group in found.items()}
    count = len(set(of_name.values()))
    if count == 1 < len(of_name):
        what = f"data.group_by: all {len(of_name)} images are one group, {next(iter(of_name.values()))}"
        raise DataError(what, str(where), f"choose a pattern that tells patients or images apart ({example})")
    told = f"{len(alone)} names do not match data.group_by: each is a group of its own ({list_some(alone)})"
    return Groups(of_name, [told] if alone else [])


def _group_of(name: str, group_by: str) -> str | None:
    if group_by == FOLDER:
        return name.rpartition("/")[0] or None
    found = re.search(group_by, PurePath(name).with_suffix("").as_posix())
    if not found:
        return None
    return "/".join(part or "" for part in found.groups()) if found.groups() else found[0]


def find_torn(splits: Mapping[str, Sequence[str]], groups: Groups) -> list[str]:
    """``p03 (train, val)``: groups that are in several splits, as they may be where the disk has splits."""
    holders: dict[str, list[str]] = {}
    for split, names in splits.items():
        for group in dict.fromkeys(groups.of(names) or []):
            holders.setdefault(group, []).append(split)
    return [f"{group} ({', '.join(several)})" for group, several in holders.items() if len(several) > 1]


def note_groups(splits: Mapping[str, Sequence[str]], groups: Groups) -> list[str]:
    """How many groups each split has, and which of them are in several; nothing without groups."""
    if not groups.of_name:
        return []
    counts = {split: len(set(groups.of(names) or ())) for split, names in splits.items()}
    notes = [f"groups by data.group_by: {', '.join(f'{count} {split}' for split, count in counts.items())}"]
    if torn := find_torn(splits, groups):
        told = f"{len(torn)} groups are in several splits on disk, so val and test metrics are too good"
        notes.append(f"{told}: {list_some(torn)}")
    return notes


# ------------------------------------------------------------------ what names suggest


class Suspicion(NamedTuple):
    """Names of several splits that look like parts of one thing."""

    families: dict[str, list[tuple[str, str]]]
    """Stem that the names share -> (split, name) of each; every family is in several splits."""
    group_by: str
    """The value for `data.group_by` that would keep them together."""

    def without(self, told: Collection[tuple[str, str]]) -> Suspicion:
        """Without the families of some files."""
        families = {family: members for family, members in self.families.items() if not set(members) & set(told)}
        return self._replace(families=families)

    def describe(self) -> str:
        """A note for the user."""
        members = next(iter(self.families.values()))
        (first_split, first), (other_split, other) = members[0], next(m for m in members if m[0] != members[0][0])
        return (
            f"{len(self.families)} groups of files that look like parts of one image or patient are in several splits "
            f"({first} in {first_split}, {other} in {other_split}): if they are, set data.group_by: {self.group_by}"
        )


def suspect_groups(splits: Mapping[str, Sequence[str]]) -> Suspicion | None:
    """Names such as ``0001_s003``, or folders such as ``patient07/``, that are in several splits; None without any.

    Only a stem or folder with a digit counts: ``cat_1`` and ``cat_2`` are no two parts of one cat.
    """
    names = list(dict.fromkeys(name for several in splits.values() for name in several))
    folders = {name: _folder_family(name) for name in names}
    of_name, by_folder = {name: _family(name) for name in names}, _is_likely(folders)
    if by_folder:
        of_name = folders
    elif not _is_likely(of_name):
        return None
    families: dict[str, list[tuple[str, str]]] = {}
    for split, several in splits.items():
        for name in several:
            if family := of_name[name]:
                families.setdefault(family, []).append((split, name))
    torn = {family: members for family, members in families.items() if len({split for split, _ in members}) > 1}
    return Suspicion(torn, FOLDER if by_folder else _suggest_pattern(of_name)) if torn else None


def note_suspicion(splits: Mapping[str, Sequence[str]], groups: Groups) -> list[str]:
    """A note where names suggest groups and `data.group_by` names none."""
    found = None if groups.of_name else suspect_groups(splits)
    return [found.describe()] if found else []


def _is_likely(of_name: Mapping[str, str | None]) -> bool:
    """Most names are in families, there are several of them, and most have several members."""
    sizes = Counter(family for family in of_name.values() if family)
    in_several = sum(count for count in sizes.values() if count > 1)
    return len(sizes) > 1 and in_several > len(of_name) / 2


def _family(name: str) -> str | None:
    folder, slash, last = PurePath(name).with_suffix("").as_posix().rpartition("/")
    found = _FAMILY.match(last)
    return f"{folder}{slash}{found[1]}" if found else None


def _folder_family(name: str) -> str | None:
    folder = name.rpartition("/")[0]
    return folder if any(character.isdigit() for character in folder.rpartition("/")[2]) else None


def _suggest_pattern(of_name: Mapping[str, str | None]) -> str:
    """A pattern that makes the same groups, made of the stem of the first name: ``(patient[0-9]+)_``."""
    name, family = next((name, family) for name, family in of_name.items() if family)
    stem = family.rpartition("/")[2]
    after = PurePath(name).stem[len(stem)]
    pattern = f"({re.sub('[0-9]+', '[0-9]+', re.escape(stem))}){re.escape(after)}"
    same = all(_group_of(name, pattern) == (family and family.rpartition("/")[2]) for name, family in of_name.items())
    return pattern if same else _GENERAL


def list_some(names: Sequence[str]) -> str:
    """``a, b, c, ...``"""
    return ", ".join(names[:_SHOWN]) + ", ..." * (len(names) > _SHOWN)
