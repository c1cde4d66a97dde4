# SPDX-License-Identifier: Apache-2.0
"""MUL of int8, four elements at a time: two to a word, and one multiplication that requantizes each product.

    y = SSAT(((256 · (a − zero point) · (b − zero point) · M) >> 32) + C, asr S)

as convolutions requantize their accumulators (``_packed_gemm``): M and C are exact for every product of two int8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.layout import ROW_MAJOR, TIME_TO_WIDTH
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels import _broadcast, _mul_fours_code
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._packed_gemm import channel_constants
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._saturating import Saturating
from ascmcu.kernels._work import work
from ascmcu.m4.listing import Listing
from ascmcu.ops._quant import Requantization
from ascmcu.ops.mul import Mul

_CYCLES = 10.3  # of an element


@dataclass(frozen=True)
class Params(Saturating):
    """Compile-time constants of the row kernel.

    ``outer`` loops go around runs of ``count`` elements. An operand advances along a run (``a_step``, ``b_step`` 1) or
    stays.
    ``minus_a`` and ``minus_b`` are the negatives of the zero points in both halves of a word; then M, C and D.
    """

    outer: tuple[_broadcast.Loop, ...]
    count: int
    a_step: int
    b_step: int
    a_zero_point: int
    b_zero_point: int
    minus_a: int
    minus_b: int
    multiplier: int
    offset: int
    below: int

    @property
    def fours(self) -> int:
        """Groups of four elements in a run."""
        return self.count // 4

    @property
    def code(self) -> Listing | None:
        """The assembly, where both operands advance."""
        if not (self.a_step and self.b_step and self.fours) or self.signed:
            return None
        return _mul_fours_code.code(Saturating(self.shift, False, self.low, self.high))

    @property
    def fours_elements(self) -> int:
        """Elements of a run's groups of four."""
        return 4 * self.fours

    @property
    def rest(self) -> int:
        """Elements behind them."""
        return self.count % 4


@kernel(
    Mul,
    reads=(ROW_MAJOR, TIME_TO_WIDTH),
    writes=(ROW_MAJOR, TIME_TO_WIDTH),
    cost=Cost(output=_CYCLES),
)
def lower(op: Mul, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """Constant operands go to flash."""
    a, b = present(inputs)
    if any(t.dtype is not DType.INT8 for t in (a, b, output)):
        return None
    loops = _broadcast.loops(inputs, output)
    _, a_step, b_step = loops[-1].steps
    multiplier, shift = op.multiplier(inputs, output)
    scale = float(multiplier) * 2.0 ** (shift - 31)
    requant = Requantization((scale,), (multiplier,), (shift,), output.zero_point, *op.clamp, once=False)
    ends = [np.array(t.dtype.integer_range, np.int64) - t.zero_point for t in (a, b)]
    products = np.outer(*ends)
    found = channel_constants(
        requant, (products.min(keepdims=True)[0], products.max(keepdims=True)[0]), tuning
    )
    if found is None:
        return None
    columns = [int(v) for v in found.columns[0]]
    params = Params(
        outer=loops[:-1],
        count=loops[-1].extent,
        a_step=a_step,
        b_step=b_step,
        a_zero_point=a.zero_point,
        b_zero_point=b.zero_point,
        minus_a=(-a.zero_point & 0xFFFF) * 0x00010001,
        minus_b=(-b.zero_point & 0xFFFF) * 0x00010001,
        multiplier=columns[0],
        offset=columns[1],
        below=columns[2] if found.signed else 0,
        shift=found.shift,
        signed=found.signed,
        low=op.clamp[0],
        high=op.clamp[1],
    )
    runs, form = output.elements // params.count, "asm" if params.code else f"{a_step}_{b_step}"
    counts = {
        "runs": runs,
        f"fours_{form}": runs * (params.count // 4),
        f"rest_{a_step}_{b_step}": runs * (params.count % 4),
        "signed": output.elements if params.signed else 0,
        "clamped": output.elements if params.clamps else 0,
    }
    return Lowered(params, _broadcast.constant_operands(inputs), work=work(counts))
