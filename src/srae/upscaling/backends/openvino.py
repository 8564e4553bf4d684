"""Networks run by OpenVINO on the CPU, from an ONNX graph."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import openvino

from srae.errors import ConfigError
from srae.upscaling.network import Precision, thread_limit

_CORE = openvino.Core()
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenvinoEngine:
    """Args: graph: a file, or its bytes; with one output, or the two parts "baseline" and "correction"."""

    name, device = "openvino", "cpu"

    def __init__(self, graph: Path | bytes) -> None:
        self._model = _CORE.read_model(graph)
        info = self._model.get_rt_info()  # a mapping of its own, without `get`
        described = info["framework"] if "framework" in info else {}  # noqa: SIM401
        self.metadata: dict[str, str] = {key: value.astype(str) for key, value in described.items()}
        """Of the ONNX file: its `metadata_props`."""
        self.has_bfloat16 = "BF16" in _CORE.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self._requests: dict[tuple[int, str], Any] = {}
        self._lock = Lock()  # a request takes one call at a time, and one call takes all cores

    def run(self, batch: np.ndarray, precision: Precision) -> np.ndarray:
        """See `Engine.run`.

        Of a graph in two parts the baseline stays in float32: in bfloat16, levels of 8 bits always round up, and the
        image becomes brighter by a quarter of a level.
        """
        if precision == "bfloat16" and not self.has_bfloat16:
            raise ConfigError("this CPU has no bfloat16", "--precision", "use float32, or auto")
        with self._lock:
            if len(self._model.outputs) == 1:
                return self._infer(0, precision, batch).copy()
            return self._infer(0, "float32", batch) + self._infer(1, precision, batch)

    def _infer(self, part: int, precision: Precision, batch: np.ndarray) -> np.ndarray:
        """A view of one output, until the next call."""
        key = part, precision
        if key not in self._requests:
            model = openvino.Model([self._model.get_results()[part]], self._model.get_parameters())
            # The default is bfloat16 for the whole graph wherever the CPU has it.
            hints: dict[str, Any] = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
            if threads := thread_limit():
                hints["INFERENCE_NUM_THREADS"] = threads
            self._requests[key] = _CORE.compile_model(model, "CPU", hints).create_infer_request()
        request = self._requests[key]
        request.infer([np.ascontiguousarray(batch)], share_inputs=True)
        return np.asarray(request.get_output_tensor().data)
