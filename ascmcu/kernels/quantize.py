# SPDX-License-Identifier: Apache-2.0
"""QUANTIZE: float32 to 8 bits, or 8 bits to another scale, zero point or signedness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels import _quantize_code
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._work import work
from ascmcu.m4.listing import Listing
from ascmcu.ops.quantize import Quantize


@dataclass(frozen=True)
class Params:
    """Compile-time constants of the float32 form."""

    elements: int
    scale: float
    # Nearest to 1 / scale.
    factor: float
    zero_point: int
    low: int
    high: int
    y_type: str

    @property
    def saturates(self) -> bool:
        """Whether the output is int8, to which one instruction saturates."""
        return (self.low, self.high) == (-128, 127)

    @property
    def added(self) -> int:
        """To a quotient in 2^-16: a half, the zero point, and what moves all that is near a half into 256 values whose
        second byte is zero."""
        return 0x8080 + self.zero_point * 0x10000

    @property
    def code(self) -> Listing | None:
        """The assembly, for int8."""
        return _quantize_code.code(below=self.added < 0) if self.saturates and self.fours_elements else None

    @property
    def fours_elements(self) -> int:
        """Elements of the groups of four."""
        return self.elements // 4 * 4


@kernel(Quantize, cost=Cost(output=20))
def lower(op: Quantize, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """From float32 to 8 bits; between 8 bits it became a lookup."""
    (x,) = present(inputs)
    if x.dtype is not DType.FLOAT32 or output.dtype.size_bytes != 1:
        return None
    low, high = output.dtype.integer_range
    factor = float(np.float32(1.0) / np.float32(output.scale))
    params = Params(
        output.row_elements, output.scale, factor, output.zero_point, low, high, output.dtype.c_name
    )
    fours = params.fours_elements if params.code else 0
    counts = {"below" if params.added < 0 else "fours": fours // 4, "ones": params.elements - fours}
    return Lowered(params, work=work({part: count * output.rows for part, count in counts.items()}))
