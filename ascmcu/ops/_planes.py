"""Maps as channel planes: what a convolution writes and a depthwise convolution reads without rearranging it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.graph import with_tensor
from ascmcu.ir.types import Array, Tensor


@dataclass(frozen=True)
class Planes:
    """A row of C channels by W columns laid out as C planes of ``width`` bytes: ``first`` columns of padding (the zero
    point), the ``columns`` of the map, and padding up to ``width``."""

    first: int
    columns: int
    width: int

    def inside(self, tensor: Tensor) -> Tensor:
        """The map itself, (1, H, W, C), of the tensor (1, H, C, ``width``) that holds it."""
        _, height, channels, _ = tensor.shape
        return with_tensor(tensor, shape=(1, height, self.columns, channels))

    def spread(self, array: Array, fill: int) -> Array:
        """(1, H, W, C) → (1, H, C, ``width``)."""
        around = ((0, 0), (0, 0), (0, 0), (self.first, self.width - self.first - self.columns))
        return np.pad(array.transpose(0, 1, 3, 2), around, constant_values=fill)

    def gather(self, array: Array) -> Array:
        """(1, H, C, ``width``) → (1, H, W, C)."""
        return array[..., self.first : self.first + self.columns].transpose(0, 1, 3, 2)


NO_PLANES = (0, 0, 0)


def planes_for(columns: int, out_w: int, stride: int, pad_left: int, kernel_w: int) -> Planes:
    """The planes that a depthwise convolution of these sizes reads by whole words."""
    needed = max(pad_left + columns, (out_w - 1) * stride + kernel_w)
    return Planes(pad_left, columns, -(-needed // 4) * 4)
