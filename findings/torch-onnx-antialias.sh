#!/usr/bin/env bash
# torch.onnx: interpolate(scale_factor=..., antialias=True) is exported with the size only, so on another grid.
# Guess: the exported file computes what the module does, within float rounding, as it does without antialias.
#   Happens: with antialias the exporter writes the output size and forgets the factor; where side times factor
#   is not whole (15 * 0.5 = 7.5), onnxruntime takes 7/15 for 0.5 and every pixel moves. No warning.
# Matters: a model that makes or takes a half-size picture is right in torch and off by tens of levels in ONNX,
#   for odd sides only.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'torch==2.14.1' 'onnx==1.23.2' 'onnxscript==0.7.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import logging

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F

logging.disable(logging.CRITICAL)
print("torch", torch.__version__, "onnxruntime", onnxruntime.__version__)


class Half(torch.nn.Module):
    def __init__(self, antialias):
        super().__init__()
        self.antialias = antialias

    def forward(self, x):
        return F.interpolate(x, scale_factor=0.5, mode="bicubic", antialias=self.antialias)


off = {}
for side in (15, 16):
    picture = torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(0))
    for antialias in (False, True):
        model = Half(antialias).eval()
        file = torch.onnx.export(model, (picture,), dynamo=True, verbose=False).model_proto
        resize = next(node for node in file.graph.node if node.op_type == "Resize")
        session = onnxruntime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])
        got = session.run(None, {session.get_inputs()[0].name: picture.numpy()})[0]
        off[side, antialias] = float(np.abs(got - model(picture).numpy()).max() * 255)
        form = "sizes" if len(resize.input) > 3 and resize.input[3] else "scales"
        print(f"side {side}, antialias {antialias!s:5}: Resize by {form}; most {off[side, antialias]:.4f} of 255 levels off torch")
check("side 16: the same", off[16, True] < 0.01 and off[16, False] < 0.01)
check("side 15 without antialias: the same", off[15, False] < 0.01)
check("side 15 with antialias: off by 20 levels or more", off[15, True] > 20)

sys.exit(1 if failed else 0)
PY
