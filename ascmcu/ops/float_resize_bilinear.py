# SPDX-License-Identifier: Apache-2.0
"""RESIZE_BILINEAR of float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register_float
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _float, _resize


@register_float("RESIZE_BILINEAR")
@dataclass(frozen=True)
class FloatResizeBilinear(_resize.Resize):
    """Interpolated between four pixels, by weights in float32 (tflite reference_ops::ResizeBilinear)."""

    KIND = "float_resize_bilinear"

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, size, align, half = _resize.import_size(ctx)
        _float.require_float(ctx, x, ctx.outputs[0])
        ctx.emit(cls(size, align, half), (x,), ctx.outputs[0])

    def along(self, extent: int, wanted: int) -> _resize.Along:
        """Both neighbours, and the second one's weight."""
        aligned = self.align_corners and wanted > 1
        old, new = (extent - 1, wanted - 1) if aligned else (extent, wanted)
        scale, places = np.float32(np.float32(old) / np.float32(new)), np.arange(wanted, dtype=np.float32)
        half = np.float32(0.5)
        at = (places + half) * scale - half if self.half_pixel else places * scale
        low = np.maximum(np.floor(at).astype(np.int64), 0)
        high = np.minimum(np.ceil(at).astype(np.int64), extent - 1)
        return _resize.Along(low, high, (at - low.astype(np.float32)).astype(np.float32))

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """In float64, rounded once."""
        x = present(arrays)[0].astype(np.float64)
        for axis, wanted in enumerate(self.size, 1):
            way = self.along(x.shape[axis], wanted)
            weight = way.weight.astype(np.float64).reshape([-1 if i == axis else 1 for i in range(4)])
            x = x.take(way.low, axis) * (1.0 - weight) + x.take(way.high, axis) * weight
        return x.astype(np.float32)
