# SPDX-License-Identifier: Apache-2.0
"""LOOKUP: any function of one 8-bit element, as a table of 256 bytes. Only passes make it."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.layout import ROW_MAJOR, TIME_TO_WIDTH
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.lookup import Lookup

# An element's cycles on the cycle model: of a loop that the compiler unrolls completely, and of one that stays.
_UNROLLED = 16
_UNROLLED_CYCLES = 4.8
_LOOP_CYCLES = 6.2
_STEP_CYCLES = 8


@dataclass(frozen=True)
class Params:
    """Elements per step."""

    elements: int
    x_type: str
    y_type: str


@kernel(
    Lookup,
    reads=(ROW_MAJOR, TIME_TO_WIDTH),
    writes=(ROW_MAJOR, TIME_TO_WIDTH),
    cost=Cost(output=6),
)
def lower(op: Lookup, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """The table goes to flash."""
    x, table = present(inputs)
    elements, steps = output.row_elements, op.row_rule(inputs, output).steps
    each = _UNROLLED_CYCLES if elements <= _UNROLLED else _LOOP_CYCLES
    return Lowered(
        Params(elements, x.dtype.c_name, output.dtype.c_name),
        (("table", table.values),),
        cycles=round(steps * (_STEP_CYCLES + each * elements)),
    )
