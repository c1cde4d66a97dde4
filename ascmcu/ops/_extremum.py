"""MAXIMUM and MINIMUM share everything but the comparison."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Lowered
from ascmcu.ir.types import Tensor
from ascmcu.ops import _broadcast


@dataclass(frozen=True)
class ExtremumParams:
    """Compile-time constants of the row kernel."""

    loops: tuple[_broadcast.Loop, ...]
    c_type: str
    maximum: bool


def import_operands(ctx: ImportContext) -> tuple[Tensor, Tensor]:
    """Operands of equal rank and equal quantization: the reference compares raw integers."""
    a, b = _broadcast.import_operands(ctx)
    if not a.quant == b.quant == ctx.outputs[0].quant:
        raise ctx.error("operands and output must share one quantization", b, expected=a.quant, found=b.quant)
    return a, b


def lower(inputs: Inputs, output: Tensor, *, maximum: bool) -> Lowered:
    """The parameters; constant operands go to flash."""
    params = ExtremumParams(_broadcast.loops(inputs, output), output.dtype.c_name, maximum)
    return Lowered(params, _broadcast.constant_operands(inputs))
