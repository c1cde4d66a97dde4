# SPDX-License-Identifier: Apache-2.0
"""MIRROR_PAD: a border that mirrors the tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ascmcu.ir.op import Inputs, RowMode, present
from ascmcu.ir.types import Tensor
from ascmcu.kernels import _loops
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._work import work
from ascmcu.ops.mirror_pad import MirrorPad


@dataclass(frozen=True)
class Axis:
    """One axis: output index i reads input index mirror(i − before) with period reflection about the edges."""

    extent: int
    before: int
    in_extent: int
    in_stride: int


@dataclass(frozen=True)
class Params:
    """Compile-time constants: ``run`` elements lie side by side behind the last of the ``axes`` that has a border.
    ``edge`` is 0 for symmetric (the edge repeats) and 1 for reflect (it does not)."""

    axes: tuple[Axis, ...]
    run: int
    edge: int
    c_type: str


@kernel(MirrorPad, cost=Cost(output=20))
def lower(op: MirrorPad, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
    """Per-axis mirrored indexing."""
    (x,) = present(inputs)
    first = 2 if op.row_rule(inputs, output).mode is RowMode.MAP else 0
    bordered = [i for i, around in enumerate(op.paddings) if any(around)]
    end = max([first, *(i + 1 for i in bordered)])
    strides = _loops.contiguous_strides(x.shape)
    axes = tuple(Axis(output.shape[i], op.paddings[i][0], x.shape[i], strides[i]) for i in range(first, end))
    run = math.prod(x.shape[end:])
    params = Params(axes, run, int(op.mode == "reflect"), output.dtype.c_name)
    return Lowered(params, work=work({"outputs": output.elements}))
