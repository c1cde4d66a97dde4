# SPDX-License-Identifier: Apache-2.0
"""MEAN and SUM: integer sums, then one requantization (tflite reference_ops::QuantizedMeanOrSum).

MEAN requantizes in fixed point, and so does SUM of uint8. LiteRT 2.3.0's BUILTIN_REF resolver reads the int8 or int16
input of SUM as uint8 and so answers nonsense there; its BUILTIN resolver scales, biases and rounds once in float32. SUM
of int8 and of int16 follows that one, and its case rows name it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _quant, _reduce, _scales
from ascmcu.ops._fixed import multiply_by_quantized_multiplier, round_bounded, to_output, wrap32


@dataclass(frozen=True)
class MeanOrSum(_reduce.Reduction):
    """Base of MEAN and SUM, which differ by how the sum is scaled."""

    MEAN: ClassVar[bool]

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the reduction."""
        x, axes, keep_dims = _reduce.import_reduction(ctx, _quant.require_quantized, wide=True)
        op = cls(axes, keep_dims)
        # SUM becomes an int32 as a float: each of its elements may be 255, or 32768 of int16.
        _quant.require_ratio(ctx, x.scale)
        if not op.fixed_point(x):
            most = 2.0**15 if x.dtype is DType.INT16 else 2.0**22
            _quant.require_ratio(ctx, x.scale, op.count(x), most=most)
        ctx.emit(op, (x,), ctx.outputs[0])

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        x, t = present(arrays)[0], present(inputs)[0]
        total = wrap32(x.astype(np.int64).sum(axis=self.axes)).reshape(output.shape)
        count = self.count(t)
        low, high = output.dtype.integer_range
        if self.fixed_point(t):
            centred = wrap32(total - t.zero_point * count)
            scaled = multiply_by_quantized_multiplier(centred, *self.multiplier(t, output))
        else:
            scale, bias = real_scale(t, output, count)
            scaled = round_bounded(total.astype(np.float32) * scale + bias)
        return to_output(scaled, output.zero_point, low, high).astype(output.dtype.numpy)

    def fixed_point(self, x: Tensor) -> bool:
        """Whether the sum is scaled in fixed point, not in float32."""
        return self.MEAN or x.dtype is DType.UINT8

    def multiplier(self, x: Tensor, output: Tensor) -> tuple[int, int]:
        """(multiplier, shift) of the centred sum in fixed point."""
        multiplier, shift = _scales.double_multiplier(x.scale, over=output.scale)
        if not self.MEAN:
            return multiplier, shift
        # reduce.h folds 1/count into the multiplier with as many bits as the count's magnitude allows.
        count = self.count(x)
        extra = min(count.bit_length() - 1, 32, 31 + shift)
        return (multiplier << extra) // count, shift - extra


def real_scale(x: Tensor, output: Tensor, count: int) -> tuple[np.float32, np.float32]:
    """Scale and bias of SUM, each operation rounded to float32."""
    scale = np.float32(_scales.single(x.scale, over=output.scale))
    bias = np.float32(_scales.single(-x.zero_point, float(scale), count))
    return scale, bias
