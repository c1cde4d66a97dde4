# SPDX-License-Identifier: Apache-2.0
"""What an integer SVDF gives, out of its memory."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.ops.svdf_time import SvdfTime


@dataclass(frozen=True)
class Params:
    """Compile-time constants: ``taps`` entries of memory make one of ``units`` outputs."""

    units: int
    taps: int
    multiplier: int
    shift: int
    zero_point: int
    state_type: str
    weight_type: str

    @property
    def paired(self) -> bool:
        """Whether the entries are int16 and come two to a word."""
        return self.state_type == "int16_t" and self.taps % 2 == 0

    @property
    def pairs(self) -> int:
        """Words of one unit."""
        return self.taps // 2


@kernel(SvdfTime, cost=Cost(mac=2.0, output=40))
def lower(op: SvdfTime, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Weights as they are; those in int16, two to a word where a unit has whole words."""
    memory, weights, bias = present(inputs)
    paired = memory.dtype is DType.INT16 and memory.elements // output.elements % 2 == 0
    params = Params(
        output.elements,
        memory.elements // output.elements,
        op.multiplier,
        op.shift,
        output.zero_point,
        memory.dtype.c_name,
        "int32_t" if paired else weights.dtype.c_name,
    )
    flat = weights.values.reshape(-1)
    return Lowered(params, (("weights", flat.view("int32") if paired else flat), ("bias", bias.values)))
