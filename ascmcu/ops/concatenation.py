# SPDX-License-Identifier: Apache-2.0
"""CONCATENATION and PACK: tensors joined along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import (
    Columns,
    Inputs,
    Op,
    Permuted,
    RowMode,
    RowReads,
    RowRule,
    Span,
    Swapped,
    TensorType,
    elementwise_columns,
    present,
    swap_constants,
    whole_rule,
)
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _quant
from ascmcu.ops.reshape import Reshape


@register("CONCATENATION", "PACK")
@dataclass(frozen=True)
class Concatenation(Op):
    """Inputs one after the other along ``axis`` (tflite reference_ops::Concatenation, Pack)."""

    KIND = "concatenation"
    axis: int

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """PACK is a concatenation of inputs that were given the new axis."""
        output = ctx.outputs[0]
        axis = int(ctx.option("Axis", 0))
        axis += len(output.shape) if axis < 0 else 0
        parts = []
        for t in ctx.inputs:
            if t is None:
                raise ctx.error("input is missing")
            if t.dtype in (*_quant.QUANTIZED, DType.INT16) and t.quant != output.quant:
                raise ctx.error(
                    "joined tensors must share one quantization", t, expected=output.quant, found=t.quant
                )
            parts.append(_with_axis(ctx, t, axis) if ctx.builtin == "PACK" else t)
        if ctx.builtin == "CONCATENATION" and int(ctx.option("FusedActivationFunction", 0)) != 0:
            raise ctx.error("a fused activation on a concatenation is not supported", output)
        if not 0 <= axis < len(output.shape):
            raise ctx.error("axis is out of range", output, found=axis)
        ctx.emit(cls(axis), parts, output)

    def infer(self, inputs: Inputs) -> TensorType:
        """Extents add up along the axis."""
        tensors = [t for t in inputs if t is not None]
        first = tensors[0]
        if not 0 <= self.axis < len(first.shape):
            raise _quant.incompatible("the joined axis is not there", f"below {len(first.shape)}", self.axis)
        for t in tensors:
            others = [d for i, d in enumerate(t.shape) if i != self.axis]
            if len(t.shape) != len(first.shape) or others != [
                d for i, d in enumerate(first.shape) if i != self.axis
            ]:
                raise _quant.incompatible("joined tensors differ beside the axis", first.shape, t.shape)
        shape = list(first.shape)
        shape[self.axis] = sum(t.shape[self.axis] for t in tensors)
        return TensorType(tuple(shape), first.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """A copy."""
        return np.concatenate([a for a in arrays if a is not None], axis=self.axis)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """The axis follows."""
        axis = {1: 2, 2: 1}.get(self.axis, self.axis) if len(output.shape) == 4 else self.axis
        return Swapped(Concatenation(axis), swap_constants(inputs))

    def in_columns(self, inputs: Inputs, output: Tensor, span: Span) -> Columns | None:
        """The same columns of all; of inputs that lie side by side, those that have some of them."""
        if self.axis != 2:
            return elementwise_columns(self, inputs, output, span)
        reads: list[Span | None] = []
        kept, start = [], 0
        for index, t in enumerate(present(inputs)):
            begin, end = max(span[0] - start, 0), min(span[1] - start, t.shape[2])
            reads.append((begin, end))
            kept += [index] if begin < end else []
            start += t.shape[2]
        return Columns(self, tuple(reads), tuple(kept))

    def by_row(self, output: Tensor) -> bool:
        """Whether each output row comes from one input."""
        return output.has_row_axis and self.axis == 1

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Each output row comes from one input along the row axis, else from the same row of all."""
        if output.has_row_axis and self.axis == 0:
            return whole_rule(inputs)
        reads: list[RowReads | None] = []
        start = 0
        for t in present(inputs):
            offset = start if self.by_row(output) else 0
            reads.append(None if t.is_const else RowReads(1, -offset, 1))
            start += t.shape[self.axis]
        if not output.has_row_axis:
            return whole_rule(inputs)
        return RowRule(RowMode.MAP, output.rows, tuple(reads))

    def is_identity(self, x: Tensor, output: Tensor) -> bool:
        """Where the shape stays, the first input is all there is."""
        return True

    def permuted(self, permutation: Sequence[int]) -> Permuted:
        """The axis follows."""
        return Permuted(Concatenation(permutation[self.axis]), tuple(permutation))


def _with_axis(ctx: ImportContext, tensor: Tensor, axis: int) -> Tensor:
    shape = (*tensor.shape[:axis], 1, *tensor.shape[axis:])
    if tensor.data is not None:
        return ctx.constant(f"{tensor.name}.expanded", tensor.data.reshape(shape), tensor)
    expanded = ctx.temporary(tensor, shape, f"{tensor.name}.expanded")
    ctx.emit(Reshape(shape), (tensor,), expanded)
    return expanded
