# SPDX-License-Identifier: Apache-2.0
"""L2_NORMALIZATION: vectors along the last axis, brought to length one."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.l2_normalization import L2Normalization, shifts


@dataclass(frozen=True)
class Params:
    """Compile-time constants: ``vectors`` of ``depth`` elements per step."""

    vectors: int
    depth: int
    zero_point: int
    before: int
    after: int
    y_zero_point: int
    low: int
    high: int
    c_type: str


@kernel(L2Normalization, cost=Cost(output=40))
def lower(op: L2Normalization, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """No constants."""
    (x,) = present(inputs)
    depth = output.shape[-1]
    return Lowered(
        Params(
            output.row_elements // depth,
            depth,
            x.zero_point,
            *shifts(output),
            output.zero_point,
            *output.dtype.integer_range,
            output.dtype.c_name,
        )
    )
