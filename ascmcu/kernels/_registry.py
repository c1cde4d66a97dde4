# SPDX-License-Identifier: Apache-2.0
"""The registry of kernels. A file in ``ascmcu/kernels/`` registers itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ascmcu.errors import VerifyError
from ascmcu.ir.layout import ROW_MAJOR, Layout
from ascmcu.ir.op import Inputs, Op
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels._lowered import Lowered, Tuning

# (op, inputs, output, tuning) → the kernel's constants, or None where it would not be exact, does not apply, or has
# no room.
Lower = Callable[[Any, Inputs, Tensor, Tuning], Lowered | None]
L = TypeVar("L", bound=Lower)


@dataclass(frozen=True)
class Cost:
    """Predicted cycles at zero wait states: so many per multiply-accumulate, per element of the output, and per byte
    of the inputs that are computed (those in int16 need no widening)."""

    mac: float = 0.0
    output: float = 0.0
    input: float = 0.0

    def cycles(self, op: Op, inputs: Inputs, output: Tensor) -> int:
        """Of a whole inference."""
        read = sum(t.elements for t in inputs if t is not None and not t.is_const and not t.layout.int16)
        macs = op.macs(inputs, output)
        return round(self.mac * macs + self.output * output.elements + self.input * read)


@dataclass(frozen=True)
class Kernel:
    """One way to do an operation.

    Attributes:
        name: the stem of its module and of its template, ``templates/kernels/<name>.c.j2``.
        op: what it does.
        reads: the kinds of layout that its run-time inputs may have.
        writes: those that its output may have.
        wide_weights: whether it takes int16 weights beside int8 inputs.
        cost: what it takes, as far as that is known before it is lowered.
        lower: its constants for one layer.
    """

    name: str
    op: type[Op]
    reads: tuple[Layout, ...]
    writes: tuple[Layout, ...]
    wide_weights: bool
    cost: Cost
    lower: Lower

    def fits(self, inputs: Inputs, output: Tensor) -> bool:
        """Whether it reads and writes these layouts."""
        read = all(t is None or t.is_const or t.layout.kind in self.reads for t in inputs)
        return (
            read and output.layout.kind in self.writes and (self.wide_weights or not _wide(self.op, inputs))
        )


def _wide(op: type[Op], inputs: Inputs) -> bool:
    """Whether a convolution of int8 has int16 weights."""
    return op.FAMILY in ("conv", "depthwise") and [t.dtype for t in inputs[:2] if t is not None] == [
        DType.INT8, DType.INT16,
    ]  # fmt: skip


_KERNELS: dict[type[Op], list[Kernel]] = {}


def kernel(
    *ops: type[Op],
    cost: Cost,
    reads: Sequence[Layout] = (ROW_MAJOR,),
    writes: Sequence[Layout] = (ROW_MAJOR,),
    wide_weights: bool = False,
) -> Callable[[L], L]:
    """Decorator of a module's ``lower``: make it known as a kernel of ``ops`` under the module's name."""

    def registered(lower: L) -> L:
        name = lower.__module__.rpartition(".")[2]
        for op in ops:
            known = _KERNELS.setdefault(op, [])
            if any(k.name == name for k in known):
                raise VerifyError(f"kernel '{name}' is registered twice", where=op.__name__)
            known.append(Kernel(name, op, tuple(reads), tuple(writes), wide_weights, cost, lower))
        return lower

    return registered


def kernels_of(op: type[Op]) -> tuple[Kernel, ...]:
    """The kernels of an operation."""
    return tuple(_KERNELS.get(op, ()))


def kernel_names() -> set[str]:
    """The names of all kernels (import ``ascmcu.kernels`` first)."""
    return {k.name for known in _KERNELS.values() for k in known}
