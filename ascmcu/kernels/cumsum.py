# SPDX-License-Identifier: Apache-2.0
"""CUMSUM: running sums along one axis."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels._along_axis import Along, along
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.cumsum import Cumsum

# Integers wrap, which C defines for these.
_SUMS = {DType.FLOAT32: "float", DType.INT32: "uint32_t", DType.INT64: "uint64_t"}


@dataclass(frozen=True)
class Params:
    """Compile-time constants; a block is walked from ``first`` by ``step``."""

    walk: Along
    exclusive: bool
    first: int
    step: int
    c_type: str
    sum_type: str


@kernel(Cumsum, cost=Cost(output=8))
def lower(op: Cumsum, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """No constants."""
    (x,) = present(inputs)
    walk = along(x, op.axis, op.row_rule(inputs, output))
    first, step = (walk.block - walk.inner, -walk.inner) if op.reverse else (0, walk.inner)
    return Lowered(Params(walk, op.exclusive, first, step, x.dtype.c_name, _SUMS[x.dtype]))
