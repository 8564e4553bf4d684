"""The contenders of `benchmark_upscaling.py`, each run in a process of its own.

python scripts/upscaling_contenders.py serve CONTENDER FOLDER THREADS       # answers lines of stdin with seconds
python scripts/upscaling_contenders.py once CONTENDER FOLDER MODEL IN OUT   # start, read, enlarge, write
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main() -> None:
    if sys.argv[1] == "serve":
        serve(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    else:
        contender, folder, model, source, target = sys.argv[2:]
        run_once(contender, Path(folder), model, source, target)


def make_graph(name: str, base: str) -> bytes:
    """The network in ONNX, by hand: convolutions, relu, add, sub-pixel layer, and the enlarged image.

    ONNX has no mirrored border for the bicubic part: the two outermost pixels differ.
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    model, nodes, constants = load(name).model, [], []

    def constant(key: str, values: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(values), key))
        return key

    def node(kind: str, inputs: list[str], output: str, **options: object) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **options))
        return output

    def conv(layer, input: str, output: str) -> str:
        weight, bias = (p.detach().numpy() for p in (layer.weight, layer.bias))
        inputs = [input, constant(f"{output}.w", weight), constant(f"{output}.b", bias)]
        return node("Conv", inputs, output, pads=[1] * 4, kernel_shape=[3, 3])

    x = conv(model.head, "input", "head")
    for i, block in enumerate(model.blocks):
        inner = node("Relu", [conv(block.first, x, f"first{i}")], f"relu{i}")
        x = node("Add", [x, conv(block.second, inner, f"second{i}")], f"block{i}")
    tail = conv(model.tail, x, "tail")
    if base == "conv":
        pads = constant("pads", np.array([0, 0, 2, 2, 0, 0, 2, 2]))
        padded = node("Pad", ["input", pads], "padded", mode="edge")
        fine = node("Conv", [padded, constant("bicubic", bicubic_kernels())], "fine", kernel_shape=[5, 5])
        node("DepthToSpace", [node("Add", [tail, fine], "sum")], "output", blocksize=2, mode="CRD")
    else:
        scales = constant("scales", np.array([1, 1, 2, 2], np.float32))
        options = {"mode": "cubic", "cubic_coeff_a": -0.5, "coordinate_transformation_mode": "half_pixel"}
        large = node("Resize", ["input", "", scales], "large", **options)
        node("Add", [large, node("DepthToSpace", [tail], "deep", blocksize=2, mode="CRD")], "output")
    ends = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "h", "w"])]
    ends.append(helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 3, "H", "W"]))
    graph = helper.make_graph(nodes, name, ends[:1], ends[1:], constants)
    opsets = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def bicubic_kernels():
    """Enlarging twice as a convolution: (12, 3, 5, 5), before the sub-pixel layer."""
    import torch

    from srae.models.blocks import enlarge_bicubic

    point = torch.zeros(1, 1, 9, 9)
    point[0, 0, 4, 4] = 1
    answer, kernels = enlarge_bicubic(point, 2)[0, 0], torch.zeros(3, 2, 2, 3, 5, 5)
    for y in range(2):
        for x in range(2):  # what an output pixel takes from five inputs: the answer to a point, turned round
            kernel = answer[4 + y : 14 + y : 2, 4 + x : 14 + x : 2].flip(0, 1)
            for channel in range(3):
                kernels[channel, y, x, channel] = kernel
    return kernels.flatten(0, 2).numpy()


def load(name: str):
    from srae.checkpoints.loading import load_model
    from srae.checkpoints.shipped import shipped_models

    return load_model(shipped_models()[name])


# ---------------------------------------------------------------------- contenders


def make_contender(contender: str, folder: Path, name: str, threads: int):
    """A function from bytes (H, W, 3) to bytes, twice as large."""
    import numpy as np

    if contender == "Pillow":
        from PIL import Image

        return lambda pixels: np.asarray(
            Image.fromarray(pixels).resize((2 * pixels.shape[1], 2 * pixels.shape[0]), Image.Resampling.LANCZOS)
        )
    if contender.startswith("ort"):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        path = folder / f"{name} {contender}.onnx"
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

        def run_graph(pixels: np.ndarray) -> np.ndarray:
            planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
            output = session.run(None, {"input": planes})[0][0]
            return np.rint(output.clip(0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)

        return run_graph
    import torch

    torch.set_num_threads(threads)
    loaded = load(name)
    if contender.startswith("srae"):
        from srae.upscaling.backends.torch import from_trained
        from srae.upscaling.enlarge import UpscaleOptions, upscale_pixels

        precision, network = "float32" if contender.endswith("float32") else "auto", from_trained(loaded)
        return lambda pixels: upscale_pixels(pixels, [network], UpscaleOptions(precision=precision))

    @torch.inference_mode()
    def run_torch(pixels: np.ndarray) -> np.ndarray:
        planes = torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous().float() / 255
        output = run_tiles(loaded.model, planes) if contender == "torch tiles" else run_plain(loaded.model, planes)
        return (output[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()

    return run_torch


def run_plain(model, x):
    """The network as one writes it down."""
    from torch.nn import functional as F

    from srae.models.blocks import enlarge_bicubic

    features = model.head(x)
    for block in model.blocks:
        features = features + block.second(F.relu(block.first(features)))
    return enlarge_bicubic(x, 2) + F.pixel_shuffle(model.tail(features), 2)


def run_tiles(model, x, tile: int = 512, around: int = 16):
    """In tiles with a fixed overlap of which the middle is kept, as programs for many networks do it."""
    import torch

    height, width = x.shape[2:]
    output = torch.empty(1, 3, 2 * height, 2 * width)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            y, x0 = max(top - around, 0), max(left - around, 0)
            bottom, right = min(top + tile, height), min(left + tile, width)
            large = run_plain(model, x[:, :, y : bottom + around, x0 : right + around])
            kept = large[:, :, 2 * (top - y) : 2 * (bottom - y), 2 * (left - x0) : 2 * (right - x0)]
            output[:, :, 2 * top : 2 * bottom, 2 * left : 2 * right] = kept
    return output


def read_pixels(path: Path | str):
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def serve(contender: str, folder: Path, threads: int) -> None:
    """In a process of its own: for every line (model, side) on stdin the seconds of one image on stdout."""
    import numpy as np

    function, ready = None, ""
    for line in sys.stdin:
        name, side, keep = json.loads(line)
        if name != ready:
            function, ready = make_contender(contender, folder, name, threads), name
        pixels = read_pixels(folder / f"{side}.png")
        assert function is not None
        start = time.perf_counter()
        output = function(pixels)
        seconds = time.perf_counter() - start
        if keep:
            np.save(folder / f"{contender} {name} {side}.npy", output)
        print(json.dumps(seconds), flush=True)


def run_once(contender: str, folder: Path, name: str, source: str, target: str) -> None:
    """What a short program of one's own does: start, read, enlarge, write."""
    from PIL import Image

    function = make_contender(contender, folder, name, int(os.environ["OMP_NUM_THREADS"]))
    Image.fromarray(function(read_pixels(source))).save(target)


if __name__ == "__main__":
    main()
