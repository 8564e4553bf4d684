"""Data sets as small archives, for a machine with a small upload limit, and back.

    python scripts/gpu_data.py pack data .gpu isr855 mnist      # -> .gpu/isr855-high_res.zip, -low_res.zip, mnist.zip
    python scripts/gpu_data.py unpack .gpu data

Images become lossless WebP, about half of their PNG, one archive per folder of that name; everything else is
compressed by LZMA.  Pixels are the same after the way back.
"""

from __future__ import annotations

import argparse
import io
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SIDES = ("low_res", "high_res")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("pack", "unpack"))
    parser.add_argument("source", type=Path)
    parser.add_argument("destination", type=Path)
    parser.add_argument("sets", nargs="*", help="pack: folders of `source`")
    args = parser.parse_args()
    if args.verb == "pack":
        args.destination.mkdir(parents=True, exist_ok=True)
        for name in args.sets:
            pack(args.source / name, args.destination)
    else:
        unpack_all(args.source, args.destination)


def pack(folder: Path, destination: Path) -> None:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    parts = {side: [path for path in files if side in path.parts] for side in SIDES}
    if any(parts.values()):
        for side, images in parts.items():
            with (
                zipfile.ZipFile(destination / f"{folder.name}-{side}.zip", "w") as archive,
                ThreadPoolExecutor() as pool,
            ):
                for path, data in zip(images, pool.map(_to_webp, images), strict=True):
                    archive.writestr(path.relative_to(folder).with_suffix(".webp").as_posix(), data)
        return
    with zipfile.ZipFile(destination / f"{folder.name}.zip", "w", zipfile.ZIP_LZMA) as archive:
        for path in files:
            archive.write(path, path.relative_to(folder).as_posix())


def _to_webp(path: Path) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGBA" if "A" in image.getbands() else "RGB").save(
            buffer, "WEBP", lossless=True, quality=100, method=6
        )
    return buffer.getvalue()


def unpack_all(source: Path, destination: Path) -> list[str]:
    """Every archive in `source`, each once however often this is called; returns the data sets that are complete."""
    for file in sorted(source.glob("*.zip")) if source.is_dir() else ():
        done = destination / f".{file.stem}"
        if not done.exists():
            name = next((file.stem.removesuffix(f"-{side}") for side in SIDES if file.stem.endswith(side)), file.stem)
            unpack(file, destination / name)
            done.touch()
    return [path.name for path in sorted(destination.iterdir()) if path.is_dir()] if destination.is_dir() else []


def unpack(file: Path, folder: Path) -> None:
    with zipfile.ZipFile(file) as archive, ThreadPoolExecutor() as pool:
        for member in archive.namelist():
            target = folder / member
            target.parent.mkdir(parents=True, exist_ok=True)
            if not member.endswith(".webp"):
                with archive.open(member) as packed, open(target, "wb") as plain:
                    shutil.copyfileobj(packed, plain)
        images = [(member, archive.read(member)) for member in archive.namelist() if member.endswith(".webp")]
        list(pool.map(lambda image: _to_png(image[1], (folder / image[0]).with_suffix(".png")), images))


def _to_png(data: bytes, path: Path) -> None:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        image.convert("RGBA").save(path, compress_level=1)  # as data set P comes


if __name__ == "__main__":
    main()
