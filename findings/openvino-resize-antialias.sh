#!/usr/bin/env bash
# OpenVINO: ONNX Resize with antialias=1 shrinks without antialiasing, and exclude_outside is ignored too.
# Guess: what the plugin cannot compute it refuses, as it does with half_pixel_symmetric. Happens: the attribute
#   antialias is read, kept in the graph and has no effect on modes linear and cubic; exclude_outside is dropped.
#   onnxruntime and the reference evaluator of onnx honour both and agree.
# Matters: a network that makes its own half-size image answers with aliasing, tens of levels off at edges and
#   textures and right on smooth areas, so a test on a smooth image passes.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'openvino==2026.4.1' 'onnxruntime==1.32.0' 'onnx==1.23.2' 'numpy==2.4.6'
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

print("OpenVINO", openvino.__version__, "onnxruntime", onnxruntime.__version__)


def answers(image, side, **attributes):
    """Resize by OpenVINO, onnxruntime and the reference of onnx, in levels."""
    sizes = numpy_helper.from_array(np.array([1, 1, side, side], np.int64), "sizes")
    graph = helper.make_graph(
        [helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], **attributes)], "resize",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, image.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, side, side])], [sizes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    onnx.checker.check_model(model)
    stream = model.SerializeToString()
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(stream), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    session = onnxruntime.InferenceSession(stream, providers=["CPUExecutionProvider"])
    return compiled(image)[0], session.run(None, {"x": image})[0], ReferenceEvaluator(model).run(None, {"x": image})[0]


def most(a, b):
    return float(np.abs(a - b).max())


texture = 255 * np.random.default_rng(0).random((1, 1, 32, 32), np.float32)
smooth = np.broadcast_to(np.arange(32, dtype=np.float32) * 8, (1, 1, 32, 32)).copy()
for mode in ("linear", "cubic"):
    plain = answers(texture, 8, mode=mode, antialias=0)
    got, session, reference = answers(texture, 8, mode=mode, antialias=1)
    moved = most(got, plain[0]), most(session, plain[1])
    print(f"{mode}: antialias moves OpenVINO by {moved[0]:.1f} levels, onnxruntime by {moved[1]:.1f}; they differ by {most(got, session):.1f}")
    check(f"{mode}: antialias changes nothing in OpenVINO", moved[0] < 0.01)
    check(f"{mode}: onnxruntime honours it, as the reference does", most(session, reference) < 0.01 and moved[1] > 50)
    ramp = answers(smooth, 8, mode=mode, antialias=1)
    inner = (Ellipsis, slice(2, -2))
    print(f"{mode}: inside a smooth ramp they differ by {most(ramp[0][inner], ramp[1][inner]):.4f}")
    check(f"{mode}: a smooth ramp does not show it", most(ramp[0][inner], ramp[1][inner]) < 0.01)
got, session, reference = answers(texture, 64, mode="cubic", exclude_outside=1)
without = answers(texture, 64, mode="cubic", exclude_outside=0)[0]
print(f"cubic, exclude_outside=1: OpenVINO moves by {most(got, without):.1f}, off onnxruntime by {most(got, session):.1f}")
check("exclude_outside is ignored", most(got, without) < 0.01 and most(got, session) > 5 and most(session, reference) < 0.01)

sys.exit(1 if failed else 0)
PY
