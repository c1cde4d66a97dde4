# SPDX-License-Identifier: Apache-2.0
"""Tensors and their types."""

from __future__ import annotations

import enum
import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.errors import VerifyError
from ascmcu.ir.layout import ROW_MAJOR, Layout

Array = npt.NDArray[Any]


class DType(enum.Enum):
    """An element type; the value is its name in the textual dump."""

    INT8 = "i8"
    UINT8 = "u8"
    INT16 = "i16"
    INT32 = "i32"
    INT64 = "i64"
    FLOAT32 = "f32"
    FLOAT16 = "f16"
    BOOL = "bool"

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy type of the same width."""
        return np.dtype(_NUMPY[self])

    @property
    def size_bytes(self) -> int:
        """Bytes of one element."""
        return self.numpy.itemsize

    @property
    def c_name(self) -> str:
        """The C type; the aliasing-safe typedefs are rendered by ``templates/model.c.j2``."""
        return _C_NAMES[self]

    @property
    def integer_range(self) -> tuple[int, int]:
        """Lowest and highest value of an integer type; no and yes."""
        if self is DType.BOOL:
            return 0, 1
        info = np.iinfo(self.numpy)
        return int(info.min), int(info.max)


_NUMPY = {
    DType.INT8: "int8",
    DType.UINT8: "uint8",
    DType.INT16: "int16",
    DType.INT32: "int32",
    DType.INT64: "int64",
    DType.FLOAT32: "float32",
    DType.FLOAT16: "float16",
    DType.BOOL: "bool",
}
_C_NAMES = {
    DType.INT8: "int8_t",
    DType.UINT8: "uint8_t",
    DType.INT16: "int16_t",
    DType.INT32: "model_int32",
    DType.INT64: "model_int64",
    DType.FLOAT32: "model_float",
    DType.FLOAT16: "uint16_t",
    DType.BOOL: "uint8_t",
}


@dataclass(frozen=True)
class Quantization:
    """Affine quantization: real = scale × (q − zero_point), per tensor or along ``axis``.

    ``scales`` are float32 values held as Python floats, as the ``.tflite`` stores them.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0

    @property
    def per_axis(self) -> bool:
        """Whether there is one scale per slice along ``axis``."""
        return len(self.scales) > 1

    @property
    def scale(self) -> float:
        """The only scale of a per-tensor quantization."""
        assert not self.per_axis
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        """The zero point; per-axis quantization has only equal ones (they are 0 by the TFLite specification)."""
        return self.zero_points[0]

    def take(self, indices: Array) -> Quantization:
        """The quantization of the slices ``indices`` along ``axis``."""
        if not self.per_axis:
            return self
        zero_points = self.zero_points if len(self.zero_points) > 1 else self.zero_points * len(self.scales)
        return Quantization(
            tuple(self.scales[int(i)] for i in indices),
            tuple(zero_points[int(i)] for i in indices),
            self.axis,
        )


@dataclass(frozen=True, eq=False)
class Tensor:
    """A value of the graph. ``data`` is set for constants and is then read-only.

    ``shape`` and ``dtype`` are what the network says; ``layout`` is how the values lie in memory. Rows and bytes are
    those in memory. The *row axis* is axis 1 of tensors with a leading batch of one and rank ≥ 3 (time, after the
    streaming axis was chosen); all other tensors have one row.
    """

    name: str
    shape: tuple[int, ...]
    dtype: DType
    quant: Quantization | None = None
    data: Array | None = None
    source_index: int = -1
    layout: Layout = ROW_MAJOR

    def __post_init__(self) -> None:
        if self.data is not None:
            self.data.setflags(write=False)

    @property
    def is_const(self) -> bool:
        """Whether the value is known at compile time."""
        return self.data is not None

    @property
    def values(self) -> Array:
        """The value of a constant.

        Raises:
            VerifyError: the tensor is computed at run time.
        """
        if self.data is None:
            raise VerifyError("tensor must be constant here", where=self.describe())
        return self.data

    @cached_property
    def content(self) -> tuple[object, ...]:
        """Everything but the name: equal for tensors that are the same to whoever computes with them."""
        digest = b"" if self.data is None else hashlib.sha256(self.data.tobytes()).digest()
        return self.shape, self.dtype, self.quant, self.layout, digest

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @cached_property
    def stored_shape(self) -> tuple[int, ...]:
        """What lies in memory, in C order: the shape, or what the layout makes of it."""
        return self.layout.stored_shape(self.shape)

    @property
    def stored_dtype(self) -> DType:
        """The element type in memory."""
        return DType.INT16 if self.layout.int16 else self.dtype

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole tensor."""
        return math.prod(self.stored_shape) * self.stored_dtype.size_bytes

    @property
    def rows(self) -> int:
        """Number of rows along the row axis."""
        return self.stored_shape[1] if self.has_row_axis else 1

    @property
    def has_row_axis(self) -> bool:
        """Whether axis 1 is a row axis."""
        return len(self.shape) >= 3 and self.shape[0] == 1

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of one row (the dimensions behind the row axis, or all of them)."""
        return self.stored_shape[2:] if self.has_row_axis else self.stored_shape

    @property
    def row_elements(self) -> int:
        """Elements of one row."""
        return math.prod(self.row_shape)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.row_elements * self.stored_dtype.size_bytes

    @property
    def quantization(self) -> Quantization:
        """The quantization of a tensor that has one.

        Raises:
            VerifyError: it has none.
        """
        if self.quant is None:
            raise VerifyError("tensor must be quantized here", where=self.describe())
        return self.quant

    @property
    def scale(self) -> float:
        """Per-tensor scale of a quantized tensor."""
        return self.quantization.scale

    @property
    def zero_point(self) -> int:
        """Per-tensor zero point; 0 for tensors without quantization."""
        return 0 if self.quant is None else self.quant.zero_point

    def describe(self) -> str:
        """Name, type, shape and source index for messages."""
        dims = "x".join(str(d) for d in self.shape)
        index = f", tensor {self.source_index}" if self.source_index >= 0 else ""
        return f"'{self.name}' ({self.dtype.value}[{dims}]{index})"
