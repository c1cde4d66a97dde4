# SPDX-License-Identifier: Apache-2.0
"""RESIZE_NEAREST_NEIGHBOR: each pixel of the new size is one of the old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, present
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _resize
from ascmcu.ops._fixed import round_away


@register("RESIZE_NEAREST_NEIGHBOR")
@dataclass(frozen=True)
class ResizeNearest(_resize.Resize):
    """y[n,i,j] = x[n, i′, j′] by a scale in float32 (tflite reference_ops::ResizeNearestNeighbor); any element type."""

    KIND = "resize_nearest"

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the op."""
        x, size, align, half = _resize.import_size(ctx)
        ctx.emit(cls(size, align, half), (x,), ctx.outputs[0])

    def along(self, extent: int, wanted: int) -> _resize.Along:
        """The nearest of the old, without weights."""
        aligned = self.align_corners and wanted > 1
        steps = (extent - 1, wanted - 1) if aligned else (extent, wanted)
        scale = np.float32(np.float32(steps[0]) / np.float32(steps[1]))
        at = (np.arange(wanted, dtype=np.float32) + np.float32(0.5 if self.half_pixel else 0.0)) * scale
        rounded = round_away(at) if self.align_corners else np.floor(at)
        nearest = np.clip(rounded.astype(np.int64), 0, extent - 1)
        return _resize.Along(nearest, nearest, np.zeros(wanted, np.int64))

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """A copy."""
        x = present(arrays)[0]
        rows, columns = (self.along(old, new).low for old, new in zip(x.shape[1:3], self.size, strict=True))
        return x[:, rows][:, :, columns]
