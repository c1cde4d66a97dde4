# SPDX-License-Identifier: Apache-2.0
"""Files of old and other converters: what is odd in them cannot matter, and the network is the one that was meant."""

from __future__ import annotations

import flatbuffers
import numpy as np
import pytest

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.ir import interp
from tests.support import chain, outside
from tests.support.host_model import HostModel
from tests.support.litert import Reference
from tests.support.tflite_builder import schema

PERSON_DETECT = outside.model("tflm_person_detect_int8.tflite")


def _with_axis_of_vectors(data: bytes) -> bytes:
    """The file with the quantized dimension of every vector set to the only one that it has."""
    s = schema()
    model = s.ModelT.InitFromObj(s.Model.GetRootAsModel(data, 0))
    for tensor in model.subgraphs[0].tensors:
        if len(tensor.shape) == 1 and tensor.quantization is not None:
            tensor.quantization.quantizedDimension = 0
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@outside.needs(PERSON_DETECT)
def test_person_detect() -> None:
    """LiteRT refuses its biases, whose quantized dimension is 3; it takes them with the right one."""
    data = PERSON_DETECT.read_bytes()
    with pytest.raises((RuntimeError, ValueError)):
        Reference(data)
    oracle = Reference(_with_axis_of_vectors(data))
    graph = tflite.parse(data, "person_detect")
    last = passes.optimize(graph)
    host = HostModel(last, "rows")
    for x in chain.input_sets(graph, 4, np.random.default_rng(1)):
        expected = oracle(x)
        assert chain.difference(expected, interp.run(graph, x)) is None
        assert chain.difference(expected, host(chain.shaped(last, x)[0])) is None
