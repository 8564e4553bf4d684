"""What a set of image files is read as where the config leaves it to the files: channels, bits, value range."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from srae.config.data_sets import PairsConfig
from srae.data.scan import in_threads
from srae.errors import DataError
from srae.images.headers import Header
from srae.images.levels import WHITE, Channels, Extremes, measure_extremes, whole_range


def settle(options: PairsConfig, headers: Mapping[Path, Header], source: Path) -> tuple[PairsConfig, list[str]]:
    """The section without `auto` and with the value range of deep images; and lines for the user.

    Images are decoded only to find the range: sets of 8 bits cost nothing.

    Raises:
        DataError: 16-bit integers beside floats within [0, 1].
    """
    channels = find_channels(headers) if options.channels == "auto" else options.channels
    deep = [path for path, header in headers.items() if header.bits > 8]
    bits = options.bits if options.bits != "auto" else 16 if deep else 8
    notes, found = _note_bands(channels, headers), options.range
    if bits == 8 and deep:
        notes.append(f"{len(deep)} images have more than 8 bits: data.bits: 8 keeps 256 of their 65,536 levels")
    if bits == 16 and deep and found is None:
        found, note = find_range(deep, channels, source)
        notes.append(note)
    settled = {"channels": channels, "bits": bits, "range": found}
    return options.model_copy(update=settled), notes


def channels_of(options: PairsConfig) -> Channels:
    """Of a settled section."""
    assert options.channels != "auto"
    return options.channels


def describe_range(options: PairsConfig) -> str:
    """``, 16 bits from 0 to 4095``; empty for 8 bits.  Part of the fingerprint."""
    if options.value_range is None:
        return ""
    low, high = options.value_range
    return f", 16 bits from {low:.9g} to {high:.9g}"


def note_clipped(count: int, options: PairsConfig) -> list[str]:
    """For the user: how many images hold values outside the range; none if there are none."""
    if not count or options.range is None:
        return []
    low, high = options.range
    return [f"{count} images have values outside data.range, [{low:g}, {high:g}]: they are clipped to it"]


def find_channels(headers: Mapping[Path, Header]) -> Channels:
    """The number of bands where all files have so many, RGB where some file has colours, else L."""
    colors = {header.colors for header in headers.values() if header.height}
    if len(colors) == 1 and not colors <= {1, 3}:
        return colors.pop()
    return "L" if colors == {1} else "RGB"


def _note_bands(channels: Channels, headers: Mapping[Path, Header]) -> list[str]:
    """What becomes of bands that are neither colour nor alpha."""
    if isinstance(channels, int):
        return []
    counts = Counter(header.colors for header in headers.values() if header.colors not in (1, 3))
    return [
        f"{count} images have {bands} bands that are no colours: channels {channels} takes the first "
        f"{'three' if bands > 2 else 'one'}; data.channels: {bands} takes all"
        for bands, count in counts.items()
    ]


def find_range(deep: Sequence[Path], channels: Channels, source: Path) -> tuple[list[float], str]:
    """The value range that all deep images share, and a line for the user about it."""

    def look(path: Path) -> Extremes | None:
        with suppress(DataError):  # reading it again will say what is wrong
            return measure_extremes(path, channels)
        return None

    found = [extremes for extremes in in_threads(look, deep, "measuring values") if extremes]
    if not found:
        return [0.0, float(WHITE)], f"{len(deep)} images state more than 8 bits, and none of them gives more"
    floats = [extremes for extremes in found if extremes.floats]
    if floats and len(floats) < len(found) and max(extremes.highest for extremes in floats) <= 1:
        what = f"{len(floats)} of {len(found)} deep images are floats up to 1, the others integers of 16 bits"
        raise DataError(what, str(source), "save them in one type, or train on each kind alone")
    lowest, highest = min(extremes.lowest for extremes in found), max(extremes.highest for extremes in found)
    values = whole_range(Extremes(lowest, highest, bool(floats)))
    low, high = values
    kind = "floats" if floats else f"integers of {int(high).bit_length()} bits"
    return list(values), (
        f"{len(found)} images of more than 8 bits with values from {lowest:g} to {highest:g}, taken as {kind}: "
        f"black is {low:g}, white {high:g}; data.range sets others"
    )
