"""An optional copy of what a run measures as TensorBoard events, in the run folder: ``tensorboard --logdir runs``.

metrics.csv stays the record: whenever a run begins or goes on, its rows are written again into a new file, and of the
files before it only the images are taken over, up to the epoch that is resumed.  So no point is there twice or missing,
after whatever ended the run.  (A purge by the session log, as torch's `SummaryWriter(purge_step=...)` asks for, is
not done by each of TensorBoard's two readers.)

Import it only where TensorBoard is installed, which is an extra.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.text.metadata import create_summary_metadata
from tensorboard.summary.writer.record_writer import RecordWriter

from srae.files import resource_error

PATTERN = "events.out.tfevents.*"
"""TensorBoard reads each file whose name has the word in the middle, in the order of their names."""
_GROUPS = ("train", "val")

Rows = Iterable[Mapping[str, Any]]


class EventLog:
    """The event file of one run; `close` it.

    Args:
        folder: the run's.
        config: its resolved YAML.
        rows: of metrics.csv so far.

    Raises:
        ResourceError: disk full or not writable.
    """

    def __init__(self, folder: Path, config: str, rows: Rows) -> None:
        before, rows = sorted(folder.glob(PATTERN)), list(rows)
        step = max((int(row["step"] or 0) for row in rows), default=0)
        kept = {(event.step, value.tag): event for event, value in _images(before) if event.step <= step}
        number = 1 + max((int(file.suffix[1:]) for file in before if file.suffix[1:].isdecimal()), default=0)
        self._path = folder / PATTERN.replace("*", f"{number:04d}")
        try:
            self._file = open(self._path, "xb")  # noqa: SIM115  kept open until `close`
        except OSError as error:
            raise resource_error(error, self._path) from None
        self._records = RecordWriter(self._file)
        now, end = time.time(), max((row["wall_seconds"] or 0.0 for row in rows), default=0.0)
        self._write(_version(now))
        self._write(_text("config", f"```yaml\n{config}```", now))
        for row in rows:
            self._write(_scalars(row, now - end + (row["wall_seconds"] or 0.0)))
        for event in kept.values():
            self._write(event)
        self._flush()
        for file in before:  # only now: a start that is killed before loses nothing
            with suppress(OSError):
                file.unlink()

    def add(self, row: Mapping[str, Any], strips: Mapping[str, np.ndarray]) -> None:
        """One epoch: its row of metrics.csv, and images by name, uint8 (H, W, 1 or 3)."""
        now = time.time()
        self._write(_scalars(row, now))
        for name, pixels in strips.items():
            self._write(_image(f"val/{name}", pixels, int(row["step"]), now))
        self._flush()

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()

    def _write(self, event: Event) -> None:
        try:
            self._records.write(event.SerializeToString())
        except OSError as error:
            raise resource_error(error, self._path) from None

    def _flush(self) -> None:
        """A kill loses nothing that was added; a power failure may."""
        try:
            self._records.flush()
        except OSError as error:
            raise resource_error(error, self._path) from None


def tag_of(column: str) -> str:
    """``val/psnr`` of `val_psnr`; what is of no split stands under `run`."""
    group, _, name = column.partition("_")
    if column == "identity_mse":
        return "val/baseline_mse"
    return f"{group}/{name}" if group in _GROUPS else f"run/{column}"


def _scalars(row: Mapping[str, Any], seconds: float) -> Event:
    values = [
        Summary.Value(tag=tag_of(column), simple_value=value)
        for column, value in row.items()
        if value is not None and column != "step"
    ]
    return Event(wall_time=seconds, step=int(row["step"]), summary=Summary(value=values))


def _image(tag: str, pixels: np.ndarray, step: int, seconds: float) -> Event:
    height, width, channels = pixels.shape
    encoded = BytesIO()
    Image.fromarray(pixels if channels == 3 else pixels[..., 0]).save(encoded, "PNG")
    image = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=encoded.getvalue())
    return Event(wall_time=seconds, step=step, summary=Summary(value=[Summary.Value(tag=tag, image=image)]))


def _text(tag: str, text: str, seconds: float) -> Event:
    tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode()])
    value = Summary.Value(tag=tag, tensor=tensor, metadata=create_summary_metadata(display_name=tag, description=""))
    return Event(wall_time=seconds, step=0, summary=Summary(value=[value]))


def _version(seconds: float) -> Event:
    """The first record of each file."""
    return Event(wall_time=seconds, file_version="brain.Event:2")


def _images(files: Iterable[Path]) -> Iterator[tuple[Event, Summary.Value]]:
    """Every event with an image, and the image; what follows a torn record is left out."""
    for file in files:
        for event in LegacyEventFileLoader(str(file)).Load():
            for value in event.summary.value:
                if value.HasField("image"):
                    yield event, value
