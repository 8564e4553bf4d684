#!/usr/bin/env bash
# onnxruntime: Resize of 8-bit images cuts off what it should round: half a level darker; with antialias brighter.
# Guess: a byte is the rounded value of the same Resize in float32. Happens: mode linear takes the floor, so
#   the mean falls by 0.38 to 0.5 of a level; with antialias=1 bytes come out 0.14 to 0.25 brighter
#   (at twice the size: two passes, each rounding halves up). OpenVINO rounds. (Mode cubic without antialias refuses bytes.)
# Matters: a resize put into the graph to feed bytes shifts the brightness of every image, and to the
#   other side with antialias.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'onnxruntime==1.32.0' 'openvino==2026.4.1' 'onnx==1.23.2' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

print("onnxruntime", onnxruntime.__version__, "OpenVINO", openvino.__version__)
image = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 64), dtype=np.uint8)


def model(kind, side, antialias):
    sizes = numpy_helper.from_array(np.array([1, 3, side, side], np.int64), "sizes")
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="linear", antialias=antialias)
    graph = helper.make_graph(
        [node], "resize", [helper.make_tensor_value_info("x", kind, image.shape)],
        [helper.make_tensor_value_info("y", kind, [1, 3, side, side])], [sizes])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def by_onnxruntime(kind, side, antialias, x):
    session = onnxruntime.InferenceSession(model(kind, side, antialias), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0].astype(float)


def by_openvino(side, x):
    core = openvino.Core()
    return core.compile_model(core.read_model(model(TensorProto.UINT8, side, 0)), "CPU")(x)[0].astype(float)


for side in (32, 48, 96, 128):
    for antialias in (0, 1):
        real = by_onnxruntime(TensorProto.FLOAT, side, antialias, image.astype(np.float32))
        got = by_onnxruntime(TensorProto.UINT8, side, antialias, image)
        shift = (got - real).mean()
        floors = (got == np.floor(real)).mean()
        print(f"64 to {side:3}, antialias {antialias}: bytes less float32 {shift:+.3f} levels on average, {floors:.0%} are the floor")
        if antialias:
            check("with antialias the bytes are brighter", 0.1 < shift < 0.3)
        else:
            check("without antialias every byte is the floor", np.array_equal(got, np.floor(real)) and shift < -0.3)
            rounded = by_openvino(side, image) - real
            print(f"    OpenVINO: {rounded.mean():+.3f} on average, at most {np.abs(rounded).max():.2f}")
            check("OpenVINO rounds", np.abs(rounded).max() < 0.51)

sys.exit(1 if failed else 0)
PY
