# SPDX-License-Identifier: Apache-2.0
"""LOOKUP: any function of one 8-bit element, as a table of 256 bytes. Only passes make it."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.layout import ROW_MAJOR, TIME_TO_WIDTH
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._work import work
from ascmcu.ops.lookup import Lookup

# The longest loop that the compiler unrolls completely.
_UNROLLED = 16


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
    counts = {"unrolled": steps * elements}
    if elements > _UNROLLED:
        counts = {"loops": steps, "looped": steps * elements}
    params = Params(elements, x.dtype.c_name, output.dtype.c_name)
    return Lowered(params, (("table", table.values),), work=work(counts))
