# SPDX-License-Identifier: Apache-2.0
"""Files of old and other converters: what is odd in them cannot matter, and the network is the one that was meant."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest

from ascmcu import passes
from ascmcu.api.compiling import compile_model
from ascmcu.errors import ModelError
from ascmcu.frontends import tflite
from ascmcu.ir import interp
from tests.support import chain, outside
from tests.support.host_model import HostModel
from tests.support.litert import Reference
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build, schema

PERSON_DETECT = outside.model("tflm_person_detect_int8.tflite")


def _edited(data: bytes, edit: Callable[[Any, Any], None]) -> bytes:
    """The file with its object tree changed."""
    s = schema()
    model = s.ModelT.InitFromObj(s.Model.GetRootAsModel(data, 0))
    edit(s, model)
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _check(data: bytes, sets: int = 4) -> None:
    """LiteRT = interpreter = compiled C in both schedules."""
    oracle, graph = Reference(data), tflite.parse(data, "net")
    last = passes.optimize(graph)
    hosts = [HostModel(last, mode, sanitize=True) for mode in ("layers", "rows")]
    for x in chain.input_sets(graph, sets, np.random.default_rng(1)):
        expected = oracle(x)
        assert chain.difference(expected, interp.run(graph, x)) is None
        for host in hosts:
            assert chain.difference(expected, host(chain.shaped(last, x)[0])) is None, host


def _layer(
    builtin: str, shapes: tuple[tuple[int, ...], ...], channels: int, options: dict[str, Any]
) -> bytes:
    """One int8 layer with a scale per channel, x → y, its weights between -7 and 7."""
    rng, (x, w, y) = np.random.default_rng(len(builtin)), shapes
    axis = 3 if builtin == "DEPTHWISE_CONV_2D" else 0
    scales = tuple(float(np.float32(v)) for v in rng.uniform(0.01, 0.03, channels))
    tensors = [
        TensorSpec("x", x, "int8", (0.05,), 3),
        TensorSpec("w", w, "int8", scales, 0, axis, data=rng.integers(-7, 8, w).astype(np.int8)),
        TensorSpec("b", (channels,), "int32", tuple(float(np.float32(0.05 * s)) for s in scales),
                   data=rng.integers(-500, 500, channels).astype(np.int32)),
        TensorSpec("y", y, "int8", (0.1,), -4),
    ]  # fmt: skip
    return build(tensors, [OperatorSpec(builtin, [0, 1, 2], [3], options)], [0], [3])


WINDOW = {"padding": 0, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
CONV = ("CONV_2D", ((1, 5, 4, 3), (6, 3, 3, 3), (1, 5, 4, 6)), 6, WINDOW)
DEPTHWISE = (
    "DEPTHWISE_CONV_2D",
    ((1, 5, 4, 5), (1, 3, 3, 5), (1, 5, 4, 5)),
    5,
    {**WINDOW, "depthMultiplier": 1},
)
DENSE = ("FULLY_CONNECTED", ((1, 21), (5, 21), (1, 5)), 5, {})


def _in_nibbles(s: Any, model: Any) -> None:
    tensor = model.subgraphs[0].tensors[1]
    data = np.asarray(model.buffers[tensor.buffer].data).view(np.int8)
    halves = (np.append(data, 0)[: (len(data) + 1) // 2 * 2] & 15).astype(np.uint8).reshape(-1, 2)
    model.buffers[tensor.buffer].data = halves[:, 0] | halves[:, 1] << 4
    tensor.type = s.TensorType.INT4


@pytest.mark.parametrize("layer", [CONV, DEPTHWISE, DENSE], ids=lambda v: v[0])
def test_weights_of_4_bits(layer: tuple[Any, ...]) -> None:
    _check(_edited(_layer(*layer), _in_nibbles))


def _sparse(order: list[int], formats: list[int], block: list[int]) -> Callable[[Any, Any], None]:
    """Store a dense layer's weights sparsely: dimensions in ``order`` (2, 3: the blocks), ``formats`` 1 for CSR."""

    def edit(s: Any, model: Any) -> None:
        tensor = model.subgraphs[0].tensors[1]
        data = np.asarray(model.buffers[tensor.buffer].data).view(np.int8).reshape(tensor.shape)
        sizes = [tensor.shape[0] // block[0], tensor.shape[1] // block[1], *block]
        blocks = data.reshape(sizes[0], block[0], sizes[1], block[1]).transpose(0, 2, 1, 3).transpose(order)
        kept, stored = [()], s.SparsityParametersT()
        stored.traversalOrder, stored.blockMap = np.array(order, np.int32), np.array([0, 1], np.int32)
        stored.dimMetadata = []
        for level, (size, csr) in enumerate(zip([sizes[d] for d in order], formats, strict=True)):
            entry = s.DimensionMetadataT()
            entry.format, entry.denseSize = csr, size
            rows = [[i for i in range(size) if not csr or blocks[(*at, i)].any()] for at in kept]
            if csr:
                kinds = (s.SparseIndexVector.Uint8Vector, s.SparseIndexVector.Int32Vector)
                entry.arraySegmentsType, entry.arrayIndicesType = kinds[level % 2], kinds[1]
                entry.arraySegments = (s.Uint8VectorT, s.Int32VectorT)[level % 2]()
                entry.arraySegments.values = np.cumsum([0, *map(len, rows)]).astype(
                    (np.uint8, np.int32)[level % 2]
                )
                entry.arrayIndices = s.Int32VectorT()
                entry.arrayIndices.values = np.array(list(itertools.chain(*rows)), np.int32)
            stored.dimMetadata.append(entry)
            kept = [(*at, i) for at, found in zip(kept, rows, strict=True) for i in found]
        tensor.sparsity = stored
        model.buffers[tensor.buffer].data = np.array([blocks[at] for at in kept], np.int8).view(np.uint8)

    return edit


@pytest.mark.parametrize(
    ("order", "formats", "block"),
    [([0, 1, 2, 3], [0, 1, 0, 0], [1, 4]), ([0, 1, 2, 3], [0, 1, 0, 0], [2, 2]), ([1, 0, 3, 2], [1, 1, 0, 0], [4, 2])],
)  # fmt: skip
def test_sparse_weights(order: list[int], formats: list[int], block: list[int]) -> None:
    """The network of the same file stored densely; LiteRT itself expands some of these forms only (DENSIFY)."""
    rng = np.random.default_rng(3)
    w = rng.integers(-90, 91, (8, 16)).astype(np.int8) * (rng.random((8, 16)) < 0.3).astype(np.int8)
    tensors = [
        TensorSpec("x", (1, 16), "int8", (0.05,), 3), TensorSpec("w", (8, 16), "int8", (0.01,), data=w),
        TensorSpec("wide", (8, 16), "int8", (0.01,)), TensorSpec("y", (1, 8), "int8", (0.3,), -4),
    ]  # fmt: skip
    operators = [OperatorSpec("DENSIFY", [1], [2]), OperatorSpec("FULLY_CONNECTED", [0, 2], [3])]
    data = build(tensors, operators, [0], [3])
    sparse = tflite.parse(_edited(data, _sparse(order, formats, block)), "net")
    assert np.array_equal(sparse.tensors["wide"].values, w)
    if order[0] == 0 and formats == [0, 1, 0, 0]:
        _check(_edited(data, _sparse(order, formats, block)))


def test_sparse_weights_that_contradict_themselves() -> None:
    def edit(s: Any, model: Any) -> None:
        _sparse([0, 1, 2, 3], [0, 1, 0, 0], [1, 3])(s, model)
        model.subgraphs[0].tensors[1].sparsity.dimMetadata[1].arrayIndices.values[0] = 90

    with pytest.raises(ModelError, match="a packed constant is damaged"):
        tflite.parse(_edited(_layer(*DENSE), edit), "net")


def test_sparse_blocks() -> None:
    with pytest.raises(ModelError, match="a packed constant is damaged"):
        tflite.parse(_edited(_layer(*DENSE), _sparse([0, 1, 2, 3], [0, 0, 0, 1], [1, 3])), "net")


def test_several_inputs_at_once() -> None:
    def edit(s: Any, model: Any) -> None:
        for tensor in (model.subgraphs[0].tensors[0], model.subgraphs[0].tensors[3]):
            tensor.shape = np.array([8, *tensor.shape[1:]], np.int32)

    with pytest.raises(ModelError, match="the model takes 8 inputs at once"):
        tflite.parse(_edited(_layer(*CONV), edit), "net")


def test_second_network_of_a_file_may_hold_anything(tmp_path: Path) -> None:
    """A file with two signatures: the first network is compiled, whatever the second one consists of."""

    def edit(s: Any, model: Any) -> None:
        model.signatureDefs = []
        for number, key in ((1, b"learn"), (0, b"serving_default")):
            signature = s.SignatureDefT()
            signature.signatureKey, signature.subgraphIndex = key, number
            signature.inputs, signature.outputs = [], []
            model.signatureDefs.append(signature)

    x, y = TensorSpec("x", (1, 4)), TensorSpec("y", (1, 4))
    other = ([x, y], [OperatorSpec("ROUND", [0], [1])], [0], [1])
    q = {"scales": (0.05,), "zero_point": 3}
    main = (
        [TensorSpec("x", (1, 4), **q), TensorSpec("y", (1, 4), **q)],
        [OperatorSpec("ABS", [0], [1])],
        [0],
        [1],
    )
    path = tmp_path / "net.tflite"
    path.write_bytes(_edited(build(*main, others=[other]), edit))
    assert compile_model(path).notices == (
        "the file has 2 signatures: serving_default is compiled, learn not",
    )


def test_bytes_behind_the_flatbuffer() -> None:
    """Files of more than 2 GB keep buffers behind it, at an offset."""

    def edit(s: Any, model: Any) -> None:
        model.buffers[1].offset, model.buffers[1].size, model.buffers[1].data = 1 << 20, weights.size, None

    plain = _layer(*CONV)
    tree = schema().ModelT.InitFromObj(schema().Model.GetRootAsModel(plain, 0))
    weights = np.asarray(tree.buffers[1].data).copy()
    content = _edited(plain, edit).ljust(1 << 20, b"\0") + weights.tobytes()
    assert np.array_equal(
        tflite.parse(content, "net").tensors["w"].values, tflite.parse(plain, "net").tensors["w"].values
    )
    _check(content)


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
