"""LOOKUP: any function of one 8-bit element, as a table of 256 bytes. Passes make it; no file holds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, TensorType
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops._elementwise import Elementwise


@register()
@dataclass(frozen=True)
class Lookup(Elementwise):
    """y = table[x as unsigned byte]; inputs x and the constant table of 256 elements of the output's type."""

    KIND = "lookup"

    def infer(self, inputs: Inputs) -> TensorType:
        """The input's shape in the table's type."""
        x, table = inputs
        assert x is not None and table is not None and table.shape == (256,)
        return TensorType(x.shape, table.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Indexing by the raw byte."""
        x, table = arrays
        assert x is not None and table is not None
        return table[np.ascontiguousarray(x).view(np.uint8)]

    def parameter_inputs(self, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """A table is not a parameter of the model."""
        return ()


def every_byte(dtype: DType) -> Array:
    """The 256 values of an 8-bit type in table order."""
    return np.arange(256, dtype=np.uint8).view(dtype.numpy)
