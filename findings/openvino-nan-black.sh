#!/usr/bin/env bash
# OpenVINO on CPU: Relu, Clip and Max turn NaN into 0; LeakyRelu, Tanh and Sigmoid keep it.
# Guess: NaN runs through a network to its output, as in onnxruntime, where one sees it. Happens: the CPU
#   plugin takes max(x, 0) in the way that yields 0 for NaN, so the network answers a plausible black.
# Matters: a broken weight or input (0/0 in a normalisation) shows as dark areas rather than as NaN, and a
#   check for finite outputs passes. (Checked on x86-64; elsewhere the script says so and skips.)
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'openvino==2026.4.1' 'onnx==1.23.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import platform

if platform.machine().lower() not in ("x86_64", "amd64"):
    print("skipped: told of x86-64 processors, this is", platform.machine())
    sys.exit(0)

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper

print("OpenVINO", openvino.__version__, "onnxruntime", onnxruntime.__version__)
values = np.array([np.nan, 2, -1, 0.5], np.float32)
limits = [helper.make_tensor("low", TensorProto.FLOAT, [], [0.0]), helper.make_tensor("high", TensorProto.FLOAT, [], [1.0])]
wanted = {"Relu": True, "Clip": True, "Max": True, "LeakyRelu": False, "Tanh": False, "Sigmoid": False}
for kind, lost in wanted.items():
    inputs = ["x"] + {"Clip": ["low", "high"], "Max": ["low"]}.get(kind, [])
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, ["y"])], "one", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])], [t for t in limits if t.name in inputs])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    onnx.checker.check_model(model)
    stream = model.SerializeToString()
    reference = onnxruntime.InferenceSession(stream, providers=["CPUExecutionProvider"]).run(None, {"x": values})[0]
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(stream), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    got = next(iter(compiled(values).values()))
    print(f"{kind:9} of {values.tolist()}: OpenVINO {got.round(4).tolist()}, onnxruntime {reference.round(4).tolist()}")
    check("onnxruntime keeps NaN", bool(np.isnan(reference[0])))
    check("OpenVINO makes it 0" if lost else "OpenVINO keeps it", got[0] == 0 if lost else bool(np.isnan(got[0])))

sys.exit(1 if failed else 0)
PY
