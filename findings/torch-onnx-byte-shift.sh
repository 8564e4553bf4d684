#!/usr/bin/env bash
# torch.onnx: shifting a byte tensor makes it signed: 127 << 1 is 254 in torch and -2 in the exported file.
# Guess: uint8 stays uint8, as for &, // and * of the same tensor. Happens: the exporter shifts as uint8 and
#   then casts to int8, for << and >> alike; what follows, a cast to float for instance, takes levels from 128 on
#   as negative. No warning, and values below 128 are right.
# Matters: a graph that unpacks 10-bit or 12-bit pixels or bit planes from bytes is right in the shadows and wrong
#   in the lights.
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
import warnings

import numpy as np
import onnxruntime
import torch

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
print("torch", torch.__version__, "onnxruntime", onnxruntime.__version__)


class Apply(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


levels = torch.arange(256, dtype=torch.uint8).reshape(1, 256)
some = [0, 3, 63, 64, 127, 128, 200, 255]
operations = {
    "x << 1": (lambda x: x << 1, True), "x >> 0": (lambda x: x >> 0, True), "(x << 1).float()": (lambda x: (x << 1).float(), True),
    "x & 254": (lambda x: x & 254, False), "x // 2": (lambda x: x // 2, False), "x * 2": (lambda x: x * 2, False)}
for name, (function, wrong) in operations.items():
    module = Apply(function).eval()
    file = torch.onnx.export(module, (levels,), dynamo=True, verbose=False).model_proto
    session = onnxruntime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])
    got = session.run(None, {session.get_inputs()[0].name: levels.numpy()})[0]
    wanted = module(levels).numpy()
    off = got.astype(int) != wanted.astype(int)
    print(f"{name} of {some}: {off.sum()} of 256 differ")
    print(f"    torch {wanted.dtype} {wanted[0, some].tolist()}, exported {got.dtype} {got[0, some].tolist()}")
    if wrong:
        negative = wanted.astype(int) >= 128
        less = np.array_equal(got.astype(int), np.where(negative, wanted.astype(int) - 256, wanted))
        check("exactly what is 128 or more comes out 256 less", np.array_equal(off, negative) and less)
    else:
        check("exported as it is", not off.any() and got.dtype == wanted.dtype)

sys.exit(1 if failed else 0)
PY
