"""What 1x1 convolutions share that have a kernel of their own: bytes or halfwords come in, a map or planes go out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.ir.graph import with_tensor
from ascmcu.ir.op import Inputs, TensorType
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops._planes import NO_PLANES, Planes
from ascmcu.ops._settled import Tried
from ascmcu.ops.conv2d import Conv2D
from ascmcu.ops.conv2d_planes import Conv2DPlanes


@dataclass(frozen=True)
class Pointwise(Tried, Conv2D):
    """Base: CONV_2D 1x1 of a map of int8, or of int16 that holds no more; the output is a map of int8, or channel
    planes where ``planes`` says so."""

    planes: tuple[int, int, int] = NO_PLANES

    @property
    def layout(self) -> Planes | None:
        """The output's planes, if it has them."""
        return None if self.planes == NO_PLANES else Planes(*self.planes)

    def _plain(self) -> Conv2D:
        return Conv2D(*self.common) if self.planes == NO_PLANES else Conv2DPlanes(*self.common, self.planes)

    def infer(self, inputs: Inputs) -> TensorType:
        """That of the convolution of bytes, row by row."""
        return self._plain().infer(as_bytes(inputs))

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """That of the convolution of bytes, row by row."""
        return self._plain().evaluate(arrays, as_bytes(inputs), output)

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """Those of the convolution of bytes, row by row."""
        return self._plain().macs(inputs, output)


def as_bytes(inputs: Inputs) -> tuple[Tensor | None, ...]:
    """The inputs, the first as int8, which is what its values are."""
    x, *constants = inputs
    assert x is not None
    return (with_tensor(x, dtype=DType.INT8), *constants)
