# SPDX-License-Identifier: Apache-2.0
"""The operators of a front end in floating point, run by NumPy in double precision."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tflite

from ascmcu.frontends.ingraph.operators import Operator, Subgraph
from ascmcu.ir.types import Array

Values = dict[int, Array]


class NotRunError(Exception):
    """An operator that this does not run."""


def run(graph: Subgraph, given: Values, wanted: int) -> Array:
    """The value of a tensor, computed from those that are given.

    Raises:
        NotRunError: it needs an operator that is not run here; the message is its name.
    """
    values: Values = {**{i: _wide(c) for i, c in graph.constants.items()}, **given}
    needed = _needed(graph, values, wanted)
    for op in graph.operators:
        if op.index in needed:
            if op.name not in _RUN:
                raise NotRunError(op.name)
            values[op.outputs[0]] = np.asarray(_RUN[op.name](graph, op, [values.get(i) for i in op.inputs]))
    if wanted not in values:
        raise NotRunError("an input that is not given")
    return values[wanted]


def _needed(graph: Subgraph, values: Values, wanted: int) -> set[int]:
    """The operators between what is given and what is wanted."""
    makers = {output: op for op in graph.operators for output in op.outputs}
    found: set[int] = set()
    waiting = [wanted]
    while waiting:
        tensor = waiting.pop()
        op = makers.get(tensor)
        if tensor in values or op is None or op.index in found:
            continue
        found.add(op.index)
        waiting += [i for i in op.inputs if i >= 0]
    return found


def _wide(constant: Array) -> Array:
    return constant.astype(np.float64) if constant.dtype == np.float32 else constant


_Run = Callable[[Subgraph, Operator, list[Array | None]], Array]


def _each(function: Callable[..., Array]) -> _Run:
    return lambda graph, op, x: np.asarray(function(*x))


def _reduced(function: Callable[..., Array]) -> _Run:
    def run_it(graph: Subgraph, op: Operator, x: list[Array | None]) -> Array:
        source, axes = _two(x)
        keep = bool(op.options.KeepDims()) if op.options else False
        return np.asarray(function(source, axis=tuple(int(a) for a in axes.reshape(-1)), keepdims=keep))

    return run_it


def _two(x: list[Array | None]) -> tuple[Array, Array]:
    first, second = x[0], x[1]
    assert first is not None and second is not None
    return first, second


def _shaped(graph: Subgraph, op: Operator, x: list[Array | None]) -> Array:
    assert x[0] is not None
    return x[0].reshape(graph.shapes[op.outputs[0]])


def _gather(graph: Subgraph, op: Operator, x: list[Array | None]) -> Array:
    source, at = _two(x)
    if op.options is not None and op.options.BatchDims():
        raise NotRunError("GATHER with batch dimensions")
    return np.take(source, at.astype(np.int64), axis=op.options.Axis() if op.options else 0)


def _pad(graph: Subgraph, op: Operator, x: list[Array | None]) -> Array:
    source, ends = _two(x)
    value = x[2] if len(x) > 2 else None
    with_value = 0.0 if value is None else float(value.reshape(-1)[0])
    return np.pad(source, ends.astype(np.int64), constant_values=with_value)


def _mirror(graph: Subgraph, op: Operator, x: list[Array | None]) -> Array:
    source, ends = _two(x)
    reflect = op.options.Mode() == tflite.MirrorPadMode.REFLECT
    return np.pad(source, ends.astype(np.int64), mode="reflect" if reflect else "symmetric")


def _slice(graph: Subgraph, op: Operator, x: list[Array | None]) -> Array:
    source, begin = _two(x)
    shape = graph.shapes[op.outputs[0]]
    return source[tuple(slice(int(b), int(b) + n) for b, n in zip(begin.reshape(-1), shape, strict=True))]


def _strided(graph: Subgraph, op: Operator, x: list[Array | None]) -> Array:
    source = x[0]
    assert source is not None and op.options is not None
    begin, end, step = ([int(v) for v in np.asarray(part).reshape(-1)] for part in x[1:4])
    if op.options.EllipsisMask() or op.options.NewAxisMask():
        raise NotRunError("STRIDED_SLICE with an ellipsis")
    cut: list[int | slice] = []
    for i, (first, last, by) in enumerate(zip(begin, end, step, strict=True)):
        if op.options.ShrinkAxisMask() >> i & 1:
            cut.append(first)
            continue
        low = None if op.options.BeginMask() >> i & 1 else first
        high = None if op.options.EndMask() >> i & 1 else last
        cut.append(slice(low, high, by))
    return source[tuple(cut)]


def _joined(graph: Subgraph, op: Operator, x: list[Array | None]) -> Array:
    return np.concatenate([part for part in x if part is not None], axis=op.options.Axis())


def _transposed(graph: Subgraph, op: Operator, x: list[Array | None]) -> Array:
    source, order = _two(x)
    return np.transpose(source, [int(v) for v in order.reshape(-1)])


def _spectrum(graph: Subgraph, op: Operator, x: list[Array | None]) -> Array:
    source, lengths = _two(x)
    rows, points = (int(v) for v in lengths.reshape(-1))
    if rows != 1:
        raise NotRunError("RFFT2D over two axes")
    return np.fft.rfft(source, points, axis=-1)


def _dense(graph: Subgraph, op: Operator, x: list[Array | None]) -> Array:
    source, weights = _two(x)
    if op.options is not None and op.options.FusedActivationFunction():
        raise NotRunError("FULLY_CONNECTED with an activation")
    bias = x[2] if len(x) > 2 else None
    made = source.reshape(-1, weights.shape[1]) @ weights.T + (0.0 if bias is None else bias)
    return np.asarray(made.reshape(graph.shapes[op.outputs[0]]))


def _product(graph: Subgraph, op: Operator, x: list[Array | None]) -> Array:
    left, right = _two(x)
    flipped_left = bool(op.options.AdjX()) if op.options else False
    flipped_right = bool(op.options.AdjY()) if op.options else False
    left = np.swapaxes(left, -1, -2) if flipped_left else left
    return np.asarray(left @ (np.swapaxes(right, -1, -2) if flipped_right else right))


def _convolved(graph: Subgraph, op: Operator, x: list[Array | None]) -> Array:
    """A convolution along one row, which is how a layer computes an STFT."""
    source, weights = _two(x)
    options = op.options
    plain = options is not None and not options.FusedActivationFunction() and options.DilationWFactor() == 1
    if (
        not plain
        or source.shape[1] != 1
        or weights.shape[1] != 1
        or options.Padding() != tflite.Padding.VALID
    ):
        raise NotRunError("CONV_2D that is no transform of frames")
    windows = np.lib.stride_tricks.sliding_window_view(source[:, 0], weights.shape[2], axis=1)
    made = np.einsum("nfck,okc->nfo", windows[:, :: options.StrideW()], weights[:, 0])
    bias = x[2] if len(x) > 2 else None
    return np.asarray((made + (0.0 if bias is None else bias))[:, None])


def _cast(graph: Subgraph, op: Operator, x: list[Array | None]) -> Array:
    assert x[0] is not None
    dtype = graph.dtypes[op.outputs[0]]
    return x[0].astype(np.float64 if dtype == "float32" else dtype)


def _quantized(graph: Subgraph, op: Operator, x: list[Array | None]) -> Array:
    """Half away from zero, as the reference kernel rounds."""
    assert x[0] is not None
    scale, zero_point = graph.quantizations[op.outputs[0]]
    limits = np.iinfo(graph.dtypes[op.outputs[0]])
    ratio = x[0] / scale
    rounded = np.trunc(ratio + np.copysign(0.5, ratio)) + zero_point
    return np.asarray(np.clip(rounded, limits.min, limits.max).astype(graph.dtypes[op.outputs[0]]))


def _logarithm(x: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(x))


_RUN: dict[str, _Run] = {
    "RESHAPE": _shaped, "EXPAND_DIMS": _shaped, "SQUEEZE": _shaped, "GATHER": _gather, "PAD": _pad, "PADV2": _pad,
    "MIRROR_PAD": _mirror, "SLICE": _slice, "STRIDED_SLICE": _strided, "CONCATENATION": _joined,
    "TRANSPOSE": _transposed, "RFFT2D": _spectrum, "FULLY_CONNECTED": _dense, "BATCH_MATMUL": _product,
    "CONV_2D": _convolved, "CAST": _cast, "QUANTIZE": _quantized,
    "COMPLEX_ABS": _each(np.abs), "REAL": _each(np.real), "IMAG": _each(np.imag), "ABS": _each(np.abs),
    "ADD": _each(np.add), "SUB": _each(np.subtract), "MUL": _each(np.multiply), "DIV": _each(np.divide),
    "MAXIMUM": _each(np.maximum), "MINIMUM": _each(np.minimum), "SQUARE": _each(np.square), "SQRT": _each(np.sqrt),
    "POW": _each(np.power), "LOG": _each(_logarithm), "EXP": _each(np.exp), "NEG": _each(np.negative),
    "REDUCE_MAX": _reduced(np.max), "REDUCE_MIN": _reduced(np.min), "MEAN": _reduced(np.mean), "SUM": _reduced(np.sum),
    "SQUARED_DIFFERENCE": _each(lambda a, b: np.square(a - b)),
    "RSQRT": _each(lambda a: 1 / np.sqrt(a)),
}  # fmt: skip
