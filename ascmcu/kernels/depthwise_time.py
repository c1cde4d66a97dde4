# SPDX-License-Identifier: Apache-2.0
"""DEPTHWISE_CONV_2D along time, on planes of four time steps (``_along_time``)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.layout import TIME_INT16, TIME_PLANAR, TIME_STEPS, TIME_TO_WIDTH
from ascmcu.ir.op import Inputs
from ascmcu.ir.types import DType, Tensor
from ascmcu.kernels._along_time import (
    MOST_WORDS,
    along_time,
    first_row,
    folded_rule,
    lead_of,
    packed,
    reach,
    tap_words,
)
from ascmcu.kernels._depthwise_time_code import Shape, code
from ascmcu.kernels._lowered import Lowered, Tuning
from ascmcu.kernels._packed_gemm import channel_constants, folded_bias
from ascmcu.kernels._packed_work import open_bounds
from ascmcu.kernels._registry import Cost, kernel
from ascmcu.kernels._requant import accumulator_bounds
from ascmcu.kernels._work import Work, work
from ascmcu.m4.instruction import Kind
from ascmcu.m4.listing import Line, Listing
from ascmcu.ops._fixed import wrap32
from ascmcu.ops._quant import word_of
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D

_MOST_CHANNELS = 1000


@dataclass(frozen=True)
class Params(Shape):
    """Compile-time constants of the row kernel, beyond what its assembly depends on.

    Step s reads its rows from ``s × stride + first``. Rows outside the input are the zero point where the layer pads
    (``pads``), and the ``behind`` time steps of the last row that lie behind the map are made so; elsewhere they are of
    no consequence.
    """

    kernel: int
    dilation: int
    first: int
    in_rows: int
    x_zero_point: int
    pads: bool
    behind: int
    fold: int = TIME_STEPS

    @property
    def code(self) -> Listing:
        """The assembly."""
        return code(self)

    @property
    def y_type(self) -> str:
        """C type of an output."""
        return "int16_t" if self.y_bytes == 2 else "int8_t"

    @property
    def places(self) -> tuple[int, ...]:
        """The taps' bytes in a channel's weights."""
        return tuple(
            TIME_STEPS * index + place for index, word in enumerate(self.taps) for place in word.places
        )

    @property
    def scale_word(self) -> int:
        """Where M, C and perhaps D begin among a channel's constants, behind the bias and the weights."""
        return 1 + len(self.taps)

    @property
    def row_bytes(self) -> int:
        """Of an input row."""
        return self.fold * self.channels

    @property
    def row(self) -> str:
        """C expression of the first input row under the windows of ``step``."""
        return first_row(self.stride, self.first)

    @property
    def last_base(self) -> int:
        """The last first row under which all rows are in the input."""
        return self.in_rows - self.words

    @property
    def last_row(self) -> int:
        """Of the input."""
        return self.in_rows - 1

    @property
    def behind_mask(self) -> str:
        """The zero point in the time steps of the last row that lie behind the map, as a C number."""
        return f"0x{self.fill & ~self._kept:08X}"

    @property
    def kept_mask(self) -> str:
        """The other time steps of that row."""
        return f"0x{self._kept:08X}"

    @property
    def _kept(self) -> int:
        return (1 << 8 * (TIME_STEPS - self.behind)) - 1

    @property
    def channel_words(self) -> int:
        """Constants of one channel: bias, weights, M, C and perhaps D."""
        return self.scale_word + self.scale_words

    @property
    def fill(self) -> int:
        """The zero point four times in a word."""
        return word_of(self.x_zero_point)


@kernel(
    DepthwiseConv2D,
    reads=(TIME_PLANAR,),
    writes=(TIME_TO_WIDTH, TIME_INT16),
    cost=Cost(mac=1.3, output=10),
)
def lower(op: DepthwiseConv2D, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered | None:
    """A kernel k × 1, one output per input channel, and a requantization that is exact in one multiplication. An int16
    output is for a convolution that would widen it."""
    x, weights, bias = op.operands(inputs)
    _, taps_h, _, channels = weights.shape
    if not along_time(op, x, weights, output) or channels != x.shape[3]:
        return None
    first, words = reach(op, weights)
    y_bytes, pitch = output.stored_dtype.size_bytes, output.layout.pitch or channels
    if words > MOST_WORDS or max(channels, pitch * y_bytes) > _MOST_CHANNELS:
        return None
    taps = weights.values.reshape(taps_h, channels)
    requant = op.requantization(inputs, output)
    found = channel_constants(requant, accumulator_bounds(taps.T, bias.values, x), tuning)
    if found is None:
        return None
    grouped, lead = tap_words(taps_h, op.dilation[0]), lead_of(op.padding[0])[1]
    pads = op.padding[:2] != (0, 0)
    params = Params(
        kernel=taps_h,
        stride=op.stride[0],
        dilation=op.dilation[0],
        first=first,
        lead=lead,
        words=words,
        in_rows=x.rows,
        channels=channels,
        x_zero_point=x.zero_point,
        pads=pads,
        behind=-x.shape[1] % TIME_STEPS if pads else 0,
        shift=found.shift,
        signed=found.signed,
        low=requant.low,
        high=requant.high,
        taps=grouped,
        y_bytes=y_bytes,
        pitch=pitch,
    )
    folded = folded_bias(found, taps, bias.values, x)
    words_of = packed(np.where(found.constant, 0, taps), grouped)
    constants = np.concatenate([folded[:, np.newaxis], words_of, found.columns], axis=1)
    scratch = channels * TIME_STEPS * (2 if params.behind else 1)
    return Lowered(
        params,
        (("constants", wrap32(constants).astype(np.int32)),),
        scratch=(DType.INT8, scratch) if pads else None,
        shift=found.shift,
        work=_work(params, output.rows),
        rule=folded_rule(op, weights, output),
    )


def _work(k: Params, steps: int) -> Work:
    """All steps, a channel at a time: the instructions that sum it, then four outputs."""
    channels = steps * k.channels
    lines = [entry for entry in k.code.entries if isinstance(entry, Line)]
    loads = sum(line.kind is Kind.LOAD for line in lines)
    counts = {
        "rows": steps * k.words,
        "channels": channels,
        "instructions": channels * (len(lines) - loads),
        "loads": channels * loads,
        "signed": channels if k.signed else 0,
        "bounded": channels * open_bounds(k),
        "padding": steps if k.pads else 0,
    }
    return work(counts)
