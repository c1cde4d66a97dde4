# SPDX-License-Identifier: Apache-2.0
"""SVDF on int8: a dense layer whose weights are split into one over the input and one over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Op, TensorType, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _quant, _scales, _svdf
from ascmcu.ops._fixed import multiply_by_quantized_multiplier, to_output, wrap32
from ascmcu.ops.svdf_time import SvdfTime

STATES = (DType.INT16, DType.INT8)


@register("SVDF")
@dataclass(frozen=True)
class Svdf(Op):
    """The memory of all filters, one step later: (1, filters × memory), the oldest entry of each filter dropped.

    ``new = clamp(scale(bias + weights · x) + zero point)`` (reference_ops::EvalIntegerSVDF of LiteRT, whose state is
    int16; EvalInt8SvdfReference of TensorFlow Lite Micro, whose state is int8). Inputs: the old memory, x, weights
    (filters, depth), bias int32, which holds the zero point's part of the sums.
    """

    KIND = "svdf"
    FAMILY = "dense"
    OVERWRITES = True
    memory: int
    multiplier: int
    shift: int

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the step of the memory, and what is made of it."""
        operands = _svdf.import_operands(ctx)
        x, state, output = operands.x, operands.state, ctx.outputs[0]
        _check_types(ctx, operands, output)
        weights, time = operands.weights, operands.time
        name = output.name
        bias = -x.zero_point * weights.values.astype(np.int64).sum(axis=1)
        scale = _scales.double_multiplier(x.scale, weights.scale, over=state.scale)
        memory = time.shape[1]
        entry = ctx.temporary(state, (1, operands.filters * memory), f"{name}.memory")
        after = ctx.temporary(state, entry.shape, f"{name}.memory.next")
        offsets = ctx.constant(f"{name}.offsets", bias.astype(np.int32))
        ctx.emit(cls(memory, *scale), (entry, x, weights, offsets), after)
        ctx.carry(entry, after, np.full(entry.shape, state.zero_point, state.dtype.numpy))
        own = operands.bias
        summed = np.zeros(operands.units, np.int64) if own is None else own.values.astype(np.int64)
        summed -= state.zero_point * time.values.astype(np.int64).reshape(operands.units, -1).sum(axis=1)
        final = ctx.constant(f"{name}.bias", wrap32(summed).astype(np.int32))
        rescale = _scales.double_multiplier(state.scale, time.scale, over=output.scale)
        ctx.emit(SvdfTime(operands.rank, *rescale), (after, time, final), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """The memory's."""
        state = present(inputs)[0]
        return TensorType(state.shape, state.dtype)

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """One per weight."""
        return present(inputs)[2].elements

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        state, x, weights, bias = present(arrays)
        sums = wrap32(weights.astype(np.int64) @ x.reshape(-1).astype(np.int64) + bias)
        scaled = multiply_by_quantized_multiplier(sums, self.multiplier, self.shift)
        new = to_output(scaled, output.zero_point, *output.dtype.integer_range)
        found = np.roll(state.reshape(-1, self.memory), -1, axis=1)
        found[:, -1] = new.astype(output.dtype.numpy)
        return np.ascontiguousarray(found.reshape(output.shape))


def _check_types(ctx: ImportContext, operands: _svdf.Operands, output: Tensor) -> None:
    _quant.require_quantized(ctx, operands.x, output)
    for tensor in (operands.x, operands.weights, output):
        ctx.require_dtype(tensor, DType.INT8)
    for tensor in (operands.state, operands.time):
        ctx.require_dtype(tensor, *STATES)
    if operands.state.dtype is not operands.time.dtype:
        raise ctx.error(
            "weights over time have the state's type", operands.time, expected=operands.state.dtype.value
        )
    if operands.bias is not None:
        ctx.require_dtype(operands.bias, DType.INT32)
    for tensor in (operands.weights, operands.time):
        if tensor.quant is None or tensor.quant.per_axis or tensor.zero_point != 0 or tensor.scale <= 0:
            raise ctx.error("weights of SVDF have one scale and no zero point", tensor)
    state = operands.state.quant
    if state is None or state.per_axis or state.scale <= 0:
        raise ctx.error("the state of SVDF needs a scale", operands.state)
    if operands.state.dtype is DType.INT16 and state.zero_point != 0:
        raise ctx.error(
            "an int16 state has no zero point", operands.state, expected=0, found=state.zero_point
        )
    _quant.require_ratio(ctx, state.scale, operands.time.scale)
    if _scales.double(operands.x.scale, operands.weights.scale, over=state.scale) >= _scales.MOST:
        raise ctx.error("the state's scale is too small for its operands", operands.state, found=state.scale)
