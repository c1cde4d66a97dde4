# SPDX-License-Identifier: Apache-2.0
"""ADD and SUB by two multiply-accumulates and one saturating shift per element.

    y = SSAT(C + (A1 · (256·a) >> 16) + (A2 · (256·b) >> 16), asr S)

SMLAWB multiplies a whole word by a halfword and keeps the upper bits; a byte masked in the upper half of a halfword is
256 times its value. All 65,536 pairs of inputs are tried at export: each bounds C from both sides, so a C that is left
makes the form exact.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.types import Array

_SEARCH = 3
_MOST_BITS = 30
_COMMON_SHIFT = 20


@dataclass(frozen=True)
class TwoMacAdd:
    """Compile-time constants of the form."""

    a_factor: int
    b_factor: int
    offset: int
    shift: int


def two_mac_add(table: Array, a_scale: float, b_scale: float, low: int, high: int) -> TwoMacAdd | None:
    """The form that gives ``table[a + 128, b + 128]``, or ``None``.

    Args:
        table: the reference's outputs for all int8 pairs.
        a_scale: output units per unit of a; negative where it is subtracted.
        b_scale: likewise for b.
        low: the activation's lowest output; values at it only bound from above, as the clamp hides the rest.
        high: the activation's highest output.
    """
    if (low, high) != (-128, 127):
        return None
    largest = max(abs(a_scale), abs(b_scale))
    finest = int(np.floor(_MOST_BITS - 8 - np.log2(max(largest, 2.0**-8))))
    # A coarser shift that most layers can have first: they share their code.
    found = (
        _at_shift(table, a_scale, b_scale, low, high, shift) for shift in (min(_COMMON_SHIFT, finest), finest)
    )
    return next((form for form in found if form is not None), None)


def _at_shift(
    table: Array, a_scale: float, b_scale: float, low: int, high: int, shift: int
) -> TwoMacAdd | None:
    nominal = [round(scale * 2.0 ** (shift + 8)) for scale in (a_scale, b_scale)]
    if shift < 8 or shift > 28 or max(map(abs, nominal)) >= (1 << 31) - _SEARCH:
        return None
    deltas = sorted(
        itertools.product(range(-_SEARCH, _SEARCH + 1), repeat=2), key=lambda d: abs(d[0]) + abs(d[1])
    )
    target = table.astype(np.int64)
    floor = np.where(target > low, target << shift, -(1 << 62))
    ceiling = np.where(target < high, (target + 1) << shift, 1 << 62)
    x = np.arange(-128, 128, dtype=np.int64) * 256
    for a_delta, b_delta in deltas:
        a_factor, b_factor = nominal[0] + a_delta, nominal[1] + b_delta
        total = ((a_factor * x) >> 16)[:, np.newaxis] + ((b_factor * x) >> 16)[np.newaxis, :]
        least, most = int((floor - total).max()), int((ceiling - total).min()) - 1
        if least <= most and _fits(total, least, most):
            return TwoMacAdd(a_factor, b_factor, (least + most) // 2, shift)
    return None


def _fits(total: Array, least: int, most: int) -> bool:
    offset = (least + most) // 2
    return bool(
        abs(offset) < 1 << 31 and total.max() + offset < 1 << 31 and total.min() + offset >= -(1 << 31)
    )
