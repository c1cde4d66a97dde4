# SPDX-License-Identifier: Apache-2.0
"""LOOKUP: any function of one 8-bit element, as a table of 256 bytes. Only passes make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, TensorType, present
from ascmcu.ir.ranges import Range
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops._elementwise import Elementwise


@register()
@dataclass(frozen=True)
class Lookup(Elementwise):
    """y = table[x as unsigned byte]; inputs x and the constant table of 256 elements of the output's type."""

    KIND = "lookup"
    ELEMENTWISE = True
    FAMILY = "activation"

    def infer(self, inputs: Inputs) -> TensorType:
        """The input's shape in the table's type."""
        x, table = present(inputs)
        assert table.shape == (256,)
        return TensorType(x.shape, table.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Indexing by the raw byte."""
        x, table = present(arrays)
        return table[np.ascontiguousarray(x).view(np.uint8)]

    def parameter_inputs(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """A table is not a parameter of the model."""
        return ()

    def has_axes(self, index: int) -> bool:
        """A table has none of them."""
        return index == 0

    def keeps_channels(self, x: Tensor) -> bool:
        """Element by element."""
        return True

    def channel_range(self, ranges: Sequence[Range | None], inputs: Inputs, output: Tensor) -> Range | None:
        """The least and the greatest entry between the bounds."""
        x, table = present(inputs)
        source = ranges[0]
        if source is None or table.data is None or x.dtype.size_bytes != 1:
            return None
        ends = []
        for low, high in zip(source.low.tolist(), source.high.tolist(), strict=True):
            values = np.arange(low, high + 1).astype(x.dtype.numpy)
            results = table.data[values.view(np.uint8)].astype(np.int64)
            ends.append((results.min(), results.max()))
        low_high = np.array(ends, np.int64)
        return Range(low_high[:, 0], low_high[:, 1])


def every_byte(dtype: DType) -> Array:
    """The 256 values of an 8-bit type in table order."""
    return np.arange(256, dtype=np.uint8).view(dtype.numpy)
