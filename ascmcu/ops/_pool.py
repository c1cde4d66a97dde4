"""What average and max pooling share."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import Inputs, RowMode, RowReads, RowRule, TensorType, accumulate_rule
from ascmcu.ir.types import DType, Tensor
from ascmcu.ops import _quant, _window


@dataclass(frozen=True)
class PoolParams:
    """Compile-time constants of the row kernel."""

    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    pad_top: int
    pad_left: int
    in_h: int
    in_w: int
    channels: int
    out_w: int
    low: int
    high: int
    c_type: str
    accumulate: bool
    fours: bool


@dataclass(frozen=True)
class PoolAttributes:
    """Attributes of a pooling operator."""

    kernel: _window.Pair
    stride: _window.Pair
    padding: _window.Padding
    clamp: tuple[int, int]


def import_attributes(ctx: ImportContext) -> tuple[PoolAttributes, Tensor]:
    """The operator's attributes and its input."""
    x, output = ctx.inputs[0], ctx.outputs[0]
    if x is None or len(x.shape) != 4:
        raise ctx.error("input must have four dimensions", x)
    _quant.require_quantized(ctx, x, output)
    _quant.require_same(ctx, x, "pooling")
    kernel = (int(ctx.option("FilterHeight", 1)), int(ctx.option("FilterWidth", 1)))
    stride = _window.import_strides(ctx)
    padding = _window.import_padding(ctx, (x.shape[1], x.shape[2]), kernel, stride, (1, 1))
    return PoolAttributes(kernel, stride, padding, _quant.import_activation(ctx, output)), x


def infer(attributes: PoolAttributes, inputs: Inputs) -> TensorType:
    """(1, out_h, out_w, C)."""
    x = inputs[0]
    assert x is not None
    size = _window.output_size(x.shape[1:3], attributes.kernel, attributes.stride, (1, 1), attributes.padding)
    return TensorType((x.shape[0], *size, x.shape[3]), x.dtype)


def accumulates(attributes: PoolAttributes, inputs: Inputs, output: Tensor, *, state_bytes: int) -> bool:
    """Whether rows are taken one by one into what becomes the output row: windows must not overlap, and what lives
    on (``state_bytes``, else the output row itself) must be smaller than the rows that need not be kept."""
    x = inputs[0]
    assert x is not None
    kernel = attributes.kernel[0]
    apart = attributes.stride[0] == kernel or output.rows == 1
    kept = (kernel - 1) * x.row_bytes
    return apart and attributes.padding[:2] == (0, 0) and kernel > 1 and state_bytes < kept


def row_rule(attributes: PoolAttributes, output: Tensor, *, accumulate: bool) -> RowRule:
    """Window-height rows per output row, or one row after the other where the windows do not overlap."""
    if accumulate:
        kernel = attributes.kernel[0]
        return accumulate_rule(output.rows * kernel, kernel, (RowReads(1, 0, 1),))
    reads = _window.window_reads(attributes.kernel[0], attributes.stride[0], 1, attributes.padding[0])
    return RowRule(RowMode.MAP, output.rows, (reads,))


def lower(attributes: PoolAttributes, inputs: Inputs, output: Tensor, *, accumulate: bool) -> PoolParams:
    """The parameters of the row kernel."""
    x = inputs[0]
    assert x is not None
    _, in_h, in_w, channels = x.shape
    return PoolParams(
        *attributes.kernel,
        *attributes.stride,
        attributes.padding[0],
        attributes.padding[2],
        in_h,
        in_w,
        channels,
        output.shape[2],
        *attributes.clamp,
        x.dtype.c_name,
        accumulate,
        # Four int8 channels at a time; the sums of a window's columns must fit 16 bits, and maxima need no clamp.
        x.dtype is DType.INT8 and channels % 4 == 0 and attributes.kernel[1] <= 255,
    )
