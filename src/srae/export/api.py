"""A trained network as a file for other programs, checked before it appears."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from srae import __version__
from srae.checkpoints.facts import NetworkFacts
from srae.checkpoints.loading import TrainedModel
from srae.errors import CheckpointError, ConfigError
from srae.export.formats import FORMATS
from srae.export.verify import Check, verify
from srae.files import atomic_write, check_writable

MAX_LEVELS = 1.0
"""Of 255: what an exported file may differ by from torch in float32."""


@dataclass(frozen=True)
class Exported:
    """What `export_model` wrote.

    Attributes:
        what: format and form, in words.
        facts: of the network.
        licence: as the card of a shipped model or the caller states it.
    """

    files: list[Path]
    what: str
    facts: NetworkFacts
    checks: list[Check]
    licence: str | None


def pick_target(name: str, output: Path | None, format: str) -> Path:
    """The file to write: NAME.suffix in the current folder, or in a folder that is named.

    Raises:
        ConfigError: the file's suffix is of another format.
    """
    suffix = FORMATS[format].suffixes[0]
    if output is None or output.is_dir():
        return (output or Path()) / f"{name}{suffix}"
    if output.suffix.lower() != suffix:
        raise ConfigError(f"files of {format} end in {suffix}", str(output), "name it so, or give another --format")
    return output


def export_model(
    trained: TrainedModel,
    target: Path,
    *,
    format: str = "onnx",
    precision: str = "float32",
    licence: str | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a network in one of `formats.FORMATS`; nothing is at the target unless it computes what torch does.

    Args:
        precision: of the stored weights, "float32" or "float16".
        licence: stated in the file; default: that of the card of a shipped model.

    Raises:
        ConfigError: the network puts out no image, the format cannot hold it, a package is missing, or the file exists.
        CheckpointError: a program reads more than a level of 255 from it that torch does not compute.
        ResourceError: not writable.
    """
    if len(trained.out_shape) != 3:
        what = "this model names images, and only networks from images to images are exported"
        raise ConfigError(what, str(trained.path), "choose another model")
    row = FORMATS[format]
    targets = [target.with_suffix(suffix) for suffix in row.suffixes]
    if not overwrite:
        refuse_existing(targets)
    check_writable(target.parent)
    about = describe_origin(trained, licence)
    with TemporaryDirectory(prefix="srae-export-", ignore_cleanup_errors=True) as folder:
        made = Path(folder) / target.name
        what = row.write(trained, made, precision, about)
        checks = verify(made, trained, row.readers)
        refuse_different(checks, precision, target)
        for path in reversed(targets):  # the one that is opened comes last
            publish(made.with_suffix(path.suffix), path, overwrite=overwrite)
    return Exported(targets, what, trained.facts, checks, about.get("licence"))


def describe_origin(trained: TrainedModel, licence: str | None) -> dict[str, str]:
    """Texts for the header of any format: `source`, `network`, and where they are known `licence` and `card`."""
    about = {"source": f"srae {__version__}", "network": trained.config.model.name}
    card = trained.path.with_suffix(".md")
    if card.is_file():
        about["card"] = card.read_text(encoding="utf-8")
        if stated := re.search(r"^\| licence \| (.+) \|$", about["card"], re.MULTILINE):
            about["licence"] = stated[1]
    return about | ({"licence": licence} if licence else {})


def refuse_existing(targets: list[Path]) -> None:
    for path in targets:
        if path.exists():
            raise ConfigError("the file exists", str(path), "name another with -o, or give --overwrite")


def refuse_different(checks: list[Check], precision: str, target: Path) -> None:
    for check in checks:
        if check.difference is not None and not check.difference <= MAX_LEVELS:  # NaN is refused too
            what = f"{check.reader} differs from torch by {check.difference:.2f} levels of 255; nothing was written"
            remedy = "use --precision float32" if precision == "float16" else "report it, with the model"
            raise CheckpointError(what, str(target), remedy)


def publish(made: Path, target: Path, *, overwrite: bool) -> None:
    try:
        with atomic_write(target, overwrite=overwrite) as file, open(made, "rb") as source:
            shutil.copyfileobj(source, file)
    except FileExistsError:
        refuse_existing([target])
