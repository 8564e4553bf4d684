"""Store the metrics of `srae eval`: a CSV with a row per image, and beside it a JSON with the means.

In a run folder they are called `images-LABEL.csv` and `.json`; `reader.scored_on` finds them there.  Nothing is
overwritten: the files of a second scoring get a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from srae.errors import ConfigError, SraeError
from srae.files import atomic_write, json_text
from srae.runs.layout import csv_text, run_of


def check_output(output: Path) -> None:
    """Check before scoring that the metrics can be stored.

    Raises:
        ConfigError: the name is not that of a CSV, or one of the two files exists.
    """
    if output.suffix.lower() == ".json":
        raise ConfigError("the metrics per image are a CSV", str(output), "name it .csv: the JSON goes beside it")
    for path in (output, _beside(output)):
        if path.exists():
            raise ConfigError("the output exists", str(path), "name another file with -o")


def store_scores(
    means: Mapping[str, Any], columns: Mapping[str, Sequence[Any]], *, model: Path, label: str, output: Path | None
) -> Path:
    """Write both files under the first free name, also when another process takes a name meanwhile.

    Args:
        means: for the JSON; what `srae compare --on` reads.
        columns: of the CSV, one value per image.
        model: the weights; metrics of the weights of a run go into its folder, others into the working directory.
        output: path of the CSV; None: a free name is chosen.

    Returns:
        The CSV.

    Raises:
        ConfigError: `output` exists.
        ResourceError: disk full, no permission.
    """
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    table = csv_text(rows, list(columns), header=True).encode()
    for path in [output] if output else _free_paths(model, label):
        try:
            _write_both(path, table, json_text(means).encode())
        except FileExistsError:
            continue
        return path
    raise ConfigError("the output exists", str(output), "name another file with -o")


def _write_both(path: Path, table: bytes, means: bytes) -> None:
    """Raises: FileExistsError: one of the two files exists; then none is written."""
    with atomic_write(path, overwrite=False) as file:
        file.write(table)
    try:
        with atomic_write(_beside(path), overwrite=False) as file:
            file.write(means)
    except (OSError, SraeError):
        path.unlink()
        raise


def _beside(output: Path) -> Path:
    """The JSON beside a CSV of metrics per image: means, protocol and data."""
    return output.with_suffix(".json")


def _free_paths(model: Path, label: str) -> Iterator[Path]:
    """Names for which neither file exists."""
    run = run_of(model)
    folder, name = (run, f"images-{label}") if run else (Path(), f"{model.stem}-{label}")  # a file, or one that ships
    for number in range(1, 10_000):
        path = folder / f"{name}{'' if number == 1 else f'-{number}'}.csv"
        if not path.exists() and not _beside(path).exists():
            yield path
    raise ConfigError("there are already 10,000 evaluations", str(folder), "name a file with -o")
