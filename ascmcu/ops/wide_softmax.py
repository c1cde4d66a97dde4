# SPDX-License-Identifier: Apache-2.0
"""SOFTMAX of int16 over the last axis, by tables of 513 entries."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register_wide
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _lut16, _scales, _wide
from ascmcu.ops._elementwise import Elementwise
from ascmcu.ops._fixed import multiply_by_quantized_multiplier
from ascmcu.ops.softmax import Softmax, import_beta

_RANGE = 65535
# Both functions are kept in −1 … 1.
_OUTPUT_SCALE = 2.0 / _RANGE
_LOW, _HIGH = -(1 << 15), (1 << 15) - 1
# Differences to the maximum from here on are those of e^-10.
_SPAN = 10.0


@register_wide("SOFTMAX")
@dataclass(frozen=True)
class WideSoftmax(Elementwise):
    """exp(beta·x) / Σ exp(beta·x), both functions between the entries of a table (tflite reference_ops::SoftmaxInt16).

    ``multiplier`` and ``shift`` bring a difference of inputs to 10 / 65535.
    """

    KIND = "wide_softmax"
    PROBABILITIES = True
    FAMILY = "activation"
    multiplier: int
    shift: int

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op; of 8-bit inputs it is the other one's."""
        x, output = ctx.needed(0), ctx.outputs[0]
        if x.dtype is not DType.INT16:
            Softmax.import_tflite(ctx)
            return
        _wide.require_wide(ctx, x, output)
        if abs(output.scale * 32768 - 1) > 0.001 or x.scale <= 0:
            raise ctx.error("softmax output must cover 0 … 1", output, expected="scale 1/32768, zero point 0")
        scaling = _scales.double(x.scale, import_beta(ctx), over=_SPAN / _RANGE)
        if scaling >= _scales.MOST:
            raise ctx.error("softmax's input scale is too large", x, found=x.scale)
        ctx.emit(
            cls(*_scales.double_multiplier(x.scale, import_beta(ctx), over=_SPAN / _RANGE)), (x,), output
        )

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        x = present(arrays)[0].astype(np.int64)
        difference = x - x.max(axis=-1, keepdims=True)
        scaled = multiply_by_quantized_multiplier(difference, self.multiplier, self.shift)
        exps = _lut16.between(exp_table(), np.clip(scaled + 32767, _LOW, _HIGH))
        total = exps.sum(axis=-1, keepdims=True)
        zeros = 32 - np.vectorize(lambda v: int(v).bit_length())(total)
        shifted = ((total << (zeros - 1)) + (1 << 13)) >> 14
        inverse = _lut16.between(reciprocal_table(), np.clip(shifted - ((1 << 15) + (1 << 16)), _LOW, _HIGH))
        right = 31 - zeros
        found = (exps * inverse + (np.int64(1) << (right - 1))) >> right
        return np.asarray(np.clip(found, 0, _HIGH), output.dtype.numpy)


@functools.cache
def exp_table() -> Array:
    """exp of −10 … 0 in Q0.15."""
    return _lut16.filled(np.exp, _SPAN / _RANGE, _OUTPUT_SCALE, (_HIGH, 0), real=np.float64)


@functools.cache
def reciprocal_table() -> Array:
    """1 / (1 + x) for x = 0 … 1 in Q0.15."""
    return _lut16.filled(lambda x: 1.0 / (1.0 + x), 1.0 / _RANGE, _OUTPUT_SCALE, (_LOW, 0), real=np.float64)
