"""Write and read checkpoints, safely; `load_model` gives a trained network back.

One format, safetensors, for weights and optimizer state alike: tensors and
plain text, nothing that can run.  The file carries a SHA-256 over all its bytes
(with the digest's own place blanked), because neither torch nor safetensors
notices a flipped bit in a weight.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from srae.config import Config
from srae.errors import CheckpointError, ConfigError
from srae.files import atomic_write
from srae.models import build_model

FORMAT = 1
_BLANK = "0" * 64
_DTYPES = {
    torch.float32: "F32",
    torch.float64: "F64",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
MAX_HEADER = 2**20
"""Of the thousands of tensors there could be; in JSON a hostile header takes up to thirty times its bytes."""


@dataclass(frozen=True)
class Loaded:
    """A trained network and what it needs to be used rightly."""

    model: nn.Module
    config: Config
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    data_name: str
    path: Path
    meta: dict[str, Any]


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any], previous: Path | None) -> None:
    """Replace `path` in one step; the file that was there becomes `previous`.

    Args:
        tensors: name -> tensor, any device.
        meta: plain types only; must hold what reading needs.

    Raises:
        ResourceError: disk full or not writable; the old file is untouched.
    """
    with atomic_write(path) as file:
        _write(file, tensors, {**meta, "format": FORMAT})
        file.flush()
        os.fsync(file.fileno())  # the old file moves only when the new one is on the disk
        if previous is not None and path.exists():
            os.replace(path, previous)


def _write(file: BinaryIO, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    entries: dict[str, Any] = {"__metadata__": {"sha256": _BLANK, "srae": json.dumps(meta)}}
    offset = 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        entries[name] = {
            "dtype": _DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    if len(header) > MAX_HEADER:
        raise CheckpointError(f"{len(tensors)} tensors are too many", None, "use a network of fewer layers")
    digest = hashlib.sha256()
    for block in (len(header).to_bytes(8, "little"), header):
        file.write(block)
        digest.update(block)
    for tensor in tensors.values():
        raw = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
        file.write(raw)
        digest.update(raw)
    file.seek(8 + header.index(_BLANK.encode()))
    file.write(digest.hexdigest().encode())


def read_meta(path: Path) -> dict[str, Any]:
    """Check every byte of a checkpoint and return its meta data.

    Raises:
        CheckpointError: not a checkpoint of srae, damaged, or of a newer format.
    """
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(MAX_HEADER, os.path.getsize(path)):
                raise CheckpointError("not a checkpoint of srae", str(path), "srae reads its own .safetensors files")
            header = file.read(length)
            try:
                text = json.loads(header)["__metadata__"]
                meta, stored = json.loads(text["srae"]), text["sha256"]
                if not (isinstance(meta, dict) and isinstance(stored, str)):
                    raise TypeError
            except (ValueError, KeyError, TypeError, RecursionError):
                raise CheckpointError(
                    "not a checkpoint of srae, or damaged", str(path), "srae reads its own .safetensors files"
                ) from None
            digest = hashlib.sha256(length.to_bytes(8, "little"))
            digest.update(header.replace(stored.encode(errors="replace"), _BLANK.encode(), 1))
            while block := file.read(2**22):
                digest.update(block)
    except OSError as error:
        raise CheckpointError(f"cannot read: {error.strerror}", str(path), "name a run folder or its file") from None
    if digest.hexdigest() != stored:
        raise CheckpointError("damaged: its SHA-256 does not match", str(path), "use another copy, or train again")
    if meta.get("format") != FORMAT:
        raise CheckpointError(f"format {meta.get('format')} is not known", str(path), "use a newer srae")
    return dict(meta)


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors (on the CPU) and meta data; see `read_meta` for errors."""
    meta = read_meta(path)
    try:
        return load_file(path), meta
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"damaged: {error}", str(path), "use another copy, or train again") from None


def load_model(source: str | Path) -> Loaded:
    """The best weights of a run folder, or a checkpoint file; the model is on the CPU, in eval mode.

    Raises:
        CheckpointError: no such file, damaged, or its weights do not fit its config.
    """
    path = find_weights(Path(source))
    tensors, meta = read_checkpoint(path)
    weights = _of_model(tensors)
    try:
        config, data_name = Config.model_validate(meta["config"]), str(meta["data"]["name"])
        in_shape, out_shape = tuple(meta["in_shape"]), tuple(meta["out_shape"])
        build = partial(build_model, config.model.name, in_shape, out_shape, config.model.options)
        with torch.device("meta"), _Bounded(1000 + 100 * len(weights)):  # nothing is allocated for what does not fit
            _check_fit(build(), weights, path)
        model = build()
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError, ConfigError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"config not understood: {reason}", str(path), "use the srae that wrote it") from None
    load_weights(model, weights, path)
    return Loaded(model.eval(), config, in_shape, out_shape, data_name, path, meta)


class _Bounded(TorchFunctionMode):
    """Ends the building of a network that has far more layers than there are weights."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self._left = calls

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ValueError("more layers than weights")
        return func(*args, **(kwargs or {}))


def find_weights(path: Path) -> Path:
    """The file with the best weights of a run folder; a file is returned as it is.

    Raises:
        CheckpointError: the run has none yet.
    """
    if not path.is_dir():
        return path
    files = [path / "model.safetensors", path / "checkpoints" / "best.safetensors"]
    if not (path / "DONE").exists():  # it goes on after its end, with more epochs: the first is from before
        files.reverse()
    for file in files:
        if file.is_file():
            return file
    raise CheckpointError("this run has no weights yet", str(path), "wait for its first epoch, or resume it")


def start_from(model: nn.Module, path: Path) -> str:
    """Copy the weights that have the same name and shape here; returns what was taken, in words.

    Raises:
        CheckpointError: damaged, or no weight fits.
    """
    own, weights = model.state_dict(), _of_model(read_checkpoint(path)[0])
    fitting = {name: t for name, t in weights.items() if name in own and own[name].shape == t.shape}
    if not fitting:
        raise CheckpointError("none of its weights fits this network", str(path), "start from a model of this kind")
    model.load_state_dict(fitting, strict=False)
    new = sorted(own.keys() - fitting.keys())
    left = f"; new here: {', '.join(new[:4])}{' ...' if len(new) > 4 else ''}" if new else ""
    return f"starts from {path}: {len(fitting)} of {len(own)} tensors{left}"


def _of_model(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Copy weights into a model; every one must be there and fit.

    Raises:
        CheckpointError: names the first missing, unknown or ill-shaped tensors.
    """
    _check_fit(model, weights, path)
    model.load_state_dict(dict(weights))


def _check_fit(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    own = model.state_dict()
    wrong = [f"{name} is missing" for name in own.keys() - weights.keys()]
    wrong += [f"{name} is not in this network" for name in weights.keys() - own.keys()]
    wrong += [
        f"{name} is {tuple(weights[name].shape)}, not {tuple(own[name].shape)}"
        for name in own.keys() & weights.keys()
        if own[name].shape != weights[name].shape
    ]
    if wrong:
        raise CheckpointError(
            "made by another network: " + "; ".join(sorted(wrong)[:3]), str(path), "use the config it was trained with"
        )
