#!/usr/bin/env bash
# onnxruntime: its errors are neither RuntimeError nor ValueError nor OSError, and no name of them is public.
# Guess: a refused call raises RuntimeError or ValueError, a missing file FileNotFoundError, as in torch and
#   OpenVINO, and there is a class to catch. Happens: InvalidArgument, InvalidProtobuf, NoSuchFile, Fail,
#   NotImplemented and even RuntimeException are direct children of Exception, and live in
#   onnxruntime.capi.onnxruntime_pybind11_state alone. Only a missing input is a ValueError.
# Matters: `except (RuntimeError, ValueError, OSError)` around a session, as one writes it from memory, catches
#   nothing of what the runtime itself refuses.
set -eu
export OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'onnxruntime==1.32.0' 'onnx==1.23.2' 'numpy==2.4.6'
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

failed = []


def check(what, holds):
    print(("as told: " if holds else "NO LONGER: ") + what)
    if not holds:
        failed.append(what)


from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

print("onnxruntime", onnxruntime.__version__)


def session(kind, operator="Relu"):
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"])], "one", [helper.make_tensor_value_info("x", kind, [1, 3])],
        [helper.make_tensor_value_info("y", kind, [1, 3])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    onnx.checker.check_model(model)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


relu = session(TensorProto.FLOAT)
Path("text.onnx").write_text("not a network")
three = np.zeros((1, 3), np.float32)
cases = {
    "two rows for one": (lambda: relu.run(None, {"x": np.zeros((2, 3), np.float32)}), "InvalidArgument"),
    "float64 for float32": (lambda: relu.run(None, {"x": np.zeros((1, 3))}), "InvalidArgument"),
    "no such output": (lambda: relu.run(["z"], {"x": three}), "InvalidArgument"),
    "no such file": (lambda: onnxruntime.InferenceSession("none.onnx"), "NoSuchFile"),
    "a file of text": (lambda: onnxruntime.InferenceSession("text.onnx"), "InvalidProtobuf"),
    "Relu of bfloat16": (lambda: session(TensorProto.BFLOAT16), "NotImplemented"),
    "no input x": (lambda: relu.run(None, {}), "ValueError"),
}
for what, (call, name) in cases.items():
    try:
        call()
        kind = None
    except Exception as error:
        kind = type(error)
    print(f"{what}: {kind and ' < '.join(c.__name__ for c in kind.__mro__[:-2])}")
    known = kind is not None and issubclass(kind, (RuntimeError, ValueError, TypeError, OSError, MemoryError))
    standard = name == "ValueError"
    check(f"it is {name}, {'a' if standard else 'no'} standard error", getattr(kind, "__name__", "") == name and known == standard)
from onnxruntime.capi import onnxruntime_pybind11_state as state

names = [name for name, value in vars(state).items() if isinstance(value, type) and issubclass(value, Exception)]
print("exceptions of the binding:", ", ".join(sorted(names)), "| of them in onnxruntime:", [n for n in names if hasattr(onnxruntime, n)])
check("RuntimeException is no RuntimeError", not issubclass(state.RuntimeException, RuntimeError))
check("none of them is in the package's own names", not any(hasattr(onnxruntime, name) for name in names))

sys.exit(1 if failed else 0)
PY
