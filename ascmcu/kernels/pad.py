# SPDX-License-Identifier: Apache-2.0
"""PAD and PADV2: a border of one value."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, RowMode, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _loops
from ascmcu.kernels._loops import Loop
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.pad import Pad


@dataclass(frozen=True)
class Params:
    """Compile-time constants: each step fills ``out_elements`` with ``value`` and copies the input's part into it.

    A step whose input row lies outside [0, in_rows) has no copy. Loops have steps (output, input).
    """

    loops: tuple[Loop, ...]
    out_elements: int
    base: int
    top: int
    in_rows: int
    value: int
    c_type: str


@kernel(Pad, cost=Cost(output=3))
def lower(op: Pad, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Fill and copy."""
    (x,) = present(inputs)
    mapped = op.row_rule(inputs, output).mode is RowMode.MAP
    first = 2 if mapped else 0
    into = _loops.contiguous_strides(output.shape)[first:]
    levels = _loops.loops(x.shape[first:], (into, _loops.contiguous_strides(x.shape)[first:]))
    base = sum(s * before for s, (before, _) in zip(into, op.paddings[first:], strict=True))
    elements = output.row_elements if mapped else output.elements
    top, rows = (op.paddings[1][0], x.rows) if mapped else (0, 1)
    return Lowered(Params(levels, elements, base, top, rows, op.value, output.dtype.c_name))
