# SPDX-License-Identifier: Apache-2.0
"""float32 activations with float32, fp16 and int8 weights: LiteRT ≈ interpreter ≈ host C, rows = layers.

Declared tolerance: ``_float.TOLERANCE`` (2e-5) of the largest output against LiteRT's float kernels, which sum in
another order; for dynamic range that is LiteRT on the same network with its int8 weights expanded. LiteRT's own
hybrid kernels also round every activation to 8 bits: against those, 0.05 of a probability.
"""

from __future__ import annotations

import numpy as np
import pytest

from ascmcu import kernels, passes
from ascmcu.frontends import tflite
from ascmcu.ir import interp
from ascmcu.ir.graph import Graph
from ascmcu.ir.types import DType
from ascmcu.ops._float import TOLERANCE
from tests.quantize.conftest import GROUPED, NETWORKS, clips, network
from tests.support.host_model import HostModel

HYBRID_TOLERANCE = 0.05


def _formats(name: str) -> dict[str, bytes]:
    from ascmcu.quantize import formats, source

    plain = source.to_float_tflite(network(name))
    return {"float": plain, "fp16": formats.fp16(plain), "dynamic": formats.dynamic(plain)}


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    return float(np.abs(a - b).max()) <= TOLERANCE * max(float(np.abs(a).max()), 1e-3)


@pytest.mark.parametrize("name", [*NETWORKS, GROUPED])
def test_formats_run(name: str) -> None:
    from ascmcu.quantize import flatbuffer, run

    assert _formats(name)
    for format, model in _formats(name).items():
        graph = passes.optimize(tflite.parse(model, name))
        compiled = [HostModel(graph, mode, sanitize=True) for mode in ("layers", "rows")]
        expanded, _ = flatbuffer.to_float(model, name)
        for x in clips(name, 3):
            expected = run.probabilities(expanded, x[None])
            found = interp.run(graph, [x[None].reshape(graph.tensors[graph.inputs[0]].shape)])[0]
            assert _close(expected, found.reshape(expected.shape)), f"{format}: interpreter"
            layers, rows = (model(x[None])[0].reshape(expected.shape) for model in compiled)
            assert _close(expected, layers), f"{format}: host C"
            assert np.array_equal(layers, rows), f"{format}: rows differ from layers"
            as_it_is = run.probabilities(model, x[None])
            assert np.abs(as_it_is - layers).max() < HYBRID_TOLERANCE, f"{format}: LiteRT on the file"


def test_weights_stay_small() -> None:
    for format, bytes_each, dtype in (("fp16", 2, DType.FLOAT16), ("dynamic", 1, DType.INT8)):
        graph = passes.optimize(tflite.parse(_formats("dscnn")[format], format))
        weighted = [n for n in graph.nodes if n.op.kind() in ("float_conv2d", "float_depthwise_conv2d")]
        assert weighted
        for node in weighted:
            weights = graph.tensors[node.inputs[1]]
            assert weights.dtype is dtype
            lowered = kernels.select(graph, node)
            stored = dict(lowered.constants)["weights"].nbytes
            padded = weights.elements * bytes_each
            # Halves come in words, channels in fours.
            assert padded <= stored <= 1.6 * padded + 16


def _graph_of(kind: str) -> Graph:
    return passes.optimize(tflite.parse(_formats("dsmn")["float"], kind))


def test_every_zoo_operator_is_float() -> None:
    kinds = {node.op.kind() for node in _graph_of("dsmn").nodes}
    assert {
        "float_conv2d",
        "float_depthwise_conv2d",
        "float_binary",
        "float_reduce",
        "float_softmax",
    } <= kinds
    assert not kinds & {"conv2d", "add", "mul", "mean", "softmax", "depthwise_conv2d", "fully_connected"}


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 65504.0, 6.1e-5, 5.9e-8, -3.1e-7, 0.333251953125])
def test_halves_are_exact(value: float) -> None:
    """Normal and subnormal halves through the portable widening."""
    from tests.support.tflite_builder import OperatorSpec, TensorSpec, build

    half = np.full((1, 2), value, np.float16)
    tensors = [
        TensorSpec("x", (1, 2), "float32"),
        TensorSpec("half", (1, 2), "float16", data=half),
        TensorSpec("w", (1, 2), "float32"),
        TensorSpec("y", (1, 1), "float32"),
    ]
    operators = [OperatorSpec("DEQUANTIZE", [1], [2]), OperatorSpec("FULLY_CONNECTED", [0, 2], [3])]
    graph = passes.optimize(tflite.parse(build(tensors, operators, [0], [3]), "half"))
    found = HostModel(graph, "layers", sanitize=True)(np.array([[1.0, 0.0]], np.float32))[0]
    assert found.reshape(-1)[0] == np.float32(half[0, 0])


def test_grouped_convolutions_stay_grouped() -> None:
    """TensorFlow keeps the groups: fewer products than one convolution over all channels would need."""
    graph = passes.optimize(tflite.parse(_formats(GROUPED)["fp16"], GROUPED))
    kernels = [graph.tensors[n.inputs[1]].shape for n in graph.nodes if n.op.kind() == "float_conv2d"]
    assert [shape[3] for shape in kernels] == [3, 4, 2]
    layers = HostModel(graph, "layers").plan.layers
    assert len(layers) == len(graph.nodes)
    assert graph.macs == 120 * (12 * 9 * 3 + 12 * 4) + 30 * 18 * 9 * 2 + 18 * 4
