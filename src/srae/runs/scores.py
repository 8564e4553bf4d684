"""Where `srae eval` stores metrics, and in what: per image a CSV, and beside it the means as JSON.

Beside a run's own files they are called `images-LABEL.csv` and `.json`, where `reader.scored_on` finds them.
Nothing is overwritten: a second scoring gets a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from srae.errors import ConfigError, SraeError
from srae.files import atomic_write, json_text
from srae.runs.layout import csv_text


def check_output(output: Path) -> None:
    """Say before anything is scored that the metrics could not be stored.

    Raises:
        ConfigError: it is no name for a CSV, or one of the two files exists.
    """
    if output.suffix.lower() == ".json":
        raise ConfigError("the metrics per image are a CSV", str(output), "name it .csv: the JSON goes beside it")
    for path in (output, _beside(output)):
        if path.exists():
            raise ConfigError("the output exists", str(path), "name another file with -o")


def store_scores(
    means: Mapping[str, Any], columns: Mapping[str, Sequence[Any]], *, model: Path, label: str, output: Path | None
) -> Path:
    """Both files under the first name that is free, be it that another scoring took one meanwhile.

    Args:
        means: for the JSON; what `srae compare --on` reads.
        columns: of the CSV, one value per image.
        model: the weights; metrics of a run's own go into the run, others into the working directory.
        output: the CSV; None: chosen.

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
    """Raises: FileExistsError: one of the two files exists; the other one is not left alone."""
    with atomic_write(path, overwrite=False) as file:
        file.write(table)
    try:
        with atomic_write(_beside(path), overwrite=False) as file:
            file.write(means)
    except (OSError, SraeError):
        path.unlink()
        raise


def _beside(output: Path) -> Path:
    """The file of means, protocol and data of a CSV of metrics per image."""
    return output.with_suffix(".json")


def _free_paths(model: Path, label: str) -> Iterator[Path]:
    """Names of which neither file exists, as long as they find no taker."""
    run = next((folder for folder in model.parents[:2] if (folder / "config.yaml").is_file()), None)
    folder, name = (run, f"images-{label}") if run else (Path(), f"{model.stem}-{label}")  # a file, or one that ships
    for number in range(1, 10_000):
        path = folder / f"{name}{'' if number == 1 else f'-{number}'}.csv"
        if not path.exists() and not _beside(path).exists():
            yield path
    raise ConfigError("10,000 evaluations lie there already", str(folder), "name a file with -o")
