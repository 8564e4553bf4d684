#!/usr/bin/env bash
# torchvision: ToTensor makes the bright half of a 16-bit grey PNG negative; white is -1.
# Guess: ToTensor divides by the largest value, so 0..65535 becomes 0..1 as 0..255 does; or it raises. Happens:
#   the samples are taken as signed 16-bit integers and not scaled: 32768 is -32768, white is -1. The v2 way,
#   to_image and to_dtype(float32, scale=True), is right.
# Matters: depth maps, scans and 16-bit photos in training: the loss is finite, the pictures are nonsense.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.14.1' 'torchvision==0.29.1' 'pillow==13.0.0' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import numpy as np
import torch
import torchvision
from PIL import Image
from torchvision.transforms import ToTensor
from torchvision.transforms.v2 import functional as F

print("torch", torch.__version__, "torchvision", torchvision.__version__)
Image.fromarray(np.array([[0, 1000, 32767, 32768, 65535]], np.uint16)).save("a.png")
image = Image.open("a.png")
old = ToTensor()(image)
new = F.to_dtype(F.to_image(image), torch.float32, scale=True)
print("stored             :", np.asarray(image)[0].tolist(), "mode", image.mode)
print("ToTensor           :", old[0, 0].tolist(), old.dtype)
print("to_image, to_dtype :", new[0, 0].tolist(), new.dtype)
check("ToTensor gives signed integers, unscaled", old.dtype == torch.int16 and old[0, 0].tolist() == [0, 1000, 32767, -32768, -1])
check("the v2 functions give 0..1", new[0, 0, -1] == 1 and abs(new[0, 0, 3].item() - 32768 / 65535) < 1e-6)

sys.exit(1 if failed else 0)
PY
