# SPDX-License-Identifier: Apache-2.0
"""DEPTHWISE_CONV_2D of any window: four channels of a pixel at a time, the taps that lie on the map one by one.

A word of x and one of weights hold a tap of four channels; SXTAB16 takes the zero point off x as it extends it, so that
taps beside the map are left out and add nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.kernels._depthwise_window_code import Shape, code
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._packed_gemm import channel_constants
from ascmcu.kernels._packed_work import open_bounds
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import accumulator_bounds
from ascmcu.kernels._work import Work, inside, work
from ascmcu.m4.asm import MOST_OFFSET
from ascmcu.m4.listing import Listing
from ascmcu.ops._fixed import I64, wrap32
from ascmcu.ops._window import WindowParams
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D

_GROUP = 4
_MOST_UNROLLED = 9


@dataclass(frozen=True)
class Inner(Shape):
    """Compile-time constants of the inner kernel."""

    @property
    def code(self) -> Listing:
        """The assembly."""
        return code(self)


@dataclass(frozen=True)
class Params:
    """Compile-time constants of the row kernel. A run of ``groups`` groups of four outputs begins at each of ``runs``
    input channels; where ``left_over`` outputs are left, one more group takes the last four."""

    window: WindowParams
    x_zero_point: int
    groups: int
    runs: int
    left_over: int
    inner: Inner

    @property
    def last_input(self) -> int:
        """First input channel of the group that takes the last four outputs."""
        return self.window.in_c - _GROUP // self.inner.shared

    @property
    def last_output(self) -> int:
        """Its first output."""
        return self.window.out_c - _GROUP

    @property
    def run_weights(self) -> int:
        """From the weights of a run to those of the next."""
        return self.groups * self.inner.group_bytes

    @property
    def run_constants(self) -> int:
        """From its constants to those of the next."""
        return self.groups * self.inner.group_words

    @property
    def row_bytes(self) -> int:
        """Of the weights of one kernel row and group."""
        return _GROUP * self.window.kernel_w


@kernel(DepthwiseConv2D, cost=Cost(mac=3.4, output=18))
def lower(op: DepthwiseConv2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """Four outputs or more; one, two or a multiple of four of each input channel; a requantization that is exact in one
    multiplication."""
    x, weights, bias = op.operands(inputs)
    _, kernel_h, kernel_w, channels = weights.shape
    multiplier = channels // x.shape[3]
    step, group_bytes = op.dilation[1] * x.shape[3], _GROUP * kernel_h * kernel_w
    if (multiplier > 2 and multiplier % _GROUP) or channels < _GROUP or kernel_w > _MOST_UNROLLED:
        return None
    if any(t.dtype is not DType.INT8 for t in (x, weights)) or max(step, group_bytes) > MOST_OFFSET:
        return None
    if not all(_reached(op, axis, x, weights, output) for axis in (0, 1)):
        return None
    taps = weights.values.reshape(-1, channels)
    requant = op.requantization(inputs, output)
    found = channel_constants(requant, accumulator_bounds(taps.T, bias.values, x), tuning)
    if found is None:
        return None
    inner = Inner(
        shift=found.shift,
        signed=found.signed,
        low=requant.low,
        high=requant.high,
        kernel_w=kernel_w,
        step=step,
        group_bytes=group_bytes,
        minus_zero_points=(-x.zero_point & 0xFFFF) * 0x00010001,
        shared=min(multiplier, _GROUP),
        advance=_GROUP // multiplier,
    )
    runs = x.shape[3] if multiplier > _GROUP else 1
    params = Params(
        window=op.window_params(x, weights, output),
        x_zero_point=x.zero_point,
        groups=channels // runs // _GROUP,
        runs=runs,
        left_over=channels % _GROUP,
        inner=inner,
    )
    stored = np.where(found.constant, 0, taps).astype(np.int8)
    start = np.where(found.constant, 0, bias.values).astype(np.int64)
    return Lowered(
        params,
        (
            ("weights", np.concatenate([stored[:, group].reshape(-1) for group in _groups(channels)])),
            ("constants", _constants(start, found.columns, channels)),
        ),
        shift=found.shift,
        work=_work(params, output),
    )


def _work(k: Params, output: Tensor) -> Work:
    """All pixels: calls, groups, and of each group the kernel rows and taps that lie on the map; those that the map's
    edge cuts run in a loop of their own."""
    w = k.window
    across = inside(w.out_w, w.kernel_w, w.stride_w, w.dilation_w, w.pad_left, w.in_w)
    along = inside(output.shape[1], w.kernel_h, w.stride_h, w.dilation_h, w.pad_top, w.in_h)
    pixels, last = len(across) * len(along), 1 if k.left_over else 0
    groups = k.runs * k.groups + last
    rows, cut = sum(along) * groups, [taps for taps in across if taps < w.kernel_w]
    narrow = w.kernel_w == 1
    counts = {
        "pixels": pixels,
        "calls": pixels * (k.runs + last),
        "groups": pixels * groups,
        "narrow_kernel_rows" if narrow else "kernel_rows": rows * len(across),
        "taps": 0 if narrow else rows * (sum(across) - sum(cut)),
        "cut_rows": rows * len(cut),
        "cut_taps": rows * sum(cut),
        "signed": _GROUP * pixels * groups if k.inner.signed else 0,
        "bounded": _GROUP * pixels * groups * open_bounds(k.inner),
    }
    return work(counts)


def _reached(op: DepthwiseConv2D, axis: int, x: Tensor, weights: Tensor, output: Tensor) -> bool:
    """Whether each window has a tap on the map, along rows (0) or columns (1)."""
    first = np.arange(output.shape[1 + axis]) * op.stride[axis] - op.padding[2 * axis]
    at = first[:, np.newaxis] + np.arange(weights.shape[1 + axis]) * op.dilation[axis]
    return bool(np.all(np.any((at >= 0) & (at < x.shape[1 + axis]), axis=1)))


def _groups(channels: int) -> list[slice]:
    """The channels of each group; the last one takes the last four."""
    firsts = [*range(0, channels - _GROUP + 1, _GROUP), *([channels - _GROUP] if channels % _GROUP else [])]
    return [slice(first, first + _GROUP) for first in firsts]


def _constants(start: I64, columns: Array, channels: int) -> Array:
    """Per group four biases, then M, C and perhaps D of each channel."""
    parts = [part for g in _groups(channels) for part in (start[g], columns[g].reshape(-1))]
    return wrap32(np.concatenate(parts)).astype(np.int32)
