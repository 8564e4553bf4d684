#!/usr/bin/env bash
# torch.onnx: of a module in train() mode BatchNorm is exported as in eval(), Dropout as in train(): neither mode.
# Guess: the exporter keeps the mode that the module is in, all layers alike, as torch.export does, or the warning
#   about training mode says what one gets. Happens: BatchNorm takes the stored mean and variance, Dropout draws
#   anew at every run, and InstanceNorm with tracked statistics takes those of the image.
# Matters: a network without Dropout exported before .eval() tests as right, so the call is not missed; with
#   Dropout, or InstanceNorm that tracks, the same script writes a network that is random or another one.
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
from torch import nn

logging.disable(logging.CRITICAL)
print("torch", torch.__version__, "onnxruntime", onnxruntime.__version__)
image = 1 + 3 * torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def most(a, b):
    return float(np.abs(a - b).max())


@torch.no_grad()
def compare(layer):
    """Two runs of the file that `layer` is exported to in train() mode, and the layer in both modes."""
    layer.train()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = torch.onnx.export(layer, (image,), dynamo=True, verbose=False).model_proto
    session = onnxruntime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])
    runs = [session.run(None, {session.get_inputs()[0].name: image.numpy()})[0] for _ in range(2)]
    evaluated = layer.eval()(image).numpy()  # first: training moves the stored statistics
    return runs, evaluated, layer.train()(image).numpy()


layers = {
    "BatchNorm2d": nn.BatchNorm2d(3), "Dropout": nn.Dropout(0.5), "InstanceNorm2d": nn.InstanceNorm2d(3, track_running_stats=True)}
kinds = {}
for name, layer in layers.items():
    (first, second), evaluated, trained = compare(layer)
    off = most(first, evaluated), most(first, trained)
    kinds[name] = "random" if most(first, second) > 0.01 else "eval" if off[0] < 1e-4 else "train" if off[1] < 1e-4 else "other"
    print(f"{name}: off eval() by {off[0]:.3f}, off train() by {off[1]:.3f}; two runs differ by {most(first, second):.3f}: {kinds[name]}")
check("BatchNorm is as in eval()", kinds["BatchNorm2d"] == "eval")
check("Dropout draws anew at every run", kinds["Dropout"] == "random")
check("InstanceNorm is as in train()", kinds["InstanceNorm2d"] == "train")

sys.exit(1 if failed else 0)
PY
