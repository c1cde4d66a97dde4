# SPDX-License-Identifier: Apache-2.0
"""Base of average and max pooling."""

from __future__ import annotations

import dataclasses
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
    accumulate_rule,
    present,
    window_columns,
)
from ascmcu.ir.ranges import Range
from ascmcu.ir.types import Tensor
from ascmcu.ops import _quant, _window


@dataclass(frozen=True)
class Pool(Op):
    """Base: what lies under each window of x (1, H, W, C) becomes one element."""

    kernel: _window.Pair
    stride: _window.Pair
    padding: _window.Padding
    clamp: tuple[int, int]

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the pooling."""
        x, kernel, stride, padding = _window.import_pool(ctx)
        output = ctx.outputs[0]
        _quant.require_quantized(ctx, x, output, wide=True)
        _quant.require_same(ctx, x, "pooling")
        ctx.emit(cls(kernel, stride, padding, _quant.import_activation(ctx, output)), (x,), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, C)."""
        (x,) = present(inputs)
        size = _window.output_size(x.shape[1:3], self.kernel, self.stride, (1, 1), self.padding)
        return TensorType((x.shape[0], *size, x.shape[3]), x.dtype)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """Attributes exchanged."""
        padding = _window.swap_padding(self.padding)
        op = dataclasses.replace(self, kernel=self.kernel[::-1], stride=self.stride[::-1], padding=padding)
        return Swapped(op)

    def state_bytes(self, output: Tensor) -> int:
        """What rows that are taken one by one leave behind, beside the output row."""
        raise NotImplementedError

    def accumulates(self, inputs: Inputs, output: Tensor) -> bool:
        """Whether rows are taken one by one into what becomes the output row: windows must not overlap, and what lives
        on must be smaller than the rows that need not be kept."""
        (x,) = present(inputs)
        kernel = self.kernel[0]
        apart = self.stride[0] == kernel or output.rows == 1
        kept = (kernel - 1) * x.row_bytes
        return apart and self.padding[:2] == (0, 0) and kernel > 1 and self.state_bytes(output) < kept

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """Window-height rows per output row, or one row after the other where the windows do not overlap."""
        kernel = self.kernel[0]
        if self.accumulates(inputs, output):
            return accumulate_rule(output.rows * kernel, kernel, (RowReads(1, 0, 1),))
        reads = _window.window_reads(kernel, self.stride[0], 1, self.padding[0])
        return RowRule(RowMode.MAP, output.rows, (reads,))

    def in_columns(self, inputs: Inputs, output: Tensor, span: Span) -> Columns | None:
        """The columns under the windows, with the padding that is beside them."""
        (x,) = present(inputs)
        found = window_columns(x.shape[2], self.kernel[1], self.stride[1], 1, self.padding[2], span)
        if found is None:
            return None
        read, beside = found
        return Columns(dataclasses.replace(self, padding=(*self.padding[:2], *beside)), (read,), (0,))

    def keeps_channels(self, x: Tensor) -> bool:
        """Channel by channel."""
        return True

    def channel_range(self, ranges: Sequence[Range | None], inputs: Inputs, output: Tensor) -> Range | None:
        """The input's, clamped."""
        source = ranges[0]
        return source and Range(np.clip(source.low, *self.clamp), np.clip(source.high, *self.clamp))

    def is_identity(self, x: Tensor, output: Tensor) -> bool:
        """A window of one element whose clamp never shows."""
        low, high = x.dtype.integer_range
        return self.kernel == (1, 1) and self.clamp[0] <= low and self.clamp[1] >= high
