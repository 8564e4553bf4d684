#!/usr/bin/env bash
# onnx: the reference evaluator leaves the corners with align_corners, where a factor gives no whole size.
# Guess: the reference of the standard is the truth to test an exporter and a runtime by. Happens: for Resize with
#   scales it takes side times factor, 9 * 0.5 = 4.5, for the size of the output, which has 4 pixels; so the last
#   pixel is not the last of the input, and all are off. onnxruntime and OpenVINO hit the corners and agree. With
#   sizes instead of scales the reference is right as well.
# Matters: a right export fails its check against the reference by tens of levels, for odd sides only.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'onnx==1.23.2' 'onnxruntime==1.32.0' 'openvino==2026.4.1' 'numpy==2.4.6'
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
from onnx.reference import ReferenceEvaluator

print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__, "OpenVINO", openvino.__version__)


def answers(image, side, mode, by_scales):
    """Resize to `side` by the three, in levels, from the factor 0.5 or the size itself."""
    how = np.array([1, 1, 0.5, 0.5], np.float32) if by_scales else np.array([1, 1, side, side], np.int64)
    names = ["x", "", "how"] if by_scales else ["x", "", "", "how"]
    node = helper.make_node("Resize", names, ["y"], mode=mode, coordinate_transformation_mode="align_corners")
    graph = helper.make_graph(
        [node], "resize", [helper.make_tensor_value_info("x", TensorProto.FLOAT, image.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, side, side])], [numpy_helper.from_array(how, "how")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    onnx.checker.check_model(model)
    stream = model.SerializeToString()
    session = onnxruntime.InferenceSession(stream, providers=["CPUExecutionProvider"])
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(stream), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return ReferenceEvaluator(model).run(None, {"x": image})[0], session.run(None, {"x": image})[0], compiled(image)[0]


for size in (8, 9):
    image = 255 * np.random.default_rng(0).random((1, 1, size, size), np.float32)
    for mode in ("linear", "cubic"):
        for by_scales in (True, False):
            reference, session, compiled = answers(image, 4, mode, by_scales)
            off = float(np.abs(reference - session).max())
            corners = [round(float(a[0, 0, -1, -1]), 2) for a in (image, reference, session, compiled)]
            print(f"{size} to 4, {mode}, by {'scales' if by_scales else 'sizes'}: reference off onnxruntime by {off:.2f} levels")
            print("    last corner of input, reference, onnxruntime, OpenVINO:", *corners)
            hit = abs(corners[2] - corners[0]) < 0.01 and np.abs(session - compiled).max() < 0.01
            check("onnxruntime and OpenVINO agree and hit the corner", hit)
            if size == 8 or not by_scales:
                check("the reference agrees", off < 0.01)
            else:
                check("the reference misses the corner", off > 20 and abs(corners[1] - corners[0]) > 1)

sys.exit(1 if failed else 0)
PY
