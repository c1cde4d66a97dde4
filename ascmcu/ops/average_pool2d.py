# SPDX-License-Identifier: Apache-2.0
"""AVERAGE_POOL_2D."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _pool, _window


@register("AVERAGE_POOL_2D")
@dataclass(frozen=True)
class AveragePool2D(_pool.Pool):
    """The mean of the elements under each window, halves rounded away from zero; padding does not count
    (tflite reference_integer_ops::AveragePool)."""

    KIND = "average_pool2d"
    FAMILY = "pool"

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Sum and count of the valid elements, then the rounded quotient."""
        x = present(arrays)[0]
        geometry = (self.kernel, self.stride, (1, 1), self.padding)
        total = _window.windows(x.astype(np.int64), *geometry).sum(axis=(4, 5))
        count = _window.windows(np.ones((1, *x.shape[1:3], 1), np.int64), *geometry).sum(axis=(4, 5))
        magnitude = (np.abs(total) + count // 2) // count
        mean: Array = np.clip(np.sign(total) * magnitude, *self.clamp)
        return mean.astype(output.dtype.numpy)

    def state_bytes(self, output: Tensor) -> int:
        """Sums of int32."""
        return 4 * output.row_elements
