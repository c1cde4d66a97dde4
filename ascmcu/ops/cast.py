# SPDX-License-Identifier: Apache-2.0
"""CAST: numbers to another element type, without scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops._elementwise import Elementwise

_TYPES = (
    DType.FLOAT32, DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.INT64, DType.BOOL,
)  # fmt: skip


@register("CAST")
@dataclass(frozen=True)
class Cast(Elementwise):
    """The raw number in another type (tflite cast.cc): float32 are cut off towards zero and saturate, NaN becomes the
    largest integer; integers lose their upper bits; booleans say whether it is not zero."""

    KIND = "cast"
    ELEMENTWISE = True
    dtype: str

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, output = ctx.needed(0), ctx.outputs[0]
        ctx.require_dtype(x, *_TYPES)
        ctx.require_dtype(output, *_TYPES)
        ctx.emit(cls(output.dtype.value), (x,), output)

    def output_dtype(self, x: Tensor) -> DType:
        """The attribute's."""
        return DType(self.dtype)

    def is_identity(self, x: Tensor, output: Tensor) -> bool:
        """The type stays."""
        return True

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        (x,), target = present(arrays), output.dtype
        if x.dtype.kind != "f" or target in (DType.FLOAT32, DType.BOOL):
            return x.astype(target.numpy)
        low, high = target.integer_range
        cut = np.trunc(np.nan_to_num(x.astype(np.float64), nan=np.inf, posinf=np.inf, neginf=-np.inf))
        # 2^63 is a float64, and no int64.
        inside = (cut >= low) & (cut < high + 1)
        whole = np.where(inside, cut, 0).astype(np.int64)
        return np.where(inside, whole, np.where(cut < 0, low, high)).astype(target.numpy)
