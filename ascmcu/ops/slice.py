# SPDX-License-Identifier: Apache-2.0
"""SLICE, STRIDED_SLICE, SPLIT, SPLIT_V, UNPACK: parts of a tensor; REVERSE_V2: all of it backwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import (
    Columns,
    Inputs,
    Op,
    RowMode,
    RowReads,
    RowRule,
    Span,
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


@register("SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V", "UNPACK", "REVERSE_V2")
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

    def in_columns(self, inputs: Inputs, output: Tensor, span: Span) -> Columns | None:
        """From the first column that is taken to the last."""
        begin, stride = self.begin[2], self.strides[2]
        if stride < 0:
            return None
        read = (begin + span[0] * stride, begin + (span[1] - 1) * stride + 1)
        begins = (*self.begin[:2], 0, *self.begin[3:])
        sizes = (*self.size[:2], span[1] - span[0], *self.size[3:])
        return Columns(Slice(begins, sizes, self.strides), (read,), (0,))

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
    begins, sizes, steps = [], [], []
    for extent, entry in zip(x.shape, _entries(ctx, x, len(begin)), strict=True):
        if entry is None:
            b, n, s = 0, extent, 1
        elif masks["ShrinkAxisMask"] >> entry & 1:
            b, n, s = begin[entry] + (extent if begin[entry] < 0 else 0), 1, 1
        else:
            s = strides[entry]
            if s == 0:
                raise ctx.error("stride must not be zero", x, found=strides)
            part = slice(
                None if masks["BeginMask"] >> entry & 1 else begin[entry],
                None if masks["EndMask"] >> entry & 1 else end[entry],
                s,
            )
            chosen = range(*part.indices(extent))
            b, n = (chosen.start, len(chosen)) if len(chosen) else (0, 0)
        begins.append(b)
        sizes.append(n)
        steps.append(s)
    return [(tuple(begins), tuple(sizes), tuple(steps), ctx.outputs[0])]


def _entries(ctx: ImportContext, x: Tensor, count: int) -> list[int | None]:
    """For each axis of the input, which of the ``count`` entries of begin and end is its own; ``None`` for all of it.

    An ellipsis stands for as many axes as are missing; a new axis is none of the input's.
    """
    ellipsis, new = int(ctx.option("EllipsisMask", 0)), int(ctx.option("NewAxisMask", 0))
    own = [i for i in range(count) if ellipsis >> i & 1 or not new >> i & 1]
    gaps = [i for i in own if ellipsis >> i & 1]
    missing = len(x.shape) - (len(own) - len(gaps))
    if len(gaps) > 1 or missing < 0:
        raise ctx.damage(
            "the entries do not fit the axes", x, expected=f"up to {len(x.shape)}, one ellipsis", found=count
        )
    entries: list[int | None] = []
    for i in own:
        entries += [None] * missing if i in gaps else [i]
    return entries if gaps else [*entries, *[None] * missing]


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


def _import_reverse(ctx: ImportContext, x: Tensor) -> list[Part]:
    axes = {_axis(ctx, int(v), x) for v in ctx.const(1).reshape(-1)}
    backwards = [axis in axes for axis in range(len(x.shape))]
    begin = tuple(extent - 1 if back else 0 for extent, back in zip(x.shape, backwards, strict=True))
    strides = tuple(-1 if back else 1 for back in backwards)
    return [(begin, x.shape, strides, ctx.outputs[0])]


_IMPORTERS = {
    "REVERSE_V2": _import_reverse,
    "SLICE": _import_slice,
    "STRIDED_SLICE": _import_strided_slice,
    "SPLIT": _import_split,
    "SPLIT_V": _import_split_v,
    "UNPACK": _import_unpack,
}
