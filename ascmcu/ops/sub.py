"""SUB: x − y with broadcasting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Lowered, Op, RowRule, Swapped, TensorType, swap_constants
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _broadcast, _quant, _sum


@register("SUB")
@dataclass(frozen=True)
class Sub(Op):
    """clamp(requant(x − y)); rounds each operand and the result (tflite reference_integer_ops)."""

    KIND = "sub"
    clamp: tuple[int, int]

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op on operands of equal rank."""
        operands = _sum.import_operands(ctx)
        ctx.emit(cls(_quant.import_activation(ctx, ctx.outputs[0])), operands, ctx.outputs[0])

    def infer(self, inputs: Inputs) -> TensorType:
        """The broadcast shape."""
        return _broadcast.infer(inputs)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        a, b = arrays
        assert a is not None and b is not None
        return _sum.evaluate(a, b, inputs, output, self.clamp, subtract=True)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """The same op on exchanged constants."""
        return Swapped(self, swap_constants(inputs))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row."""
        return _broadcast.row_rule(inputs, output)

    def lower(self, inputs: Inputs, output: Tensor) -> Lowered:
        """Constant operands go to flash."""
        return _sum.lower(inputs, output, self.clamp, subtract=True)
