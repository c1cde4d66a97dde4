# SPDX-License-Identifier: Apache-2.0
"""ADD and SUB: both operands are brought to a common fine scale, combined, and scaled to the output."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.layout import ROW_MAJOR, TIME_TO_WIDTH
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import DType, Quantization, Tensor
from ascmcu.kernels import _broadcast
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._two_mac_add import TwoMacAdd, two_mac_add
from ascmcu.kernels._work import work
from ascmcu.ops import _scales
from ascmcu.ops._sum import LEFT_SHIFT, SumOrDifference, evaluate, multipliers
from ascmcu.ops.add import Add
from ascmcu.ops.sub import Sub


@dataclass(frozen=True)
class Params:
    """Compile-time constants: per operand zero point, multiplier and shift; then the output's."""

    loops: tuple[_broadcast.Loop, ...]
    a: _broadcast.Operand
    b: _broadcast.Operand
    a_multiplier: int
    a_shift: int
    b_multiplier: int
    b_shift: int
    y_multiplier: int
    y_shift: int
    y_zero_point: int
    left_shift: int
    low: int
    high: int
    y_type: str
    subtract: bool
    two_mac: TwoMacAdd | None


@kernel(
    Add,
    Sub,
    reads=(ROW_MAJOR, TIME_TO_WIDTH),
    writes=(ROW_MAJOR, TIME_TO_WIDTH),
    cost=Cost(output=60),
)
def lower(op: SumOrDifference, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """The parameters; constant operands go to flash."""
    a, b = present(inputs)
    m_a, m_b, m_y = multipliers(a, b, output)
    loops = _broadcast.loops(inputs, output)
    params = Params(
        loops,
        _broadcast.operand(a),
        _broadcast.operand(b),
        *m_a,
        *m_b,
        *m_y,
        output.zero_point,
        LEFT_SHIFT,
        *op.clamp,
        output.dtype.c_name,
        op.SUBTRACT,
        _two_mac(a, b, output, op.clamp, loops, subtract=op.SUBTRACT),
    )
    turns = {"two_mac": output.elements // 4} if params.two_mac else _broadcast.turns(loops, output)
    return Lowered(params, _broadcast.constant_operands(inputs), work=work(turns))


def _two_mac(
    a: Tensor,
    b: Tensor,
    output: Tensor,
    clamp: tuple[int, int],
    loops: tuple[_broadcast.Loop, ...],
    *,
    subtract: bool,
) -> TwoMacAdd | None:
    """Two multiply-accumulates where both operands run along the output, four elements at a time."""
    side_by_side = len(loops) == 1 and loops[0].steps == (1, 1, 1) and loops[0].extent % 4 == 0
    if not side_by_side or any(t.dtype is not DType.INT8 for t in (a, b, output)):
        return None
    return _proven_two_mac(a.quantization, b.quantization, output.quantization, clamp, subtract=subtract)


@functools.lru_cache(maxsize=256)
def _proven_two_mac(
    a: Quantization, b: Quantization, y: Quantization, clamp: tuple[int, int], *, subtract: bool
) -> TwoMacAdd | None:
    """The form for all pairs of int8 inputs; the same in every layout and schedule: results are kept."""
    operands = tuple(Tensor("", (), DType.INT8, quant) for quant in (a, b))
    values = np.arange(-128, 128, dtype=np.int64)
    output = Tensor("", (), DType.INT8, y)
    table = evaluate(values[:, np.newaxis], values[np.newaxis, :], operands, output, clamp, subtract=subtract)
    # Where the search for a form starts; any precision does.
    a_scale, b_scale = (_scales.double(t.scale, over=output.scale) for t in operands)
    return two_mac_add(table, a_scale, -b_scale if subtract else b_scale, *clamp)
