# SPDX-License-Identifier: Apache-2.0
"""SOFTMAX of int16 over the last axis, by tables of 513 entries."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register_wide
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _scales, _wide
from ascmcu.ops._elementwise import Elementwise
from ascmcu.ops._fixed import I64, multiply_by_quantized_multiplier
from ascmcu.ops.softmax import Softmax, import_beta

_STEPS = 512
_RANGE = 65535
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
        exps = between(exp_table(), np.clip(scaled + 32767, _LOW, _HIGH))
        total = exps.sum(axis=-1, keepdims=True)
        zeros = 32 - np.vectorize(lambda v: int(v).bit_length())(total)
        shifted = ((total << (zeros - 1)) + (1 << 13)) >> 14
        inverse = between(reciprocal_table(), np.clip(shifted - ((1 << 15) + (1 << 16)), _LOW, _HIGH))
        right = 31 - zeros
        found = (exps * inverse + (np.int64(1) << (right - 1))) >> right
        return np.asarray(np.clip(found, 0, _HIGH), output.dtype.numpy)


def between(table: Array, x: Array) -> I64:
    """``LUTLookup``: int16 values between the entries."""
    place, offset = 256 + (x >> 7), x & 0x7F
    base = table[place].astype(np.int64)
    slope = table[place + 1].astype(np.int64) - base
    found: I64 = base + ((slope * offset + 64) >> 7)
    return found


def _rounded(x: Array) -> Array:
    return np.asarray(np.copysign(np.floor(np.abs(x) + 0.5), x))


def _table(function: Callable[[Array], Array], scale: float, zero_point: int) -> Array:
    """``LUTPopulate<int16_t>``: samples, corrected by half of what a chord's middle is off."""
    first, last = scale * (_LOW - zero_point), scale * (_HIGH - zero_point)
    step = (last - first) / _STEPS
    inverse = 65536.0 / (2.0 / _RANGE * _HIGH - 2.0 / _RANGE * _LOW)
    at = first + np.arange(_STEPS) * step
    value, middle = function(at) * inverse, function(at + step / 2) * inverse
    following = function(first + (np.arange(_STEPS) + 1) * step) * inverse
    chord = _rounded((following + _rounded(value)) / 2)
    bias = _rounded((chord - _rounded(middle)) / 2)
    samples = [_rounded(value) - bias, _rounded(function(np.array([last])) * inverse)]
    return np.asarray(np.clip(np.concatenate(samples), _LOW, _HIGH), np.int16)


@functools.cache
def exp_table() -> Array:
    """exp of −10 … 0 in Q0.15."""
    return _table(np.exp, _SPAN / _RANGE, _HIGH)


@functools.cache
def reciprocal_table() -> Array:
    """1 / (1 + x) for x = 0 … 1 in Q0.15."""
    return _table(lambda x: 1.0 / (1.0 + x), 1.0 / _RANGE, _LOW)
