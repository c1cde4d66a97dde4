# SPDX-License-Identifier: Apache-2.0
"""CONCATENATION and PACK: tensors joined along an axis."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from ascmcu.ir.op import Inputs, RowMode
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.concatenation import Concatenation


@dataclass(frozen=True)
class Params:
    """Compile-time constants.

    Along the row axis (``by_row``), input i supplies output rows [starts[i], starts[i + 1]). Otherwise each step
    copies ``outer`` runs of ``chunks[i]`` elements from every input; ``whole`` says that a step is the whole tensor.
    """

    by_row: bool
    starts: tuple[int, ...]
    outer: int
    chunks: tuple[int, ...]
    c_type: str
    constant: tuple[bool, ...]

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where each input's first chunk lies in the output."""
        return tuple(itertools.accumulate(self.chunks, initial=0))


@kernel(Concatenation, cost=Cost(output=2))
def lower(op: Concatenation, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Copies in C order; constant inputs go to flash as c0, c1, …"""
    tensors = [t for t in inputs if t is not None]
    by_row = op.by_row(output)
    rule = op.row_rule(inputs, output)
    outer_axes = output.shape[: op.axis] if rule.mode is RowMode.WHOLE else output.shape[2 : op.axis]
    chunks = tuple(math.prod(t.shape[op.axis :]) for t in tensors)
    starts = [0]
    for t in tensors:
        starts.append(starts[-1] + t.shape[op.axis])
    if by_row:
        chunks = tuple(t.row_elements for t in tensors)
    params = Params(
        by_row,
        tuple(starts) if by_row else (),
        1 if by_row else math.prod(outer_axes),
        chunks,
        output.dtype.c_name,
        tuple(t.is_const for t in tensors),
    )
    return Lowered(params, tuple((f"c{i}", t.data) for i, t in enumerate(tensors) if t.data is not None))
