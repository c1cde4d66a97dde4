# SPDX-License-Identifier: Apache-2.0
"""Shared code of kernels with two broadcast operands."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Array, Tensor
from ascmcu.kernels import _loops
from ascmcu.kernels._loops import Loop as Loop  # re-exported


def loops(inputs: Inputs, output: Tensor) -> tuple[Loop, ...]:
    """The loops over one output row; steps are (output, first operand, second operand)."""
    target = output.row_shape
    strides = [_loops.contiguous_strides(target)]
    for t in present(inputs)[:2]:
        strides.append(_loops.broadcast_strides(_loops.row_shape_of(output, t.stored_shape), target))
    return _loops.loops(target, strides)


@dataclass(frozen=True)
class Operand:
    """An int8 or uint8 operand in C; a constant one is an array in flash and does not have a ring."""

    zero_point: int
    c_type: str


def operand(tensor: Tensor) -> Operand:
    """The operand's facts."""
    return Operand(tensor.zero_point, tensor.dtype.c_name)


def constant_operands(inputs: Inputs) -> tuple[tuple[str, Array], ...]:
    """Constant operands as (C name, data)."""
    names = ("a", "b")
    return tuple(
        (name, t.data) for name, t in zip(names, inputs, strict=False) if t is not None and t.data is not None
    )


def turns(levels: tuple[Loop, ...], output: Tensor, function: str = "") -> dict[str, int]:
    """What the loops over all rows come to: elements, those of each function apart where there are several, and how
    often the innermost loop begins."""
    inner = levels[-1].extent
    return {f"elements_{function}".strip("_"): output.elements, "loops": output.elements // inner}
