"""ADD, SUB, MUL, DIV, MAXIMUM and MINIMUM of float32, with broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, Lowered, Op, RowRule, Swapped, TensorType, swap_constants
from ascmcu.ir.registry import register_float
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _broadcast, _float
from ascmcu.ops.reshape import Reshape

_FUNCTIONS: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
}


@dataclass(frozen=True)
class FloatBinaryParams:
    """Compile-time constants."""

    function: str
    loops: tuple[_broadcast.Loop, ...]
    clamp: _float.Clamp


@register_float("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM")
@dataclass(frozen=True)
class FloatBinary(Op):
    """activation(a function b), rounded once."""

    KIND = "float_binary"
    function: str
    activation: str

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op on operands of equal rank."""
        output = ctx.outputs[0]
        operands = [_ranked(ctx, tensor, output) for tensor in ctx.inputs[:2]]
        _float.require_float(ctx, *operands, output)
        ctx.emit(cls(ctx.builtin.lower(), _float.import_activation(ctx)), operands, output)

    def infer(self, inputs: Inputs) -> TensorType:
        """The broadcast shape."""
        return TensorType(_broadcast.infer(inputs).shape, DType.FLOAT32)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """One rounding."""
        a, b = arrays
        assert a is not None and b is not None
        result = _FUNCTIONS[self.function](a.astype(np.float32), b.astype(np.float32))
        return _float.activated(result, self.activation).astype(np.float32)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """The same op on exchanged constants."""
        return Swapped(self, swap_constants(inputs))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Row by row."""
        return _broadcast.row_rule(inputs, output)

    def lower(self, inputs: Inputs, output: Tensor) -> Lowered:
        """Constant operands go to flash as float32."""
        constants = tuple(
            (name, data.astype(np.float32)) for name, data in _broadcast.constant_operands(inputs)
        )
        loops = _broadcast.loops(inputs, output)
        return Lowered(FloatBinaryParams(self.function, loops, _float.clamp(self.activation)), constants)


def _ranked(ctx: ImportContext, tensor: Tensor | None, output: Tensor) -> Tensor:
    """The operand with the output's rank."""
    if tensor is None:
        raise ctx.error("both operands are needed")
    missing = len(output.shape) - len(tensor.shape)
    if missing <= 0:
        return tensor
    shape = (1,) * missing + tensor.shape
    if tensor.data is not None:
        return ctx.constant(f"{tensor.name}.expanded", tensor.data.reshape(shape), tensor)
    expanded = ctx.temporary(tensor, shape, f"{tensor.name}.expanded")
    ctx.emit(Reshape(shape), (tensor,), expanded)
    return expanded
