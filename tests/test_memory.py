"""A large image takes the memory of its pixels, not of their floats."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from one_process import run_python

_CHILD = """
import gc, sys
import torch
from srae.upscaling.enlarge import upscale_image
from srae.images.image import read_image, write_image
from toys import Same, as_network

def peak():
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))

class Forgetful(Same):
    receptive_radius = 4
    def forward(self, input):
        self.seen.clear()
        return super().forward(input)

torch.set_num_threads(1)
torch.nn.functional.conv2d(torch.zeros(1, 1, 9, 9), torch.zeros(1, 1, 3, 3))
for source, target, kind in zip(sys.argv[1::3], sys.argv[2::3], sys.argv[3::3]):
    gc.collect()
    open("/proc/self/clear_refs", "w").write("5")  # the peak starts again from what is held now
    start = peak()
    result, _ = upscale_image(read_image(source), [as_network(Forgetful(2), 3)], kind=kind)
    write_image(target, result, quality=50)
    del result
    print(peak() - start)
"""


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="measured as Linux does")
def test_memory_is_bounded_by_the_bytes_of_the_pixels(tmp_path: Path) -> None:
    side, unit, cases = 2000, 2000**2 / 2**20, {"RGB": "JPEG", "RGBA": "TIFF"}
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8))
    arguments = []
    for mode, kind in cases.items():
        image.convert(mode).resize((side, side), Image.Resampling.BILINEAR).save(tmp_path / f"{mode}.tif")
        arguments += [str(tmp_path / f"{mode}.tif"), str(tmp_path / f"b{mode}.{kind.lower()}"), kind]
    done = run_python(_CHILD, *arguments, PYTHONPATH=str(Path(__file__).parent))
    # Read twice, once by Pillow; four bytes a pixel at most; tiles at work differ by 70 MB from one start to the next.
    read, result, tiles = 2 * 4 * unit, 4 * 4 * unit, 140
    for mode, found in zip(cases, map(float, done.stdout.split()), strict=True):
        floats = len(mode) * 4 * 4 * unit
        assert floats > read + tiles  # or this test could not fail
        assert result * 0.7 < found < read + result + tiles


def test_the_peak_is_that_of_this_process_not_of_its_parent() -> None:
    """Linux hands the peak of getrusage on to what a process starts."""
    child = "import torch; from srae.device import memory_peaks as ask; print(ask(torch.device('cpu'))['rss_peak_mb'])"
    parent = f"import sys, subprocess; b'1' * (1 << 30); subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    assert 20 < float(run_python(parent).stdout) < 1000
