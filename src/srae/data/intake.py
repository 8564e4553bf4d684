"""Decode the images of pairs into stores: in memory, or in a mapped file if they do not fit into memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from srae.config.data_sets import PairsConfig
from srae.data.degrade import AnyShelf, add_sizes, count_copies, find_misfit, make_low, shrunk, sizes_of, with_sizes
from srae.data.depth import channels_of, describe_range
from srae.data.enlarged import fit_low
from srae.data.fit import find_fit
from srae.data.mapped import Room, largest_in_memory, make_key, open_mapped
from srae.data.matching import FileProblem, Pair, show
from srae.data.scan import Facts, Reader, ScannedPair, in_threads, raise_problems, scan
from srae.data.store import Shelf, Split, Store
from srae.errors import DataError
from srae.images.decode import read_header
from srae.images.flatten import is_transparent, may_be_transparent
from srae.images.headers import Header
from srae.images.image import read_flat_pixels, read_image
from srae.images.levels import Channels, read_levels

Item = TypeVar("Item")
Fact = TypeVar("Fact")


class Intake(NamedTuple):
    splits: dict[str, Split]
    scanned: dict[str, list[ScannedPair]]
    notes: list[str]


def read_headers(pairs: Mapping[str, list[Pair]]) -> dict[Path, Header]:
    """Of every file."""
    return _of_files(pairs, read_header, "looking at images")


def take_in(
    pairs: Mapping[str, list[Pair]],
    options: PairsConfig,
    headers: Mapping[Path, Header],
    folder: Path | None,
    source: Path,
    *,
    for_scoring: bool,
) -> Intake:
    """Read the images of every split, and make the low-resolution versions with `degrade`.

    Args:
        options: settled, see `depth`.
        source: name of the data set in messages.

    Raises:
        DataError: everything that is wrong with the images.
        ResourceError: memory and disk are both too small.
    """
    reader = _PairReader(pairs, options, folder, source, for_scoring=for_scoring)
    sizes = {path: (header.height, header.width) for path, header in headers.items()}
    rooms = {split: reader.rooms(split, sizes) for split in pairs}
    if sum(room.nbytes for several in rooms.values() for room in several) <= largest_in_memory():
        stores, scanned, notes = _read_into_memory(reader, rooms)
    else:
        stores, scanned, notes = _read_into_file(reader, rooms, sizes)
    splits = {split: reader.to_split(split, its_stores) for split, its_stores in _by_split(stores, rooms).items()}
    return Intake(splits, scanned, notes)


_StoredPairs = tuple[Sequence[Store], dict[str, list[ScannedPair]], list[str]]
"""Stores of all splits, concatenated; the pairs that were read; notes for the user."""


def _read_into_memory(reader: _PairReader, rooms: Mapping[str, list[Room]]) -> _StoredPairs:
    shelves = [Shelf(room.count) for several in rooms.values() for room in several]
    scanned = reader.read(_by_split(shelves, rooms))
    return [shelf.to_store() for shelf in shelves], scanned, []


def _read_into_file(
    reader: _PairReader, rooms: Mapping[str, list[Room]], sizes: Mapping[Path, tuple[int, int]]
) -> _StoredPairs:
    """Decode into a mapped file, or map the file that an earlier run made of the same contents."""
    options = reader.options
    digest = partial(_digest, channels=channels_of(options), degraded=bool(options.degrade))
    digests = _of_files(reader.pairs, digest, "reading images")
    known = reader.as_scanned(sizes, digests)

    def fill(shelves: Sequence[AnyShelf]) -> None:
        if _contents(reader.read(_by_split(shelves, rooms))) != _contents(known):
            raise DataError("images changed while they were read", str(reader.source), "start again")

    flat = [room for several in rooms.values() for room in several]
    degrade = options.degrade.model_dump() if options.degrade else None
    made = json.dumps([options.channels, degrade, options.enlarge], sort_keys=True) + describe_range(options)
    stores, path = open_mapped(make_key([made, repr(rooms), *_contents(known)]), flat, fill)
    size = path.stat().st_size / 1e9
    return stores, known, [f"decoded images: {size:.1f} GB in {path}, for later runs too; it may be deleted"]


def _by_split(items: Sequence[Item], rooms: Mapping[str, Sequence[Room]]) -> dict[str, list[Item]]:
    """Split a sequence into as many items per split as `rooms` has."""
    each = iter(items)
    return {split: list(islice(each, len(several))) for split, several in rooms.items()}


def _of_files(pairs: Mapping[str, list[Pair]], look: Callable[[Path], Fact], doing: str) -> dict[Path, Fact]:
    paths = [path for several in pairs.values() for pair in several for path in (pair.low, pair.high) if path]
    return dict(zip(paths, in_threads(look, paths, doing), strict=True))


class _PairReader:
    def __init__(
        self,
        pairs: Mapping[str, list[Pair]],
        options: PairsConfig,
        folder: Path | None,
        source: Path,
        *,
        for_scoring: bool,
    ) -> None:
        self.pairs, self.options, self.folder, self.source, self.for_scoring = (
            pairs,
            options,
            folder,
            source,
            for_scoring,
        )

    def as_scanned(
        self, sizes: Mapping[Path, tuple[int, int]], digests: Mapping[Path, str]
    ) -> dict[str, list[ScannedPair]]:
        def facts(path: Path) -> Facts:
            return Facts(sizes[path], digests[path], on_white=digests[path].endswith(_ON_WHITE))

        return {
            split: [ScannedPair(pair, facts(pair.low) if pair.low else None, facts(pair.high)) for pair in pairs]
            for split, pairs in self.pairs.items()
        }

    def rooms(self, split: str, sizes: Mapping[Path, tuple[int, int]]) -> list[Room]:
        """Sizes of the stores: the low-resolution versions, then the high-resolution images."""
        degrade, factors = self.options.degrade, sizes_of(self.options.degrade, split, for_scoring=self.for_scoring)
        highs: list[tuple[int, int]] = []
        lows: list[tuple[int, int]] = []
        for pair in self.pairs[split]:
            if not degrade:
                assert pair.low is not None
                fit = find_fit(sizes[pair.low], sizes[pair.high])
                highs.append(fit.high if fit else sizes[pair.high])
                lows.append((fit.high if self.options.enlarge else fit.low) if fit else sizes[pair.low])
                continue
            scale = degrade.scale
            shrink = 1 if self.options.enlarge else scale
            cut = _cut(sizes[pair.high], scale)
            made = [cut, *(shrunk(cut, factor, scale) for factor in factors)]
            highs += made
            lows += [(height // shrink, width // shrink) for height, width in made]
        low, high = (self._room(sizes_of_side) for sizes_of_side in (lows, highs))
        return [low] * count_copies(degrade, split, for_scoring=self.for_scoring) + [high]

    def _room(self, sizes: Sequence[tuple[int, int]]) -> Room:
        # Headers give the size before EXIF rotates an image.
        kinds = {(min(size), max(size)) for size in sizes}
        channels, sample = channels_of(self.options), 2 if self.options.bits == 16 else 1
        count = channels if isinstance(channels, int) else len(channels)
        return Room(len(sizes), sum(h * w for h, w in sizes) * count * sample, len(kinds) == 1, sample)

    def read(self, shelves: Mapping[str, Sequence[AnyShelf]]) -> dict[str, list[ScannedPair]]:
        """Fill the shelves of every split, which are as `rooms` says.

        Raises:
            DataError: everything that is wrong with the images.
        """
        degrade, enlarge, alpha = self.options.degrade, self.options.enlarge, self.options.channels == "RGBA"

        def put(split: str, index: int, low: np.ndarray | None, high: np.ndarray) -> None:
            *low_shelves, high_shelf = shelves[split]
            if degrade is None:
                assert low is not None
                if (fit := find_fit(_size(low), _size(high))) is None:
                    return  # `scan` reports it
                high = high[: fit.high[0], : fit.high[1]]
                low_shelves[0].put(index, fit_low(low, fit, enlarge, has_alpha=alpha))
            else:
                kernel, scale, name = degrade.kernel, degrade.scale, self.pairs[split][index].name
                if find_misfit(_size(high), kernel, scale):
                    return  # `find_misfits` reports it
                height, width = _cut(_size(high), scale)
                high = high[:height, :width]
                for copy, shelf in enumerate(low_shelves):
                    shelf.put(index, make_low(high, kernel, scale, enlarge, has_alpha=alpha, name=name, copy=copy))
            high_shelf.put(index, high)

        scanned, problems = scan(self.pairs, pixel_reader(self.options), self.folder, put)
        if problems := problems + find_misfits(scanned, self.options, self.folder):
            raise_problems(problems, self.source)
        for split, (*lows, high) in shelves.items():
            if degrade and sizes_of(degrade, split, for_scoring=self.for_scoring):
                names = [pair.name for pair in self.pairs[split]]
                add_sizes(high, lows, names, degrade, enlarge, has_alpha=alpha)
        return scanned

    def to_split(self, split: str, stores: Sequence[Store]) -> Split:
        low, *more, high = stores
        names = [pair.name for pair in self.pairs[split]]
        names = with_sizes(names, sizes_of(self.options.degrade, split, for_scoring=self.for_scoring))
        return Split(low, high, names, more_inputs=more)


def pixel_reader(options: PairsConfig) -> Reader:
    """Args: options: settled, see `depth`."""
    channels = channels_of(options)

    def read(path: Path) -> Facts:
        # The bytes that are hashed are the bytes that are decoded.
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(f"cannot read: {error.strerror}", str(path)) from None
        if values := options.value_range:
            pixels, on_white, clipped = read_levels(data, channels, values, name=str(path))
        else:
            (pixels, on_white), clipped = read_flat_pixels(data, channels, name=str(path)), False
        weighted = channels == "RGBA" and bool(options.degrade) and is_transparent(pixels)
        digest = _mark(hashlib.sha256(data).hexdigest(), on_white=on_white, weighted=weighted)
        return Facts(_size(pixels), digest, on_white=on_white, clipped=clipped, pixels=pixels)

    return read


def find_misfits(
    scanned: Mapping[str, list[ScannedPair]], options: PairsConfig, root: Path | None
) -> list[FileProblem]:
    """A problem for every image that cannot be degraded."""
    degrade = options.degrade
    return [
        FileProblem(split, show(item.pair.high, root), what, "remove the file")
        for split, items in scanned.items()
        for item in items
        if degrade and (what := find_misfit(item.high.size, degrade.kernel, degrade.scale))
    ]


_ON_WHITE, _WEIGHTED = "-on-white", "-weighted"


def _mark(digest: str, *, on_white: bool, weighted: bool) -> str:
    """The digest of a file for fingerprints and caches; other than that of its bytes only for some transparent images.

    Older versions dropped alpha where images are laid on white today, and shrank colours without it where they are
    weighted by it: such data sets get another fingerprint, all others keep theirs.
    """
    return digest + _ON_WHITE * on_white + _WEIGHTED * weighted


def note_white(scanned: Mapping[str, list[ScannedPair]]) -> list[str]:
    """A note with the number of transparent images; none if there are none."""
    count = count_files(scanned, lambda facts: facts.on_white)
    return [f"{count} transparent images are laid on white"] if count else []


def count_files(scanned: Mapping[str, list[ScannedPair]], is_so: Callable[[Facts], bool]) -> int:
    """How many different files something is true of."""
    paths = {
        path
        for items in scanned.values()
        for item in items
        for path, facts in ((item.pair.low, item.low), (item.pair.high, item.high))
        if facts and is_so(facts)
    }
    return len(paths)


def _digest(path: Path, *, channels: Channels, degraded: bool) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for piece in iter(partial(file.read, 2**20), b""):
                digest.update(piece)
    except OSError:  # decoding raises the proper error
        return ""
    transparent = False
    if (channels in ("L", "RGB") or (channels == "RGBA" and degraded)) and may_be_transparent(path):
        with suppress(DataError):  # decoding it again will say what is wrong
            transparent = read_image(path).is_transparent
    has_alpha = channels == "RGBA"
    return _mark(digest.hexdigest(), on_white=transparent and not has_alpha, weighted=transparent and has_alpha)


def _size(pixels: np.ndarray) -> tuple[int, int]:
    return pixels.shape[0], pixels.shape[1]


def _cut(size: tuple[int, int], scale: int) -> tuple[int, int]:
    """Height and width as multiples of the scale."""
    return size[0] // scale * scale, size[1] // scale * scale


def _contents(scanned: Mapping[str, list[ScannedPair]]) -> list[str]:
    """Everything besides the options that decides the pixels; the names seed random degradation."""
    return [
        f"{split}/{item.pair.name}/{item.low.digest if item.low else ''}/{item.high.digest}"
        for split, items in scanned.items()
        for item in items
    ]
