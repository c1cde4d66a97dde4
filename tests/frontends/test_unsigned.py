# SPDX-License-Identifier: Apache-2.0
"""Networks of uint8, as TensorFlow 1 and toco wrote them: the integers of LiteRT, by the kernels for int8."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.ir import interp
from ascmcu.ir.types import DType
from tests.support import chain
from tests.support.host_model import HostModel
from tests.support.litert import Reference
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build

WINDOW = {"padding": 0, "strideH": 1, "strideW": 1}
CONV = {**WINDOW, "dilationHFactor": 1, "dilationWFactor": 1}
POOL = {**WINDOW, "padding": 1, "filterHeight": 2, "filterWidth": 2}


def check(data: bytes, sets: int = 4, seed: int = 0, *, compiled: bool = True) -> None:
    """LiteRT = interpreter = passes = host C in both schedules."""
    reference, graph = Reference(data), tflite.parse(data, "net")
    last = passes.optimize(graph)
    hosts = [HostModel(last, mode, sanitize=True) for mode in ("layers", "rows")] if compiled else []
    for x in chain.input_sets(graph, sets, np.random.default_rng(seed)):
        expected, pushed = reference(x), chain.shaped(last, x)
        assert chain.difference(expected, interp.run(graph, x)) is None
        assert chain.difference(expected, interp.run(last, pushed)) is None
        for host in hosts:
            assert chain.difference(expected, host(pushed[0])) is None, host


def _uint8(
    name: str, shape: tuple[int, ...], scale: float = 0.05, zero: int = 120, **more: Any
) -> TensorSpec:
    return TensorSpec(name, shape, "uint8", (scale,), zero, **more)


def _weights(
    rng: np.random.Generator, shape: tuple[int, ...], channels: int, zero: int, scale: float = 0.01
) -> Any:
    low, high = (0, 256) if zero != 128 else (1, 256)
    data = rng.integers(low, high, size=shape).astype(np.uint8)
    bias = rng.integers(-2000, 2000, size=channels).astype(np.int32)
    return _uint8("w", shape, scale, zero, data=data), TensorSpec(
        "b", (channels,), "int32", (0.05 * scale,), data=bias
    )


def _single(name: str, ends: Sequence[TensorSpec], options: dict[str, Any] | None = None) -> bytes:
    """One operator; the last tensor is its output."""
    last = len(ends) - 1
    runtime = [i for i, t in enumerate(ends[:-1]) if t.data is None]
    return build(list(ends), [OperatorSpec(name, list(range(last)), [last], options or {})], runtime, [last])


@pytest.mark.parametrize("zero", [0, 110, 128, 131, 255])
@pytest.mark.parametrize(
    ("operator", "w_shape", "channels", "y_shape", "options"),
    [
        ("CONV_2D", (6, 3, 3, 4), 6, (1, 5, 5, 6), {**CONV, "fusedActivationFunction": 1}),
        ("CONV_2D", (8, 1, 1, 4), 8, (1, 5, 5, 8), CONV),
        ("DEPTHWISE_CONV_2D", (1, 3, 3, 8), 8, (1, 5, 5, 8), {**CONV, "depthMultiplier": 2}),
        ("DEPTHWISE_CONV_2D", (1, 3, 3, 4), 4, (1, 5, 5, 4), {**CONV, "fusedActivationFunction": 3}),
        ("FULLY_CONNECTED", (6, 100), 6, (1, 6), {}),
    ],
)
def test_weights(
    operator: str,
    w_shape: tuple[int, ...],
    channels: int,
    y_shape: tuple[int, ...],
    options: dict[str, Any],
    zero: int,
) -> None:
    w, b = _weights(np.random.default_rng(zero), w_shape, channels, zero)
    check(_single(operator, [_uint8("x", (1, 5, 5, 4)), w, b, _uint8("y", y_shape, 0.4, 117)], options))


X, AXES = _uint8("x", (1, 4, 6, 4)), TensorSpec("axes", (2,), "int32", data=np.array([1, 2], np.int32))
PADS = TensorSpec("pads", (4, 2), "int32", data=np.array([[0, 0], [1, 0], [0, 2], [0, 0]], np.int32))
CONST = _uint8("c", (1, 1, 1, 4), 0.03, 90, data=np.array([0, 77, 128, 255], np.uint8).reshape(1, 1, 1, 4))
SLOPES = _uint8("a", (1, 1, 4), 0.01, 7, data=np.array([0, 9, 128, 255], np.uint8).reshape(1, 1, 4))


@pytest.mark.parametrize(
    ("operator", "ends", "options"),
    [
        ("ADD", [X, CONST, _uint8("y", X.shape, 0.07, 100)], {}),
        ("SUB", [X, CONST, _uint8("y", X.shape, 0.07, 100)], {"fusedActivationFunction": 1}),
        ("MUL", [X, CONST, _uint8("y", X.shape, 0.1, 100)], {}),
        ("MAXIMUM", [X, _uint8("c", (1, 1, 1, 4), data=CONST.data), _uint8("y", X.shape)], {}),
        ("PRELU", [X, SLOPES, _uint8("y", X.shape, 0.06, 90)], {}),
        ("MEAN", [X, AXES, _uint8("y", (1, 4), 0.03, 100)], {}),
        ("MEAN", [X, AXES, _uint8("y", (1, 4))], {}),
        ("SUM", [X, AXES, _uint8("y", (1, 4), 0.3, 100)], {}),
        ("REDUCE_MAX", [X, AXES, _uint8("y", (1, 4))], {}),
        ("PAD", [X, PADS, _uint8("y", (1, 5, 8, 4))], {}),
        ("AVERAGE_POOL_2D", [X, _uint8("y", (1, 3, 5, 4))], POOL),
        ("MAX_POOL_2D", [X, _uint8("y", (1, 3, 5, 4))], POOL),
        ("SOFTMAX", [X, _uint8("y", X.shape, 1 / 256, 0)], {"beta": 1.0}),
        ("LOGISTIC", [X, _uint8("y", X.shape, 1 / 256, 0)], {}),
        ("TANH", [X, _uint8("y", X.shape, 1 / 128, 128)], {}),
        ("RELU6", [X, _uint8("y", X.shape, 6 / 255, 0)], {}),
        ("HARD_SWISH", [X, _uint8("y", X.shape, 0.03, 20)], {}),
        ("LEAKY_RELU", [X, _uint8("y", X.shape, 0.03, 20)], {"alpha": 0.1}),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)  # fmt: skip
def test_operators(operator: str, ends: list[TensorSpec], options: dict[str, Any]) -> None:
    check(_single(operator, ends, options))


def test_joined_parts_of_other_scales() -> None:
    """Both join the same input, one part rescaled (ConcatenationWithScaling)."""
    tensors = [
        X, _uint8("p", (1, 3, 5, 4)), _uint8("q", (1, 3, 5, 4), 0.031, 80), _uint8("y", (1, 3, 5, 8), 0.031, 80),
        CONST, _uint8("q0", (1, 4, 6, 4), 0.031, 80),
    ]  # fmt: skip
    operators = [
        OperatorSpec("AVERAGE_POOL_2D", [0], [1], POOL), OperatorSpec("ADD", [0, 4], [5]),
        OperatorSpec("MAX_POOL_2D", [5], [2], POOL), OperatorSpec("CONCATENATION", [1, 2], [3], {"axis": 3}),
    ]  # fmt: skip
    check(build(tensors, operators, [0], [3]), sets=6)


def _network(seed: int) -> bytes:
    """Convolution, residual block with depthwise, average pool, dense, softmax: a small MobileNet of 2018."""
    rng = np.random.default_rng(seed)
    scales = rng.uniform(0.005, 0.2, size=16).astype(np.float32).astype(float)
    tensors, operators = [_uint8("x", (1, 8, 6, 3), scales[0], int(rng.integers(90, 150)))], []

    def layer(
        name: str, source: int, shape: tuple[int, ...], w_shape: tuple[int, ...], number: int, **more: Any
    ) -> int:
        w, b = _weights(rng, w_shape, shape[-1], int(rng.integers(90, 160)), scales[number])
        first = len(tensors)
        product = float(np.float32(tensors[source].scales[0]) * np.float32(scales[number]))
        b.scales = (product,)
        fan = int(np.prod(w_shape)) // (1 if name == "DEPTHWISE_CONV_2D" else w_shape[0])
        tensors.extend(
            [w, b, _uint8(f"y{number}", shape, product * 90 * fan**0.5, int(rng.integers(0, 200)))]
        )
        operators.append(OperatorSpec(name, [source, first, first + 1], [first + 2], {**more}))
        return first + 2

    one = layer("CONV_2D", 0, (1, 4, 3, 8), (8, 3, 3, 3), 1, **{**CONV, "strideH": 2, "strideW": 2})
    two = layer("DEPTHWISE_CONV_2D", one, (1, 4, 3, 8), (1, 3, 3, 8), 2, **CONV, depthMultiplier=1,
                fusedActivationFunction=3)  # fmt: skip
    three = layer("CONV_2D", two, (1, 4, 3, 8), (8, 1, 1, 8), 3, **CONV)
    total = len(tensors)
    tensors.append(_uint8("sum", (1, 4, 3, 8), tensors[one].scales[0] + tensors[three].scales[0], 125))
    operators.append(OperatorSpec("ADD", [one, three], [total]))
    tensors.append(_uint8("mean", (1, 1, 1, 8), tensors[total].scales[0], 125))
    operators.append(
        OperatorSpec("AVERAGE_POOL_2D", [total], [total + 1], {**POOL, "filterHeight": 4, "filterWidth": 3})
    )
    tensors.append(_uint8("flat", (1, 8), tensors[total].scales[0], 125))
    tensors.append(TensorSpec("shape", (2,), "int32", data=np.array([1, 8], np.int32)))
    operators.append(OperatorSpec("RESHAPE", [total + 1, total + 3], [total + 2], {"newShape": [1, 8]}))
    logits = layer("FULLY_CONNECTED", total + 2, (1, 5), (5, 8), 4)
    tensors.append(_uint8("scores", (1, 5), 1 / 256, 0))
    operators.append(OperatorSpec("SOFTMAX", [logits], [logits + 1], {"beta": 1.0}))
    return build(tensors, operators, [0], [logits + 1])


@pytest.mark.parametrize("seed", range(3))
def test_networks(seed: int) -> None:
    check(_network(seed), sets=5, seed=seed)


def test_inside_nothing_is_unsigned() -> None:
    """Layers with weights follow each other in int8, and keep the names that the file gives."""
    last = passes.optimize(tflite.parse(_network(1), "net"))
    weighted = [
        n for n in last.nodes if n.op.kind() in ("conv2d", "depthwise_conv2d", "fully_connected", "add")
    ]
    assert [n.name for n in weighted if n.op.kind() != "add"] == ["y1", "y2", "y3", "y4"]
    assert {last.tensors[n.inputs[0]].dtype for n in weighted} == {DType.INT8}
    copies = [n for n in last.nodes if n.op.kind() == "lookup"]
    assert len(copies) <= 4, [n.describe() for n in copies]  # the input, both sides of the pool, the scores


def test_multipliers_are_of_a_float32_product() -> None:
    """Scales for which the double product's multiplier is another one, by hundreds: the outputs tell them apart."""
    rng, told_apart = np.random.default_rng(5), 0
    from ascmcu.ops import _scales

    for _ in range(40):
        x, w, y = (float(np.float32(2.0**e)) for e in rng.uniform((-6, -9, -14), (-5, -8, -13)))
        told_apart += _scales.double_multiplier(x, w, over=y) != _scales.double_multiplier(
            _scales.single(x, w), over=y
        )
        weights = rng.integers(0, 256, size=(3, 1, 1, 4)).astype(np.uint8)
        ends = [
            _uint8("x", (1, 5, 5, 4), x), _uint8("w", (3, 1, 1, 4), w, 100, data=weights),
            TensorSpec("b", (3,), "int32", (_scales.single(x, w),), data=np.zeros(3, np.int32)),
            _uint8("y", (1, 5, 5, 3), y, 99),
        ]  # fmt: skip
        check(_single("CONV_2D", ends, CONV), sets=3, compiled=False)
    assert told_apart > 20


def test_int8_weights_with_a_zero_point() -> None:
    """LiteRT takes them in dense layers; a convolution has the values that are meant."""
    rng = np.random.default_rng(2)
    for zero, most in ((5, 100), (-60, 127)):
        data = rng.integers(-128 if most == 127 else -100, most + 1, size=(6, 24)).astype(np.int8)
        ends = [
            TensorSpec("x", (1, 24), "int8", (0.05,), 3), TensorSpec("w", (6, 24), "int8", (0.01,), zero, data=data),
            TensorSpec("b", (6,), "int32", (0.0005,), data=np.arange(6, dtype=np.int32)),
            TensorSpec("y", (1, 6), "int8", (0.4,), -9),
        ]  # fmt: skip
        check(_single("FULLY_CONNECTED", ends))
        maps = [
            TensorSpec("x", (1, 3, 2, 4), "int8", (0.05,), 3),
            TensorSpec("w", (6, 3, 2, 4), "int8", (0.01,), zero, data=data.reshape(6, 3, 2, 4)),
            *ends[2:3], TensorSpec("y", (1, 1, 1, 6), "int8", (0.4,), -9),
        ]  # fmt: skip
        dense = tflite.parse(_single("FULLY_CONNECTED", ends), "dense")
        conv = passes.optimize(tflite.parse(_single("CONV_2D", maps, {**CONV, "padding": 1}), "conv"))
        host = HostModel(conv, "layers", sanitize=True)
        for (x,) in chain.input_sets(dense, 4, rng):
            # A dense layer rounds once, a convolution twice.
            exact = interp.run(dense, [x])[0].astype(int).reshape(-1)
            found = host(x.reshape(1, 3, 2, 4))[0].astype(int).reshape(-1)
            assert np.abs(exact - found).max() <= 1
            assert np.array_equal(found, interp.run(conv, [x.reshape(1, 3, 2, 4)])[0].astype(int).reshape(-1))
