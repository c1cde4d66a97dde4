# SPDX-License-Identifier: Apache-2.0
"""SLICE, STRIDED_SLICE, SPLIT, SPLIT_V, UNPACK: parts of a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import (
    Inputs,
    Op,
    RowMode,
    RowReads,
    RowRule,
    Swapped,
    TensorType,
    present,
    swap_pair,
    whole_rule,
)
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops import _quant
from ascmcu.ops.reshape import Reshape

Ints = tuple[int, ...]


@register("SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V", "UNPACK")
@dataclass(frozen=True)
class Slice(Op):
    """y[i] = x[begin + i × stride] along every axis, ``size`` elements each; strides may be negative."""

    KIND = "slice"
    begin: Ints
    size: Ints
    strides: Ints

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit one slice per output, followed by a reshape where axes vanish."""
        # SPLIT puts the axis first, every other operator its data.
        x = ctx.needed(1 if ctx.builtin == "SPLIT" else 0)
        for begin, size, strides, output in _IMPORTERS[ctx.builtin](ctx, x):
            if output.shape == size:
                ctx.emit(cls(begin, size, strides), (x,), output)
            else:
                part = ctx.temporary(output, size, f"{output.name}.part")
                ctx.emit(cls(begin, size, strides), (x,), part)
                ctx.emit(Reshape(output.shape), (part,), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """``size``."""
        x = present(inputs)[0]
        for axis, (b, n, s, extent) in enumerate(
            zip(self.begin, self.size, self.strides, x.shape, strict=True)
        ):
            last = b + (n - 1) * s
            if n < 1 or s == 0 or not (0 <= b < extent and 0 <= last < extent):
                raise _quant.incompatible(
                    f"slice leaves the tensor along axis {axis}", f"0 … {extent - 1}", (b, last)
                )
        return TensorType(self.size, x.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """A copy."""
        x = present(arrays)[0]
        axes = zip(self.begin, self.size, self.strides, strict=True)
        return x[np.ix_(*(b + s * np.arange(n) for b, n, s in axes))]

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """Per-axis attributes exchanged."""
        return Swapped(Slice(swap_pair(self.begin), swap_pair(self.size), swap_pair(self.strides)))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Output row s is input row begin + s × stride."""
        x = present(inputs)[0]
        if x.has_row_axis and output.has_row_axis and self.strides[1] > 0:
            return RowRule(RowMode.MAP, output.rows, (RowReads(self.strides[1], self.begin[1], 1),))
        return whole_rule(inputs)

    def is_identity(self, x: Tensor, output: Tensor) -> bool:
        """Where the shape stays, all is taken, if none of it backwards."""
        return all(stride > 0 or extent == 1 for stride, extent in zip(self.strides, x.shape, strict=True))


Part = tuple[Ints, Ints, Ints, Tensor]


def _axis(ctx: ImportContext, value: int, x: Tensor) -> int:
    axis = value + (len(x.shape) if value < 0 else 0)
    if not 0 <= axis < len(x.shape):
        raise ctx.error(
            "axis is out of range", x, expected=f"-{len(x.shape)} … {len(x.shape) - 1}", found=value
        )
    return axis


def _along(x: Tensor, axis: int, begin: int, size: int, output: Tensor) -> Part:
    begins, sizes = [0] * len(x.shape), list(x.shape)
    begins[axis], sizes[axis] = begin, size
    return tuple(begins), tuple(sizes), (1,) * len(x.shape), output


def _import_slice(ctx: ImportContext, x: Tensor) -> list[Part]:
    begin = [int(v) for v in ctx.const(1).reshape(-1)]
    size = [int(v) for v in ctx.const(2).reshape(-1)]
    if len(begin) != len(x.shape) or len(size) != len(x.shape):
        raise ctx.error(
            "begin and size must name every axis", x, expected=len(x.shape), found=(len(begin), len(size))
        )
    full = tuple(x.shape[i] - begin[i] if n == -1 else n for i, n in enumerate(size))
    return [(tuple(begin), full, (1,) * len(full), ctx.outputs[0])]


def _import_strided_slice(ctx: ImportContext, x: Tensor) -> list[Part]:
    begin, end, strides = ([int(v) for v in ctx.const(i).reshape(-1)] for i in (1, 2, 3))
    masks = {name: int(ctx.option(name, 0)) for name in ("BeginMask", "EndMask", "ShrinkAxisMask")}
    if int(ctx.option("EllipsisMask", 0)) or int(ctx.option("NewAxisMask", 0)):
        raise ctx.error("ellipsis and new-axis masks are not supported", x)
    begins, sizes, steps = [], [], []
    for axis, extent in enumerate(x.shape):
        if axis >= len(begin):
            b, n, s = 0, extent, 1
        elif masks["ShrinkAxisMask"] >> axis & 1:
            b, n, s = begin[axis] + (extent if begin[axis] < 0 else 0), 1, 1
        else:
            s = strides[axis]
            if s == 0:
                raise ctx.error("stride must not be zero", x, found=strides)
            part = slice(
                None if masks["BeginMask"] >> axis & 1 else begin[axis],
                None if masks["EndMask"] >> axis & 1 else end[axis],
                s,
            )
            chosen = range(*part.indices(extent))
            b, n = (chosen.start, len(chosen)) if len(chosen) else (0, 0)
        begins.append(b)
        sizes.append(n)
        steps.append(s)
    return [(tuple(begins), tuple(sizes), tuple(steps), ctx.outputs[0])]


def _import_split(ctx: ImportContext, x: Tensor) -> list[Part]:
    axis = _axis(ctx, int(ctx.const(0).reshape(-1)[0]), x)
    share = x.shape[axis] // max(len(ctx.outputs), 1)
    return [_along(x, axis, i * share, share, output) for i, output in enumerate(ctx.outputs)]


def _import_split_v(ctx: ImportContext, x: Tensor) -> list[Part]:
    axis = _axis(ctx, int(ctx.const(2).reshape(-1)[0]), x)
    parts, begin = [], 0
    for output in ctx.outputs:
        if axis >= len(output.shape):
            raise ctx.error("output does not have the split axis", output, found=axis)
        parts.append(_along(x, axis, begin, output.shape[axis], output))
        begin += output.shape[axis]
    return parts


def _import_unpack(ctx: ImportContext, x: Tensor) -> list[Part]:
    axis = _axis(ctx, int(ctx.option("Axis", 0)), x)
    return [_along(x, axis, i, 1, output) for i, output in enumerate(ctx.outputs)]


_IMPORTERS = {
    "SLICE": _import_slice,
    "STRIDED_SLICE": _import_strided_slice,
    "SPLIT": _import_split,
    "SPLIT_V": _import_split_v,
    "UNPACK": _import_unpack,
}
