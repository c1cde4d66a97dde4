"""The planar form of depthwise convolutions three columns wide: SMLAD on two neighbouring columns of one channel.

A block of channels is brought into planes of int16, one per channel and kernel row, the padding filled in. Per plane
two words then hold four columns, enough for two outputs (stride 1), and two words of weights, P = (w0, w1) and
Q = (w1, w2), serve both outputs:

    out0 += x0·w0 + x1·w1   SMLAD  (word 0, P)        out1 += x1·w0           SMLATB (word 0, P)
    out0 += x2·w2           SMLABT (word 1, Q)        out1 += x2·w1 + x3·w2   SMLAD  (word 1, Q)

Weights and bias are stored times 256, which leaves the sums where the requantization of the dot form wants them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Tuning
from ascmcu.ir.types import Array, Tensor
from ascmcu.ops._dot import Saturating, channel_constants, folded_bias
from ascmcu.ops._fixed import I64, wrap32
from ascmcu.ops._quant import Requantization

KERNEL_W = 3
_MOST_ROWS = 3  # weights of three kernel rows fill six registers
_UNROLLED_WIDTH = 8


@dataclass(frozen=True)
class PlanarParams(Saturating):
    """Compile-time constants of the inner kernel.

    A plane is ``plane`` int16 long; a channel has ``rows`` planes. ``block`` channels are done at a time. A channel's
    constants are two words of weights per row, the bias, M, C and, where ``signed``, D.
    """

    rows: int
    plane: int
    block: int
    stride: int
    out_w: int
    channels: int
    unrolled: bool

    @property
    def channel_words(self) -> int:
        """Constants of one channel."""
        return 2 * self.rows + (4 if self.signed else 3)

    @property
    def scratch(self) -> int:
        """int16 elements of one block's planes."""
        return self.block * self.rows * self.plane

    @property
    def pairs(self) -> int:
        """Pairs of outputs in a row."""
        return self.out_w // 2


@dataclass(frozen=True)
class Planar:
    """A layer in planar form."""

    params: PlanarParams
    constants: Array


def planar_form(
    weights: Array,
    bias: Array,
    x: Tensor,
    requant: Requantization,
    bounds: tuple[I64, I64],
    *,
    stride: int,
    out_w: int,
    tuning: Tuning,
) -> Planar | None:
    """The planar form of ``weights`` (kernel rows, 3, channels), or ``None`` where it is not exact or not there."""
    rows, width, channels = weights.shape
    if width != KERNEL_W or rows > _MOST_ROWS or stride not in (1, 2) or x.dtype.integer_range[0] == 0:
        return None
    if weights.min() < -127 or channels > 2000:
        return None
    found = channel_constants(requant, bounds, tuning)
    if found is None:
        return None
    columns = (2 * -(-out_w // 2) - 1) * stride + KERNEL_W
    plane = columns + columns % 2
    if rows * plane * 2 > 4000:
        return None
    block = max(min(tuning.scratch_bytes // (2 * rows * plane), channels) // 4 * 4, min(channels, 4))
    params = PlanarParams(
        rows=rows,
        plane=plane,
        block=block,
        stride=stride,
        out_w=out_w,
        channels=channels,
        shift=found.shift,
        signed=found.signed,
        low=requant.low,
        high=requant.high,
        unrolled=out_w <= _UNROLLED_WIDTH,
    )
    taps = weights.astype(np.int64).transpose(2, 0, 1) * 256
    first = (taps[..., 0] & 0xFFFF) | (taps[..., 1] << 16)
    second = (taps[..., 1] & 0xFFFF) | (taps[..., 2] << 16)
    words = np.stack([first, second], axis=-1).reshape(channels, -1)
    folded = folded_bias(found, weights.reshape(-1, channels), bias, x)
    words[found.constant] = 0
    constants = np.concatenate([words, folded[:, np.newaxis], found.columns], axis=1)
    return Planar(params, wrap32(constants).astype(np.int32))
