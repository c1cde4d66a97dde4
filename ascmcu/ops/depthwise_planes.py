"""DEPTHWISE_PLANES: a depthwise convolution of three by three taps that reads channel planes. A pass makes it.

A word of a plane holds four columns; SXTB16 makes E = (x0, x2) and O = (x1, x3) of it. With (w0, w2) and w1 of each
kernel row in registers, an output takes two instructions a row, and two of four outputs a PKHTB more:

    out0 += x0·w0 + x2·w2  SMLAD  (E, w02)              out0 += x1·w1  SMLABB (O, w1)
    out1 += x1·w0 + x3·w2  SMLAD  (O, w02)              out1 += x2·w1  SMLATB (E, w1)
    out2 += x4·w2 + x2·w0  SMLADX (PKHTB(E, E'), w02)   out2 += x3·w1  SMLATB (O, w1)

Weights are stored as bytes and stand at 256 times their value once shifted and masked; so do the sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import DEFAULT_TUNING, Inputs, Lowered, TensorType, Tuning
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _quant
from ascmcu.ops._dot import Saturating, channel_constants, folded_bias
from ascmcu.ops._fixed import I64, wrap32
from ascmcu.ops._planes import NO_PLANES, Planes
from ascmcu.ops._requant import accumulator_bounds
from ascmcu.ops._settled import Tried
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D

KERNEL = (3, 3)
_MOST_WIDTH = 252  # a post-indexed load advances by no more
_MOST_CHANNELS = 1000
_BLOCK = 4


@dataclass(frozen=True)
class DepthwisePlanesParams(Saturating):
    """Compile-time constants of the row kernel.

    A row's outputs are ``blocks`` times four and then ``last`` (1 … 5). ``may_miss`` says of each kernel row whether
    it lies in the padding at some step; its columns are then the zero point, ``fill`` four times in a word. An output
    takes ``y_bytes``.
    """

    stride_h: int
    stride: int
    dilation_h: int
    pad_top: int
    in_h: int
    out_w: int
    width: int
    channels: int
    x_zero_point: int
    fill: int
    blocks: int
    last: int
    may_miss: tuple[bool, ...]
    y_bytes: int

    @property
    def channel_words(self) -> int:
        """Constants of one channel: three words of weights, bias, M, C and perhaps D."""
        return 7 if self.signed else 6


@register()
@dataclass(frozen=True)
class DepthwisePlanes(Tried, DepthwiseConv2D):
    """DEPTHWISE_CONV_2D on an input (1, H, C, plane width); ``planes`` are (first, columns, width). The output is
    ``wide``: int16 for a convolution that would widen it, or int8."""

    KIND = "depthwise_planes"
    planes: tuple[int, int, int] = NO_PLANES
    wide: bool = False

    def _inside(self, inputs: Inputs) -> tuple[Tensor | None, ...]:
        x, *constants = inputs
        assert x is not None
        return (Planes(*self.planes).inside(x), *constants)

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, C)."""
        x = inputs[0]
        assert x is not None
        if x.shape[3] != self.planes[2]:
            raise _quant.incompatible("the planes do not fit the input", x.shape[3], self.planes)
        inside = super().infer(self._inside(inputs))
        return TensorType(inside.shape, DType.INT16) if self.wide else inside

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """The convolution of the map inside."""
        x, *constants = arrays
        assert x is not None
        inside = Planes(*self.planes).gather(x)
        return super().evaluate((inside, *constants), self._inside(inputs), output)

    def try_lower(self, inputs: Inputs, output: Tensor, tuning: Tuning = DEFAULT_TUNING) -> Lowered | None:
        """The kernel's constants, or ``None`` where it would not be exact or has no room."""
        x, weights, bias = self._inside(inputs)
        assert x is not None and weights is not None and bias is not None
        assert weights.data is not None and bias.data is not None
        channels, width = weights.shape[3], self.planes[2]
        y_bytes = 2 if self.wide else 1
        if width > _MOST_WIDTH or channels * y_bytes > _MOST_CHANNELS or x.dtype.integer_range[0] == 0:
            return None
        taps = weights.data.reshape(-1, channels).T
        requant = self.requantization((x, weights, bias), output)
        found = channel_constants(requant, accumulator_bounds(taps, bias.data, x), tuning)
        if found is None:
            return None
        out_w = output.shape[2]
        last = (
            5 if self.stride[1] == 1 and out_w % _BLOCK == 1 and out_w > _BLOCK else (out_w - 1) % _BLOCK + 1
        )
        params = DepthwisePlanesParams(
            stride_h=self.stride[0],
            stride=self.stride[1],
            dilation_h=self.dilation[0],
            pad_top=self.padding[0],
            in_h=x.shape[1],
            out_w=out_w,
            width=width,
            channels=channels,
            x_zero_point=x.zero_point,
            fill=_quant.word_of(x.zero_point),
            blocks=(out_w - last) // _BLOCK,
            last=last,
            may_miss=self._may_miss(x.shape[1], output.shape[1]),
            shift=found.shift,
            signed=found.signed,
            low=requant.low,
            high=requant.high,
            y_bytes=y_bytes,
        )
        words = _packed(np.where(found.constant[:, np.newaxis], 0, taps))
        folded = folded_bias(found, taps.T, bias.data, x)
        constants = np.concatenate([words, folded[:, np.newaxis], found.columns], axis=1)
        return Lowered(params, (("constants", wrap32(constants).astype(np.int32)),), shift=found.shift)

    def _may_miss(self, in_h: int, out_h: int) -> tuple[bool, ...]:
        first = [ky * self.dilation[0] - self.padding[0] for ky in range(KERNEL[0])]
        return tuple(row < 0 or (out_h - 1) * self.stride[0] + row >= in_h for row in first)


def _packed(taps: Array) -> I64:
    """(channels, 9) → (channels, 3) words of bytes; w1 of the first two kernel rows share the first word."""
    w = taps.astype(np.int64).reshape(-1, 3, 3) & 0xFF
    zero = np.zeros_like(w[:, 0, 0])
    words = (
        (w[:, 0, 0], w[:, 0, 1], w[:, 0, 2], w[:, 1, 1]),
        (w[:, 1, 0], w[:, 2, 1], w[:, 1, 2], zero),
        (w[:, 2, 0], zero, w[:, 2, 2], zero),
    )
    packed: I64 = np.stack([a | b << 8 | c << 16 | d << 24 for a, b, c, d in words], axis=1)
    return packed
