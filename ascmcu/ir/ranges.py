# SPDX-License-Identifier: Apache-2.0
"""The possible values of each channel of a tensor. A channel is an index of the last axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.ir.types import Tensor

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Range:
    """Lowest and highest raw integer per channel, each of shape (channels,)."""

    low: I64
    high: I64

    @property
    def constant(self) -> Any:
        """Which channels have one value."""
        return self.low == self.high


def full_range(tensor: Tensor) -> Range:
    """All that the element type holds."""
    low, high = tensor.dtype.integer_range if tensor.dtype.numpy.kind in "iu" else (0, 1)
    channels = tensor.shape[-1] if tensor.shape else 1
    return Range(np.full(channels, low, np.int64), np.full(channels, high, np.int64))
