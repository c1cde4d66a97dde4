# SPDX-License-Identifier: Apache-2.0
"""Single layers of many sizes for each kernel that the networks of ``kernel_networks`` take seldom or never: drawn case
rows (``tests/support/cases.py``), measured with that kernel wherever it applies."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tests.support.cases import Case
from tests.support.tflite_builder import OperatorSpec, TensorSpec, build

Row = dict[str, Any]
WIDE: Row = {"dtype": "int16", "zero_point": 0, "scale": 0.0003}
REAL: Row = {"dtype": "float32"}
# The zero points of int8 that code is made for, and uint8.
_EIGHT_BITS: tuple[Row, ...] = (
    {"dtype": "int8", "zero_point": 12}, {"dtype": "int8", "zero_point": -128}, {"dtype": "uint8"},
)  # fmt: skip
# Extents of windows.
_SIZES = (1, 2, 3, 3, 5)


def _map(rng: random.Random) -> list[int]:
    return [1, rng.randint(3, 16), rng.randint(1, 12), rng.choice((3, 4, 6, 8, 12, 16, 20))]


def _like(rng: random.Random, op: str, kind: Row, out: Row | None = None, **options: Any) -> Row:
    """One input, and an output of its shape."""
    shape = _map(rng)
    return _row(op, [{"shape": shape, **kind}], {"shape": shape, **(kind if out is None else out)}, **options)


def _row(op: str, inputs: list[Row], output: Row, **options: Any) -> Row:
    return {"op": op, "inputs": inputs, "output": output, "options": options}


def _constant(kind: Row, shape: list[int]) -> Row:
    return {"real": shape} if kind is REAL else {"const": shape, **kind}


def _pair(rng: random.Random, op: str, kind: Row, **options: Any) -> Row:
    """A map and a constant of its shape, of one value a channel, or of one value."""
    row = _like(rng, op, kind, **options)
    shape = row["inputs"][0]["shape"]
    other = rng.choice((shape, [1, 1, 1, shape[-1]], [1, 1, 1, 1]))
    return {**row, "inputs": [*row["inputs"], _constant(kind, other)]}


def _bias(kind: Row, count: int) -> Row:
    return {"real": [count]} if kind is REAL else {"wide_bias": count} if kind is WIDE else {"bias": count}


def _weights(kind: Row, shape: list[int], axis: int) -> Row:
    return {"real": shape} if kind is REAL else {"weights": shape, "axis": axis}


def _window(
    rng: random.Random,
    op: str,
    kind: Row,
    *,
    own: Callable[[int], tuple[list[int], int, Row]],
    widths: Sequence[int] = _SIZES,
) -> Row:
    """A layer with a window; ``own`` gives from the channels of the input what stands around the kernel's size in the
    shape of the weights, the channels of the output and further options."""
    shape = _map(rng)
    shape[2] = max(shape[2], min(widths))
    size = [min(rng.choice(choice), d) for choice, d in zip((_SIZES, widths), shape[1:3], strict=True)]
    stride, same = rng.choice((1, 1, 2)), rng.random() < 0.6
    out = [-(-d // stride) if same else (d - k) // stride + 1 for d, k in zip(shape[1:3], size, strict=True)]
    around, channels, more = own(shape[3])
    options = {"padding": int(not same), "strideH": stride, "strideW": stride, **more}
    inputs: list[Row] = [{"shape": shape, **kind}]
    if around:
        axis = 0 if around[0] == channels else 3
        inputs += [_weights(kind, [around[0], *size, around[1]], axis), _bias(kind, channels)]
    else:
        options |= {"filterHeight": size[0], "filterWidth": size[1]}
    return _row(op, inputs, {"shape": [1, *out, channels], **kind}, fusedActivationFunction=0, **options)


def _conv(kind: Row) -> Callable[[random.Random], Row]:
    def drawn(rng: random.Random) -> Row:
        channels = rng.choice((1, 2, 3, 4, 5, 8, 10, 16))
        return _window(rng, "CONV_2D", kind, own=lambda depth: ([channels, depth], channels, {}))

    return drawn


def _winograd(rng: random.Random) -> Row:
    """Kernels of three columns and more on maps of eight outputs and more a row."""
    depth, channels = rng.choice((4, 8, 12, 16)), rng.choice((4, 6, 8, 16, 24))
    kernel_h, kernel_w = rng.choice(((3, 3), (3, 3), (3, 3), (1, 4), (3, 5), (7, 7), (2, 6), (5, 3)))
    same, stride = rng.random() < 0.6, rng.choice((1, 1, 2))
    shape = [1, rng.randint(max(kernel_h, 4), 12), rng.randint(8, 24) + (0 if same else kernel_w - 1), depth]
    out_h = -(-shape[1] // stride) if same else (shape[1] - kernel_h) // stride + 1
    out = [1, out_h, shape[2] if same else shape[2] - kernel_w + 1, channels]
    options = {"padding": int(not same), "strideH": stride, "strideW": 1}
    inputs = [{"shape": shape}, _weights({}, [channels, kernel_h, kernel_w, depth], 0), {"bias": channels}]
    act = rng.choice((0, 1, 3))
    return _row("CONV_2D", inputs, {"shape": out}, fusedActivationFunction=act, **options)


def _conv_max_pool(rng: random.Random) -> Row:
    """A convolution of 3x3 and the maximum over two by two of its outputs."""
    depth, same = rng.choice((1, 4)), rng.random() < 0.7
    height, width, channels = rng.randint(5, 20), rng.randint(5, 40), rng.choice((4, 4, 8, 12, 16))
    out = [d if same else d - 2 for d in (height, width)]
    inputs = [
        {"shape": [1, height, width, depth]},
        _weights({}, [channels, 3, 3, depth], 0),
        {"bias": channels},
    ]
    options = {"padding": 1, "strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2}
    then = {"op": "MAX_POOL_2D", "options": options, "shape": [1, out[0] // 2, out[1] // 2, channels]}
    row = _row(
        "CONV_2D", inputs, {"shape": [1, *out, channels], "zero_point": rng.choice((-128, -11))},
        padding=int(not same), strideH=1, strideW=1, fusedActivationFunction=rng.choice((0, 1, 3)),
    )  # fmt: skip
    return {**row, "then": then}


def _depthwise(kind: Row, widths: Sequence[int] = _SIZES) -> Callable[[random.Random], Row]:
    def own(depth: int) -> tuple[list[int], int, Row]:
        return [1, depth], depth, {"depthMultiplier": 1}

    def drawn(rng: random.Random) -> Row:
        return _window(rng, "DEPTHWISE_CONV_2D", kind, own=own, widths=widths)

    return drawn


def _depthwise_clamped(rng: random.Random) -> Row:
    """Windows of any size; half of the layers with an activation."""
    row = _depthwise({}, [*_SIZES, 4, 7])(rng)
    return {**row, "options": {**row["options"], "fusedActivationFunction": rng.choice((0, 0, 0, 1, 2, 3))}}


def _pool(op: str, kind: Row) -> Callable[[random.Random], Row]:
    output = {} if kind is REAL else {"like_input": True}

    def drawn(rng: random.Random) -> Row:
        row = _window(rng, op, kind, own=lambda depth: ([], depth, {}))
        return {**row, "output": {**row["output"], **output}}

    return drawn


def _dense(kind: Row) -> Callable[[random.Random], Row]:
    def drawn(rng: random.Random) -> Row:
        depth, units = rng.choice((9, 16, 30, 64, 100, 128, 200)), rng.choice((3, 8, 10, 16, 24, 40))
        inputs = [{"shape": [1, depth], **kind}, _weights(kind, [units, depth], 0), _bias(kind, units)]
        inputs[1].pop("axis", None)
        return _row("FULLY_CONNECTED", inputs, {"shape": [1, units], **kind}, fusedActivationFunction=0)

    return drawn


def _dense_on_rows(rng: random.Random) -> Row:
    shape, units = _map(rng), rng.choice((3, 8, 10, 16))
    depth = shape[1] * shape[2] * shape[3]
    inputs = [{"shape": shape}, {"weights": [units, depth]}, {"bias": units}]
    return _row("FULLY_CONNECTED", inputs, {"shape": [1, units]}, fusedActivationFunction=0)


def _reduction(op: str, kind: Row, **output: Any) -> Callable[[random.Random], Row]:
    def drawn(rng: random.Random) -> Row:
        shape, axes = _map(rng), rng.choice(([1, 2], [1, 2], [1], [2], [3]))
        out = [1 if axis in axes else d for axis, d in enumerate(shape)]
        return _row(
            op, [{"shape": shape, **kind}, {"values": axes}], {"shape": out, **kind, **output}, keepDims=True
        )

    return drawn


def _padded(op: str, **options: Any) -> Callable[[random.Random], Row]:
    def drawn(rng: random.Random) -> Row:
        shape = _map(rng)
        amounts = [[0, 0], [1, rng.randint(0, 1)], [min(1, shape[2] - 1)] * 2, [0, 0]]
        out = [d + sum(amount) for d, amount in zip(shape, amounts, strict=True)]
        inputs = [{"shape": shape}, {"values": amounts}]
        return _row(op, inputs, {"shape": out, "like_input": True}, **options)

    return drawn


def _prelu(rng: random.Random) -> Row:
    row = _like(rng, "PRELU", {})
    return {**row, "inputs": [*row["inputs"], {"const": [1, 1, row["inputs"][0]["shape"][3]]}]}


def _depth_to_space(rng: random.Random) -> Row:
    block, shape = rng.choice((2, 2, 3)), _map(rng)
    channels = rng.choice((1, 2, 4, 5))
    x = [*shape[:3], channels * block * block]
    out = [1, shape[1] * block, shape[2] * block, channels]
    return _row("DEPTH_TO_SPACE", [{"shape": x}], {"shape": out, "like_input": True}, blockSize=block)


def _scale_shift(rng: random.Random) -> bytes:
    """MUL and ADD with constants of each channel, which become one step."""
    shape = tuple(_map(rng))
    channels, values = shape[3], np.random.default_rng(rng.randrange(1 << 30))
    factor, offset = (
        TensorSpec(
            name,
            (1, 1, 1, channels),
            "int8",
            (0.03,),
            0,
            0,
            values.integers(-127, 128, (1, 1, 1, channels)).astype(np.int8),
        )
        for name in ("factor", "offset")
    )
    tensors = [
        TensorSpec("x", shape, "int8", (0.05,), 3), factor, TensorSpec("middle", shape, "int8", (0.1,), 5), offset,
        TensorSpec("y", shape, "int8", (0.12,), -7),
    ]  # fmt: skip
    return build(tensors, [OperatorSpec("MUL", [0, 1], [2]), OperatorSpec("ADD", [2, 3], [4])], [0], [4])


def _softmax(kind: Row, **output: Any) -> Callable[[random.Random], Row]:
    def drawn(rng: random.Random) -> Row:
        shape = [1, rng.randint(1, 20), rng.randint(2, 40)]
        return _row("SOFTMAX", [{"shape": shape, **kind}], {"shape": shape, **kind, **output}, beta=1.0)

    return drawn


def _recurrent(op: str, *, real: bool) -> Callable[[random.Random], Row]:
    def drawn(rng: random.Random) -> Row:
        spec: Row = {"depth": rng.choice((5, 8, 16, 24, 40)), "real": real}
        if op == "SVDF":
            spec |= {
                "units": rng.choice((4, 6, 10, 16)),
                "memory": rng.choice((3, 5, 8, 12)),
                "rank": rng.choice((1, 2)),
            }
        else:
            spec |= {"cells": rng.choice((4, 7, 12, 16, 24)), "time": rng.randint(1, 10)}
            spec |= rng.choice(({}, {}, {"peephole": True}, {"norm": True}, {"projected": 6}))
        return {"op": op, "recurrent": spec}

    return drawn


def _of(*ops: str, draw: Callable[[random.Random, str], Row]) -> Callable[[random.Random], Row]:
    """One of several operators, each in its turn."""
    turn = iter(range(1 << 30))
    return lambda rng: draw(rng, ops[next(turn) % len(ops)])


_FLOAT_UNARY = (
    "ABS", "ELU", "EXP", "FLOOR", "HARD_SWISH", "LOG", "LOGISTIC", "NEG", "RELU", "RELU6", "RSQRT", "SQRT", "SQUARE",
    "TANH", "LEAKY_RELU", "GELU",
)  # fmt: skip
_UNARY_OPTIONS: dict[str, Row] = {"LEAKY_RELU": {"alpha": 0.1}}
_UNIT: Row = {"dtype": "int16", "zero_point": 0, "scale": 2.0**-15}

LAYERS: dict[str, Callable[[random.Random], Row | bytes]] = {
    "average_pool2d": _pool("AVERAGE_POOL_2D", {}),
    "conv2d_fours": _conv({}),
    "conv2d_max_pool": _conv_max_pool,
    "conv2d_portable": _conv({}),
    "conv2d_winograd": _winograd,
    "dense_fours": _dense({}),
    "depth_to_space": _depth_to_space,
    "scale_shift": _scale_shift,
    "dense_portable": _dense({}),
    "dense_rows": _dense_on_rows,
    "depthwise_im2row": _depthwise({}, [3]),
    "depthwise_portable": _depthwise({}),
    "depthwise_window": _depthwise_clamped,
    "float_binary": _of(
        "ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", draw=lambda rng, op: _pair(rng, op, REAL)
    ),
    "float_conv2d": _conv(REAL),
    "float_depthwise_conv2d": _depthwise(REAL),
    "float_fully_connected": _dense(REAL),
    "float_lstm": _recurrent("UNIDIRECTIONAL_SEQUENCE_LSTM", real=True),
    "float_pool": _of("AVERAGE_POOL_2D", "MAX_POOL_2D", draw=lambda rng, op: _pool(op, REAL)(rng)),
    "float_reduce": _of("MEAN", "SUM", "REDUCE_MAX", draw=lambda rng, op: _reduction(op, REAL)(rng)),
    "float_softmax": _softmax(REAL),
    "float_svdf": _recurrent("SVDF", real=True),
    "float_svdf_time": _recurrent("SVDF", real=True),
    "float_unary": _of(
        *_FLOAT_UNARY, draw=lambda rng, op: _like(rng, op, REAL, None, **_UNARY_OPTIONS.get(op, {}))
    ),
    "lookup": _of("LOGISTIC", "HARD_SWISH", draw=lambda rng, op: _like(rng, op, {}, _lookup_output(op))),
    "lstm": _recurrent("UNIDIRECTIONAL_SEQUENCE_LSTM", real=False),
    "lstm_output": _recurrent("UNIDIRECTIONAL_SEQUENCE_LSTM", real=False),
    "maximum_minimum": _of(
        "MAXIMUM", "MINIMUM", draw=lambda rng, op: _pair(rng, op, {"scale": 0.05, "zero_point": 0})
    ),
    "mirror_pad": _padded("MIRROR_PAD", mode=0),
    "mul": lambda rng: _pair(rng, "MUL", {}),
    "pad": _padded("PAD"),
    "prelu": _prelu,
    "quantize": lambda rng: _like(rng, "QUANTIZE", REAL, rng.choice(_EIGHT_BITS)),
    "quantize_wide": lambda rng: _like(rng, "QUANTIZE", REAL, WIDE),
    "reduce_max": _reduction("REDUCE_MAX", {}, like_input=True),
    "requantize": lambda rng: _like(rng, "QUANTIZE", WIDE, {"dtype": "int8"}),
    "svdf": _recurrent("SVDF", real=False),
    "svdf_time": _recurrent("SVDF", real=False),
    "wide_binary": _of("ADD", "SUB", "MUL", draw=lambda rng, op: _pair(rng, op, WIDE)),
    "wide_conv2d": _conv(WIDE),
    "wide_conv2d_pairs": _conv(WIDE),
    "wide_conv2d_portable": _conv(WIDE),
    "wide_dense": _dense(WIDE),
    "wide_depthwise": _depthwise(WIDE),
    "wide_dense_eights": _dense(WIDE),
    "wide_function": _of("LOGISTIC", "TANH", draw=lambda rng, op: _like(rng, op, WIDE, _UNIT)),
    "wide_softmax": _softmax(WIDE, scale=2.0**-15),
    "wide_sqrt": lambda rng: _like(rng, "SQRT", WIDE),
    "wide_table": _of("EXP", "LOG", "GELU", draw=lambda rng, op: _like(rng, op, WIDE)),
}


def _lookup_output(op: str) -> Row:
    return {"scale": 1 / 256, "zero_point": -128} if op == "LOGISTIC" else {}


# Of kernels with many parts it takes more layers to tell what each costs.
_MANY = (
    "average_pool2d", "conv2d_fours", "conv2d_max_pool", "conv2d_portable", "conv2d_winograd", "depthwise_im2row",
    "depthwise_portable", "depthwise_window", "float_conv2d", "float_depthwise_conv2d", "float_unary", "lookup",
)  # fmt: skip


def drawn(kernel: str, seed: int, count: int) -> Iterator[bytes]:
    """``count`` models of one layer for a kernel, three times as many if it has many parts; a seed gives the same
    ones."""
    rng = random.Random(f"{kernel} {seed}")
    for number in range(3 * count if kernel in _MANY else count):
        made = LAYERS[kernel](rng)
        yield made if isinstance(made, bytes) else Case(kernel, str(number), made).model()
