"""Parameters and multiply-adds of an ONNX graph, counted as those of a module are."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

_WITH_WEIGHTS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "PRelu", "BatchNormalization", "InstanceNormalization",
                 "LayerNormalization", "GroupNormalization", "Add", "Mul")  # fmt: skip
"""Operators whose constant inputs are learned; those of Resize, Reshape or Clip are not."""


def count_graph(path: Path, shape: tuple[int, int, int]) -> tuple[int, int | None]:
    """Parameters, and multiply-adds of one image of this shape (C, h, w).

    Convolutions and products with a constant matrix, as `models.count_multiply_adds` counts them; None where the size
    of an intermediate result cannot be inferred.
    """
    import onnx

    model = onnx.load(path)
    for dim, size in zip(model.graph.input[0].type.tensor_type.shape.dim, (1, *shape), strict=True):
        dim.ClearField("dim_param")
        dim.dim_value = size
    model.graph.output[0].type.tensor_type.ClearField("shape")  # often that of the input, and taken at its word
    constants = {node.output[0]: node.attribute[0].t for node in model.graph.node if node.op_type == "Constant"}
    constants |= {tensor.name: tensor for tensor in model.graph.initializer}
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
    weights = {name: tuple(tensor.dims) for name, tensor in constants.items() if tensor.data_type in floats}
    used = {name for node in model.graph.node if node.op_type in _WITH_WEIGHTS for name in node.input}
    parameters = sum(math.prod(dims) for name, dims in weights.items() if name in used and dims)  # no scalars
    return parameters, _count_multiply_adds(onnx.shape_inference.infer_shapes(model, data_prop=True).graph, weights)


def _count_multiply_adds(graph: Any, weights: dict[str, tuple[int, ...]]) -> int | None:
    sizes = {value.name: _size_of(value) for value in (*graph.input, *graph.value_info, *graph.output)}
    total = 0
    for node in graph.node:
        dims = weights.get(node.input[1], ()) if len(node.input) > 1 else ()
        if not dims or node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
            continue
        counted = sizes.get(node.input[0] if node.op_type == "ConvTranspose" else node.output[0])
        if counted is None:
            return None
        by_row = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
        is_convolution = node.op_type.startswith("Conv")
        total += counted * (math.prod(dims[1:]) if is_convolution else dims[1 if by_row else 0])
    return total


def _size_of(value: Any) -> int | None:
    """How many numbers a result has; None where a side is not known."""
    shape = value.type.tensor_type.shape
    sides = [dim.dim_value for dim in shape.dim]
    return math.prod(sides) if sides and all(sides) else None
