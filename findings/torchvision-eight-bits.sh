#!/usr/bin/env bash
# torchvision: float to 8 bits has three meanings, and grey of white is 254.
# Guess: to_dtype(uint8, scale=True), to_pil_image and save_image all round x * 255. Happens: save_image rounds;
#   to_pil_image cuts off (half a level darker, four times the error); to_dtype takes x * 255.999 and cuts off:
#   dark areas come out half a level darker, bright ones half a level brighter, twice the error. And
#   rgb_to_grayscale of 8 bits weighs by a sum of 0.9999 and cuts off: white becomes 254.
# Matters: the PSNR of saved results depends on which of them wrote the file: at best 58.9, 55.9 or 52.9 dB.
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
from torchvision.transforms.v2 import functional as F

print("torch", torch.__version__, "torchvision", torchvision.__version__)
picture = torch.rand(1, 512, 512, generator=torch.Generator().manual_seed(0))
exact = picture[0].double().numpy() * 255
torchvision.utils.save_image(picture, "a.png")
mse = {}
for name, got in (
    ("save_image", np.asarray(Image.open("a.png"))[..., 0]),
    ("to_dtype", F.to_dtype(picture, torch.uint8, scale=True)[0].numpy()),
    ("to_pil_image", np.asarray(F.to_pil_image(picture))),
):
    off = got - exact
    mse[name] = float((off**2).mean())
    print(f"{name:12}: mean error {off.mean():+.3f} levels, where dark {off[exact < 25].mean():+.3f}, where bright "
          f"{off[exact > 230].mean():+.3f}; PSNR {10 * np.log10(255**2 / mse[name]):.2f} dB")
check("save_image rounds: squared error 1/12", abs(mse["save_image"] - 1 / 12) < 0.004)
check("to_dtype: twice that", abs(mse["to_dtype"] - 2 / 12) < 0.004)
check("to_pil_image: four times that", abs(mse["to_pil_image"] - 4 / 12) < 0.004)
white = F.rgb_to_grayscale(torch.full((3, 2, 2), 255, dtype=torch.uint8))
print("grey of white (255, 255, 255):", int(white.max()), "- by Pillow:", Image.new("RGB", (1, 1), "white").convert("L").getpixel((0, 0)))
check("grey of white is 254", int(white.max()) == 254)

sys.exit(1 if failed else 0)
PY
