# SPDX-License-Identifier: Apache-2.0
"""Bounds of layers with weights: interval arithmetic on the reference's own integers."""

from __future__ import annotations

import numpy as np

from ascmcu.ir.ranges import I64, Range
from ascmcu.ir.types import Array
from ascmcu.ops._quant import Requantization

_INT32 = 1 << 31


def weighted_range(
    products: tuple[I64, I64], bias: Array, requant: Requantization, *, padded: bool = False
) -> Range | None:
    """Bounds of requant(bias + Σ products) from the products at both ends of their inputs, (channels, taps); ``None``
    where accumulators may wrap. ``padded`` says that a tap may lie outside the input, where it contributes nothing."""
    lowest, highest = np.minimum(*products), np.maximum(*products)
    if padded:
        lowest, highest = np.minimum(lowest, 0), np.maximum(highest, 0)
    low, high = lowest.sum(axis=1) + bias, highest.sum(axis=1) + bias
    left = max(*requant.shifts, 0)
    if not requant.once and max(-int(low.min()), int(high.max())) << left >= _INT32:
        return None  # the accumulator would wrap, and the requantization not be monotone
    if low.min() < -_INT32 or high.max() >= _INT32:
        return None
    return Range(requant.apply(low), requant.apply(high))
