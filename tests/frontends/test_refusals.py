# SPDX-License-Identifier: Apache-2.0
"""What cannot be compiled is refused with one message: operator, tensor, index in the file, expected, found, hint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.errors import ModelError
from ascmcu.frontends import tflite
from ascmcu.ir.types import DType
from tests.support import outside
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build, schema

Q = {"scales": (0.05,), "zero_point": 3}


def _network(operator: str, x: TensorSpec, *others: TensorSpec, output: TensorSpec, **options: Any) -> bytes:
    tensors = [x, *others, output]
    inputs = list(range(len(tensors) - 1))
    return build(
        tensors, [OperatorSpec(operator, inputs, [len(tensors) - 1], options)], [0], [len(tensors) - 1]
    )


def _edited(edit: Any) -> bytes:
    """A small dense network with its object tree changed."""
    s = schema()
    model = s.ModelT.InitFromObj(s.Model.GetRootAsModel(_dense(), 0))
    edit(s, model)
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _dense(x_type: str = "int8", w_type: str = "int8") -> bytes:
    quant = Q if x_type == "int8" else {}
    w_quant = {"scales": (0.01,)} if w_type == "int8" else {}
    return _network(
        "FULLY_CONNECTED",
        TensorSpec("x", (1, 4), x_type, **quant),
        TensorSpec("w", (2, 4), w_type, data=np.ones((2, 4), w_type), **w_quant),
        output=TensorSpec("y", (1, 2), x_type, **quant),
    )


def _message(data: bytes) -> str:
    with pytest.raises(ModelError) as caught:
        passes.optimize(tflite.parse(data, "net.tflite"))
    return str(caught.value)


def test_unsupported_operators_all_at_once() -> None:
    x = TensorSpec("x", (1, 4), **Q)
    tensors = [x, *(TensorSpec(f"layer{i}/y;other", (1, 4), **Q) for i in range(4))]
    chain = [("ROUND", 0, 1), ("ROUND", 1, 2), ("ABS", 2, 3), ("SIGN", 3, 4)]
    data = build(tensors, [OperatorSpec(name, [a], [b]) for name, a, b in chain], [0], [4])
    assert _message(data) == (
        "3 operators are not supported\n"
        "  where:    net.tflite\n"
        "  found:    ROUND × 2, SIGN\n"
        "  hint:     keep this part of the network in float32\n"
        "  ROUND (int8) × 2: only its float32 form is supported; made by layer0/y, layer1/y\n"
        "  SIGN (int8): only its float32 form is supported; made by layer3/y"
    )


def test_operators_beyond_a_limit_all_at_once() -> None:
    """Those that read what another one would have computed are not named for that."""
    x, y, z = (
        TensorSpec("x", (1, 4), **Q),
        TensorSpec("y", (1, 4), "int8", (0.01,)),
        TensorSpec("z", (1, 4), **Q),
    )
    data = build(
        [x, y, z, TensorSpec("t", (1, 4), **Q), TensorSpec("u", (1, 4), "int8", (0.02,))],
        [
            OperatorSpec("SOFTMAX", [0], [1], {"beta": 1.0}), OperatorSpec("LOGISTIC", [1], [2]),
            OperatorSpec("RELU", [0], [3]), OperatorSpec("SOFTMAX", [0], [4], {"beta": 1.0}),
        ],
        [0], [2, 3, 4],
    )  # fmt: skip
    assert _message(data) == (
        "2 operators cannot be compiled\n"
        "  where:    net.tflite\n"
        "  found:    softmax output must cover 0 … 1 × 2\n"
        "  SOFTMAX, operator 0, 'y' (i8[1x4], tensor 1): softmax output must cover 0 … 1\n"
        "  SOFTMAX, operator 3, 'u' (i8[1x4], tensor 4): softmax output must cover 0 … 1"
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ethos-u", "compiled by Vela for an Arm Ethos-U"),
        ("edgetpu-custom-op", "compiled for the Edge TPU"),
        ("FlexErf", "the Flex delegate"),
        ("SignalWindow", "signal library"),
        ("Mine", "an operator of somebody's own"),
    ],
)
def test_custom_operators_are_named_for_what_they_are(name: str, says: str) -> None:
    def edit(s: Any, model: Any) -> None:
        code = model.operatorCodes[0]
        code.builtinCode = code.deprecatedBuiltinCode = s.BuiltinOperator.CUSTOM
        code.customCode = name.encode()

    message = _message(_edited(edit))
    assert message.startswith("an operator is not supported\n")
    assert f"custom {name} (int8): " in message and says in message


def test_open_batch_is_one() -> None:
    def edit(s: Any, model: Any) -> None:
        model.subgraphs[0].tensors[0].shape = np.array([-1, 4], np.int32)
        model.subgraphs[0].tensors[2].shape = np.array([-1, 2], np.int32)

    graph = passes.optimize(tflite.parse(_edited(edit), "net.tflite"))
    assert [graph.tensors[n].shape for n in (*graph.inputs, *graph.outputs)] == [(1, 4), (1, 2)]


def test_dynamic_shape() -> None:
    def edit(s: Any, model: Any) -> None:
        model.subgraphs[0].tensors[0].shape = np.array([1, -1], np.int32)

    assert _message(_edited(edit)) == (
        "tensor has a dynamic or invalid shape\n"
        "  where:    net.tflite: tensor 0 'x'\n"
        "  expected: up to 5 extents of 1 … 65536, at most 8388608 elements\n"
        "  found:    [1, -1]\n"
        "  hint:     convert the model with a fixed input shape and batch size 1"
    )


def test_tensor_that_nothing_uses_may_have_any_shape() -> None:
    def edit(s: Any, model: Any) -> None:
        unused = s.TensorT()
        unused.shape, unused.type, unused.name = np.array([0], np.int32), s.TensorType.INT8, b"intermediate"
        model.subgraphs[0].tensors.append(unused)

    graph = tflite.parse(_edited(edit), "net.tflite")
    plain = tflite.parse(_edited(lambda schema, model: None), "net.tflite")
    assert [node.op for node in graph.nodes] == [node.op for node in plain.nodes]


def test_axis_of_a_vector_cannot_matter() -> None:
    """As in person_detect's biases, whose quantized dimension is that of the weights."""

    def edit(s: Any, model: Any) -> None:
        bias = s.TensorT()
        bias.shape, bias.type, bias.name = np.array([2], np.int32), s.TensorType.INT32, b"b"
        bias.buffer = len(model.buffers)
        model.buffers.append(s.BufferT())
        model.buffers[-1].data = np.frombuffer(np.array([5, -6], np.int32).tobytes(), np.uint8)
        bias.quantization = s.QuantizationParametersT()
        bias.quantization.scale = np.array([5e-4, 6e-4], np.float32)
        bias.quantization.zeroPoint = np.zeros(2, np.int64)
        bias.quantization.quantizedDimension = 3
        model.subgraphs[0].tensors.append(bias)
        model.subgraphs[0].operators[0].inputs = np.array([0, 1, 3], np.int32)

    graph = tflite.parse(_edited(edit), "net.tflite")
    quant = graph.tensors["b"].quantization
    assert quant.axis == 0 and len(quant.scales) == 2


def test_absurd_shape() -> None:
    def edit(s: Any, model: Any) -> None:
        model.subgraphs[0].tensors[2].shape = np.array([1 << 30, 1 << 30], np.int32)

    message = _message(_edited(edit))
    assert "tensor 2 'y'" in message and "[1073741824, 1073741824]" in message


@pytest.mark.parametrize("weights", ["int8", "float32"])
def test_float_activations_compile(weights: str) -> None:
    graph = tflite.parse(_dense("float32", weights), "net.tflite")
    assert [node.op.kind() for node in graph.nodes] == ["float_fully_connected"]


def test_published_hybrid_model() -> None:
    path = outside.model("dcase2020_task1b_mobnet_drq.tflite")
    outside.require(path)
    graph = tflite.load(path).graph
    kinds = [node.op.kind() for node in graph.nodes]
    assert kinds.count("float_conv2d") == 42 and kinds.count("float_depthwise_conv2d") == 18


def test_float16_weights_stay_halves() -> None:
    weights = TensorSpec("half", (2, 4), "float16", data=np.ones((2, 4), np.float16))
    tensors = [
        TensorSpec("x", (1, 4), "float32"), weights, TensorSpec("w", (2, 4), "float32"),
        TensorSpec("y", (1, 2), "float32"),
    ]  # fmt: skip
    operators = [OperatorSpec("DEQUANTIZE", [1], [2]), OperatorSpec("FULLY_CONNECTED", [0, 2], [3])]
    graph = tflite.parse(build(tensors, operators, [0], [3]), "net.tflite")
    assert graph.tensors["w"].dtype is DType.FLOAT16


def test_mixed_ends() -> None:
    tensors = [
        TensorSpec("x", (1, 4), **Q), TensorSpec("w", (2, 4), "float32", data=np.ones((2, 4), np.float32)),
        TensorSpec("y", (1, 2), "float32"),
    ]  # fmt: skip
    message = _message(build(tensors, [OperatorSpec("FULLY_CONNECTED", [0, 1], [2])], [0], [2]))
    assert "element type is not supported here" in message and "found:    int8" in message


def test_corrupt_buffer() -> None:
    def edit(s: Any, model: Any) -> None:
        model.buffers[1].data = model.buffers[1].data[:5]

    assert _message(_edited(edit)) == (
        "a constant's buffer does not have the tensor's size\n"
        "  where:    net.tflite: tensor 1 'w'\n"
        "  expected: 8 bytes\n"
        "  found:    5 bytes"
    )


def test_buffer_number() -> None:
    def edit(s: Any, model: Any) -> None:
        model.subgraphs[0].tensors[1].buffer = 77

    assert _message(_edited(edit)) == (
        "buffer index is out of range\n  where:    net.tflite: tensor 1 'w'\n  expected: 2\n  found:    77"
    )


def test_no_tflite() -> None:
    assert _message(b"PK\x03\x04 this is a zip archive") == (
        "the file is not a TensorFlow Lite model\n"
        "  where:    net.tflite\n"
        "  expected: flatbuffer identifier TFL3\n"
        "  found:    26 bytes beginning b'PK\\x03\\x04 thi'"
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated(share: float) -> None:
    data = _dense()
    message = _message(data[: int(len(data) * share)])
    assert message.startswith(
        ("the model file is truncated or corrupt\n  where:    net.tflite", "a constant's buffer")
    )


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        tflite.load(tmp_path / "none.tflite")
    assert str(caught.value).startswith("the model cannot be read\n  where:    ")


def test_output_scale_that_the_reference_cannot_hold() -> None:
    x = TensorSpec("x", (1, 4), **Q)
    b = TensorSpec("b", (1, 4), data=np.ones((1, 4), np.int8), **Q)
    message = _message(_network("SUB", x, b, output=TensorSpec("y", (1, 4), scales=(1e-9,))))
    assert message.splitlines()[0] == "the output's scale is too small for its operands"
