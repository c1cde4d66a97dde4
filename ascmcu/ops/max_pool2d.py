# SPDX-License-Identifier: Apache-2.0
"""MAX_POOL_2D."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _pool, _window


@register("MAX_POOL_2D")
@dataclass(frozen=True)
class MaxPool2D(_pool.Pool):
    """The largest element under each window (tflite reference_integer_ops::MaxPool)."""

    KIND = "max_pool2d"
    FAMILY = "pool"

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Padding never wins."""
        x = present(arrays)[0]
        lowest = output.dtype.integer_range[0]
        view = _window.windows(x.astype(np.int32), self.kernel, self.stride, (1, 1), self.padding, lowest)
        largest: Array = np.clip(view.max(axis=(4, 5)), *self.clamp)
        return largest.astype(output.dtype.numpy)

    def state_bytes(self, output: Tensor) -> int:
        """None: the output row holds the maxima so far."""
        return 0
