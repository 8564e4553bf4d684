"""The checkpoint file: write, verify, read.

One format, safetensors, for weights and optimizer state alike: tensors and
plain text, no executable code.  The file carries a SHA-256 over all its bytes
(with the digest's own place blanked), because neither torch nor safetensors
notices a flipped bit in a weight.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from srae.errors import CheckpointError
from srae.files import atomic_write, replace_file, sync_file

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
"""Bytes; enough for thousands of tensors.  Parsing JSON can take thirty times its size, so the limit is low."""


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any], previous: Path | None) -> None:
    """Replace `path` in one step; the file that was there becomes `previous`.

    Args:
        tensors: name -> tensor, any device.
        meta: JSON types; what reading needs.

    Raises:
        ResourceError: disk full or not writable; the old file is untouched.
    """
    with atomic_write(path) as file:
        _write(file, tensors, {**meta, "format": FORMAT})
        file.flush()
        sync_file(file.fileno(), path)  # the old file is moved only when the new one is on disk
        if previous is not None and path.exists():
            replace_file(path, previous)


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
