# SPDX-License-Identifier: Apache-2.0
"""EXP, LOG, RSQRT, GELU and NEG of int16, between the entries of a table."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, TensorType, present
from ascmcu.ir.registry import register_wide
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _lut16, _quant, _scales, _wide
from ascmcu.ops._elementwise import Elementwise
from ascmcu.ops._fixed16 import wrap16
from ascmcu.ops._libm import expf, logf
from ascmcu.ops._unary import Float32
from ascmcu.ops.gelu import gelu

_ONE, _MOST = np.float32(1), np.float32((1 << 15) - 1)


@register_wide("EXP", "LOG", "RSQRT", "GELU", "NEG")
@dataclass(frozen=True)
class WideTable(Elementwise):
    """y lies between two entries of a table; inputs x and the constant table of 513 int16 (tflite ``LUTLookup``).

    LiteRT refuses negative inputs of RSQRT; here they give the greatest integer, as zero does.
    """

    KIND = "wide_table"
    ELEMENTWISE = True
    FAMILY = "activation"
    function: str

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op and its table."""
        x, output = ctx.needed(0), ctx.outputs[0]
        _wide.require_wide(ctx, x, output)
        _quant.require_scales(ctx, x, output)
        table = ctx.constant(f"{output.name}.table", _table(ctx, x, output))
        ctx.emit(cls(ctx.builtin.lower()), (x, table), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """The input's shape."""
        x, table = present(inputs)
        if table.shape != (_lut16.ENTRIES,):
            raise _quant.incompatible("a table does not fit", (_lut16.ENTRIES,), table.shape)
        return TensorType(x.shape, DType.INT16)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        x, table = present(arrays)
        return _lut16.between(table, x).astype(output.dtype.numpy)

    def parameter_inputs(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """A table is not a parameter of the model."""
        return ()

    def has_axes(self, index: int) -> bool:
        """A table has none of them."""
        return index == 0


def _table(ctx: ImportContext, x: Tensor, output: Tensor) -> Array:
    if ctx.builtin == "NEG":
        # The raw integer, scales aside: -(-32768) wraps. Straight lines between entries are exact.
        return wrap16(128 * np.arange(256, -257, -1, dtype=np.int64)).astype(np.int16)
    if ctx.builtin == "GELU":
        function = functools.partial(gelu, approximate=bool(ctx.option("Approximate", False)))
        return _lut16.filled(function, x.scale, output.scale, real=np.float32)
    functions: dict[str, Callable[[Float32], Float32]] = {
        "EXP": expf,
        # elementwise.cc gives these two a value where they have none, in units of the output's scale.
        "LOG": lambda v: _where_positive(logf, v, _scales.single(-(1 << 15), output.scale)),
        "RSQRT": lambda v: _where_positive(_inverse_root, v, _scales.single(float(_MOST), output.scale)),
    }
    return _lut16.filled(functions[ctx.builtin], x.scale, output.scale, real=np.float32)


def _where_positive(function: Callable[[Float32], Float32], x: Float32, otherwise: float) -> Float32:
    known = x > 0
    safe: Float32 = np.where(known, x, _ONE).astype(np.float32)
    return np.where(known, function(safe), np.float32(otherwise)).astype(np.float32)


def _inverse_root(x: Float32) -> Float32:
    return np.asarray(_ONE / np.sqrt(x), np.float32)
