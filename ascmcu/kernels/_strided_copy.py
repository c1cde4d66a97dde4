# SPDX-License-Identifier: Apache-2.0
"""Strided copies for SLICE and TRANSPOSE."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.kernels._loops import Loop


@dataclass(frozen=True)
class CopyParams:
    """One step's copy: loops with steps (output, input), beginning at ``base`` elements into the input.

    ``row_stride`` and ``row_first`` tell which input row step s reads; a whole-tensor copy reads from row 0.
    """

    loops: tuple[Loop, ...]
    base: int
    row_stride: int
    row_first: int
    c_type: str
