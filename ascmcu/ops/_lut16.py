# SPDX-License-Identifier: Apache-2.0
"""Functions of int16 between the 513 entries of a table (``LUTPopulate`` and ``LUTLookup`` of
tflite/kernels/internal/common.h)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ascmcu.ir.types import Array
from ascmcu.ops._fixed import I64, round_away
from ascmcu.ops._fixed16 import wrap16

ENTRIES = 513
_STEPS = ENTRIES - 1
_LOW, _HIGH = -(1 << 15), (1 << 15) - 1
Function = Callable[[Any], Any]


def filled(
    function: Function,
    scale: float,
    output_scale: float,
    zero_points: tuple[int, int] = (0, 0),
    *,
    real: type,
) -> Array:
    """Samples of ``function`` at each 128th input, int16 (513,), corrected by half of what a chord's middle is off.

    ``real`` is the floating type of every step: ``np.float32``, or ``np.float64`` for the tables of SOFTMAX.
    """
    x_scale, y_scale = real(scale), real(output_scale)
    first, last = x_scale * real(_LOW - zero_points[0]), x_scale * real(_HIGH - zero_points[0])
    least, most = y_scale * real(_LOW - zero_points[1]), y_scale * real(_HIGH - zero_points[1])
    step, inverse = (last - first) / real(_STEPS), real(_HIGH - _LOW + 1) / (most - least)
    place: Array = np.arange(_STEPS, dtype=np.int64).astype(real)
    with np.errstate(all="ignore"):
        at = first + place * step
        sample = round_away(function(at) * inverse)
        chord = round_away((function(first + (place + real(1)) * step) * inverse + sample) / real(2))
        off = chord - round_away(function(at + step / real(2)) * inverse)
        entries = np.append(
            sample - round_away(off / real(2)), round_away(function(np.array([last], real)) * inverse)
        )
    # What is no number becomes the least int32 in C on the x86-64 on which LiteRT runs: its lower half is 0.
    known: Array = np.where(np.isnan(entries), 0, np.clip(entries, _LOW, _HIGH)).astype(np.int16)
    return known


def between(table: Array, x: Array) -> I64:
    """int16 values between the entries; slopes and results wrap as int16 does."""
    values = x.astype(np.int64)
    place, offset = 256 + (values >> 7), values & 0x7F
    base = table[place].astype(np.int64)
    slope = wrap16(table[place + 1].astype(np.int64) - base)
    return wrap16(base + ((slope * offset + 64) >> 7))
