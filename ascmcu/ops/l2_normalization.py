# SPDX-License-Identifier: Apache-2.0
"""L2_NORMALIZATION: vectors along the last axis, brought to length one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _quant
from ascmcu.ops._elementwise import Elementwise
from ascmcu.ops._fixed import inverse_root, multiply_by_quantized_multiplier, wrap32

# The output's steps are 2^-7.
OUTPUT_BITS = 7


@register("L2_NORMALIZATION")
@dataclass(frozen=True)
class L2Normalization(Elementwise):
    """x / √Σx² in fixed point (tflite reference_integer_ops::L2Normalization, for uint8
    reference_ops::L2Normalization)."""

    KIND = "l2_normalization"
    FAMILY = "activation"

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.needed(0), ctx.outputs[0]
        _quant.require_quantized(ctx, x, output)
        middle = 0 if output.dtype is DType.INT8 else 128
        if output.zero_point != middle or output.scale != 1 / 128:
            raise ctx.error(
                "the output of L2_NORMALIZATION must cover -1 … 1",
                output,
                expected=f"scale 1/128, zero point {middle}",
                found=f"scale {output.scale}, zero point {output.zero_point}",
            )
        ctx.emit(cls(), (x,), output)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        x, source = present(arrays)[0], present(inputs)[0]
        centred = x.astype(np.int64) - source.zero_point
        sums = wrap32((centred * centred).sum(axis=-1))
        roots = np.array([inverse_root(value) for value in sums.reshape(-1).tolist()], np.int64)
        inverse, right = roots.T.reshape(2, *sums.shape, 1)
        before, after = shifts(output)
        scaled = multiply_by_quantized_multiplier(centred << before, inverse, after - right)
        low, high = output.dtype.integer_range
        return np.clip(scaled + output.zero_point, low, high).astype(output.dtype.numpy)


def shifts(output: Tensor) -> tuple[int, int]:
    """By how many bits elements are raised in front of the multiplication, and how many are left for behind it."""
    return (0, OUTPUT_BITS) if output.dtype is DType.INT8 else (OUTPUT_BITS, 0)
