# SPDX-License-Identifier: Apache-2.0
"""Shared code of matrix products: the loops of a step over its vectors."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import Inputs, present
from ascmcu.ir.types import Array, Tensor
from ascmcu.kernels import _loops
from ascmcu.kernels._loops import Loop


@dataclass(frozen=True)
class Vectors:
    """A step's vectors of the first operand: loops with steps (output, first operand, second operand), each vector
    of ``depth`` elements times the ``width`` vectors of a matrix of the second one. ``one_matrix`` says that every step
    takes all rows of that one."""

    loops: tuple[Loop, ...]
    depth: int
    width: int
    one_matrix: bool

    @property
    def fours(self) -> int:
        """Vectors of the second operand that are taken four at a time."""
        return self.width // 4 * 4

    @property
    def rest(self) -> int:
        """Those that are left."""
        return self.width % 4

    @property
    def twos(self) -> int:
        """Vectors of the second operand that are taken two at a time."""
        return self.width // 2

    @property
    def odd(self) -> bool:
        """Whether one is left then."""
        return self.width % 2 == 1

    @property
    def quads(self) -> int:
        """Groups of four elements in a vector."""
        return self.depth // 4

    @property
    def whole(self) -> int:
        """Elements in those groups."""
        return self.quads * 4


def vectors(inputs: Inputs, output: Tensor) -> Vectors:
    """The loops of one output row."""
    a, b = present(inputs)
    first = 2 if output.has_row_axis else 0
    target = output.shape[first:-1]
    walks = (
        _loops.contiguous_strides(output.shape)[first:-1],
        _walk(a, output, along=True)[first:-1],
        _walk(b, output, along=False)[first:-1],
    )
    return Vectors(_loops.loops(target, walks), a.shape[-1], output.shape[-1], len(output.shape) == 3)


def _walk(operand: Tensor, output: Tensor, *, along: bool) -> tuple[int, ...]:
    """Strides of an operand along the output's axes; ``along`` says that its vectors are the output's rows."""
    strides = _loops.contiguous_strides(operand.shape)
    leading = [
        stride if extent == whole else 0
        for stride, extent, whole in zip(strides[:-2], operand.shape, output.shape, strict=False)
    ]
    return (*leading, strides[-2] if along else 0, 0)


def constants(inputs: Inputs) -> tuple[tuple[str, Array], ...]:
    """Constant operands by their names in the templates."""
    return tuple(
        (n, t.data) for n, t in zip("ab", inputs, strict=True) if t is not None and t.data is not None
    )
