# SPDX-License-Identifier: Apache-2.0
"""What an integer SVDF gives, out of its memory; the import makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, Op, TensorType, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops._fixed import multiply_by_quantized_multiplier, to_output, wrap32


@register()
@dataclass(frozen=True)
class SvdfTime(Op):
    """y[u] = clamp(scale(bias[u] + Σ over its ``rank`` filters of weights · memory) + zero point).

    Inputs: memory (1, filters × memory), weights (filters, memory), bias int32 (units), which holds the zero point's
    part of the sums.
    """

    KIND = "svdf_time"
    FAMILY = "dense"
    rank: int
    multiplier: int
    shift: int

    def infer(self, inputs: Inputs) -> TensorType:
        """One output per unit."""
        return TensorType((1, present(inputs)[2].shape[0]), DType.INT8)

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """One per weight."""
        return present(inputs)[1].elements

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        memory, weights, bias = present(arrays)
        products = memory.reshape(weights.shape).astype(np.int64) * weights
        sums = wrap32(products.reshape(output.elements, -1).sum(axis=1) + bias)
        scaled = multiply_by_quantized_multiplier(sums, self.multiplier, self.shift)
        found = to_output(scaled, output.zero_point, *output.dtype.integer_range)
        return found.astype(output.dtype.numpy).reshape(output.shape)
