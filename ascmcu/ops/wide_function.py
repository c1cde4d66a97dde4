# SPDX-License-Identifier: Apache-2.0
"""LOGISTIC and TANH of int16, between the entries of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register_wide
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _scales, _wide
from ascmcu.ops._elementwise import Elementwise

_STEP = 1 / 24.0


def _table() -> Array:
    """Entry i: the logistic function of i / 24 in 2^-16, raised by half of what a chord of one step lies below it
    (``sigmoid_table_uint16`` of tflite/kernels/internal/common.h, found by its values)."""
    f = 1.0 / (1.0 + np.exp(-np.arange(256) * _STEP))
    bend = f * (1.0 - f) * (2.0 * f - 1.0)
    found: Array = np.rint(65536.0 * (f + bend * _STEP * _STEP / 16.0)).astype(np.uint16)
    found[-1] = 65535
    return found


TABLE = _table()
_LAST = 255
_INPUT_BITS = 12  # fraction of an input with 3 integer bits
_MOST_LEFT = {"logistic": 0, "tanh": 1}


@register_wide("LOGISTIC", "TANH")
@dataclass(frozen=True)
class WideFunction(Elementwise):
    """The function by linear interpolation (tflite reference_integer_ops::Logistic and Tanh); the output is Q0.15.

    Inputs are brought to 1 / (3 · 4096) by ``multiplier`` and ``shift``.
    """

    KIND = "wide_function"
    ELEMENTWISE = True
    FAMILY = "activation"
    function: str
    multiplier: int
    shift: int

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.needed(0), ctx.outputs[0]
        _wide.require_wide(ctx, x, output)
        if _scales.power_of_two(output.scale) != -15 or x.scale <= 0:
            raise ctx.error("the output's scale must be 2^-15", output, expected=2.0**-15, found=output.scale)
        function = ctx.builtin.lower()
        ctx.emit(cls(function, *_scaling(function, x.scale)), (x,), output)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        x = present(arrays)[0].astype(np.int64)
        moved = (x * self.multiplier + ((1 << self.shift) >> 1)) >> self.shift
        logistic = self.function == "logistic"
        bits = 9 if logistic else 8
        magnitude = np.abs(moved)
        place = np.minimum(magnitude >> bits, _LAST - 1)
        low, high = TABLE[place].astype(np.int64), TABLE[place + 1].astype(np.int64)
        between = (low << bits) + (magnitude & ((1 << bits) - 1)) * (high - low)
        beyond = 0x7FFF << 10 if logistic else 0xFFFF << 8
        found = np.where(magnitude >> bits >= _LAST, beyond, between)
        if logistic:
            found = np.where(moved >= 0, found + (1 << 9), (1 << 25) - found + (1 << 9) - 1) >> 10
        else:
            middle, half = 1 << 23, 1 << 7
            found = np.where(moved >= 0, found - middle + half, middle - found + half - 1) >> 8
        return found.astype(output.dtype.numpy)


def _scaling(function: str, scale: float) -> tuple[int, int]:
    """Multiplier and right shift of the input."""
    power = _scales.power_of_two(scale)
    if power is not None and 0 <= _INPUT_BITS + power <= _MOST_LEFT[function]:
        return 3 << (_INPUT_BITS + power), 0
    real, shift = _scales.double(scale, 4096.0, 3.0), 0
    while real <= 32767.0 / 2.0 and shift <= 30:
        real, shift = real * 2.0, shift + 1
    return int(real), shift
