"""Networks run by ONNX Runtime on the CPU, from an ONNX graph.  It has no bfloat16 there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from srae.errors import ConfigError
from srae.upscaling.network import Precision, thread_limit


class OnnxruntimeEngine:
    """Args: graph: a file, or its bytes; with one output, or the two parts "baseline" and "correction"."""

    name, device, has_bfloat16 = "onnxruntime", "cpu", False

    def __init__(self, graph: Path | bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = thread_limit() or 0
        options.log_severity_level = 3  # its warnings are about its own optimizer
        source = str(graph) if isinstance(graph, Path) else graph
        self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        """Of the ONNX file: its `metadata_props`."""
        self._input = self._session.get_inputs()[0].name

    def run(self, batch: np.ndarray, precision: Precision) -> np.ndarray:
        """See `Engine.run`."""
        if precision == "bfloat16":
            raise ConfigError(
                "onnxruntime computes no bfloat16 on CPUs", "--precision", "use float32, auto, or another --engine"
            )
        try:
            outputs = self._session.run(None, {self._input: np.ascontiguousarray(batch)})
        except Exception as error:  # its own are no RuntimeError, not even where memory is short
            raise RuntimeError(str(error)) from error
        return np.asarray(outputs[0] if len(outputs) == 1 else outputs[0] + outputs[1])
