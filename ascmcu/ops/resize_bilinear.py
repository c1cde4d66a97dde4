# SPDX-License-Identifier: Apache-2.0
"""RESIZE_BILINEAR of int8 and int16: pixels of the new size are interpolated between four of the old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _resize

# A pixel's distance in fixed point.
BITS = 10
ONE = 1 << BITS


@register("RESIZE_BILINEAR")
@dataclass(frozen=True)
class ResizeBilinear(_resize.Resize):
    """Weights of 10 bits, their products rounded once, halves away from zero (tflite reference_ops::ResizeBilinear)."""

    KIND = "resize_bilinear"

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, size, align, half = _resize.import_size(ctx)
        ctx.require_dtype(x, DType.INT8, DType.INT16)
        ctx.emit(cls(size, align, half), (x,), ctx.outputs[0])

    def along(self, extent: int, wanted: int) -> _resize.Along:
        """Both neighbours, and the second one's weight of 2¹⁰."""
        aligned = self.align_corners and wanted > 1
        old, new = (extent - 1, wanted - 1) if aligned else (extent, wanted)
        scale = (ONE * old + new // 2) // new
        at = np.arange(wanted, dtype=np.int64) * scale
        if self.half_pixel:
            at += scale // 2 - ONE // 2
        low = np.maximum(_truncated(at), 0)
        high = np.minimum(_truncated(at + ONE - 1), extent - 1)
        return _resize.Along(low, high, at - ONE * low)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Bit-exact reference."""
        x = present(arrays)[0].astype(np.int64)
        for axis, wanted in enumerate(self.size, 1):
            way = self.along(x.shape[axis], wanted)
            shape = [-1 if i == axis else 1 for i in range(4)]
            weight = way.weight.reshape(shape)
            x = x.take(way.low, axis) * (ONE - weight) + x.take(way.high, axis) * weight
        half = np.where(x > 0, ONE * ONE // 2, -(ONE * ONE // 2))
        total = x + half
        return np.asarray(np.sign(total) * (np.abs(total) >> 2 * BITS)).astype(output.dtype.numpy)


def _truncated(at: Array) -> Array:
    """Divided by 2¹⁰ towards zero."""
    return np.asarray(np.sign(at) * (np.abs(at) >> BITS))
