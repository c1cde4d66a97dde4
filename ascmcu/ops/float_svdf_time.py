# SPDX-License-Identifier: Apache-2.0
"""What a float32 SVDF gives, out of its memory; the import makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, Op, TensorType, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _float


@register()
@dataclass(frozen=True)
class FloatSvdfTime(Op):
    """y[u] = activation(bias[u] + Σ over its ``rank`` filters of weights · memory).

    Inputs: memory (1, filters × memory), weights (filters, memory), bias (units).
    """

    KIND = "float_svdf_time"
    FAMILY = "dense"
    rank: int
    activation: str

    def infer(self, inputs: Inputs) -> TensorType:
        """One output per unit."""
        return TensorType((1, present(inputs)[2].shape[0]), DType.FLOAT32)

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """One per weight."""
        return present(inputs)[1].elements

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Summed in float64, rounded once."""
        memory, weights, bias = present(arrays)
        products = memory.reshape(weights.shape).astype(np.float64) * weights
        total = products.reshape(output.elements, -1).sum(axis=1) + bias
        return _float.activated(total, self.activation).astype(np.float32).reshape(output.shape)
