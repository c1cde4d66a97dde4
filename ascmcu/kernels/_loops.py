# SPDX-License-Identifier: Apache-2.0
"""Strided loops: one description for broadcasting, slicing, transposing and reducing inside a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.ir.types import Tensor

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Loop:
    """One loop level: its extent and each operand's step in elements."""

    extent: int
    steps: tuple[int, ...]


def contiguous_strides(shape: Sequence[int]) -> Shape:
    """Element strides of a C-ordered array."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


def loops(extents: Sequence[int], strides: Sequence[Sequence[int]]) -> tuple[Loop, ...]:
    """Loop levels from outer to inner; levels of extent 1 vanish, neighbours that walk as one are merged."""
    levels: list[Loop] = []
    for axis, extent in enumerate(extents):
        steps = tuple(s[axis] for s in strides)
        if extent == 1:
            continue
        if levels and all(
            outer == inner * extent for outer, inner in zip(levels[-1].steps, steps, strict=True)
        ):
            levels[-1] = Loop(levels[-1].extent * extent, steps)
        else:
            levels.append(Loop(extent, steps))
    return tuple(levels) or (Loop(1, tuple(0 for _ in strides)),)


def broadcast_strides(shape: Sequence[int], target: Sequence[int]) -> Shape:
    """Strides of an operand of equal rank, zero along broadcast axes."""
    strides = contiguous_strides(shape)
    return tuple(0 if extent != whole else s for extent, whole, s in zip(shape, target, strides, strict=True))


def row_shape_of(tensor: Tensor, shape: Sequence[int]) -> Shape:
    """``shape`` without the leading axes that the row axis of ``tensor`` takes off."""
    return tuple(shape[2:]) if tensor.has_row_axis else tuple(shape)
