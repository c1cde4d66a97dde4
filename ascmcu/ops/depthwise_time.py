"""DEPTHWISE_TIME: a depthwise convolution along time on a folded map. A pass makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.graph import with_tensor
from ascmcu.ir.op import DEFAULT_TUNING, Inputs, Lowered, RowRule, TensorType, Tuning
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _quant
from ascmcu.ops._along_time import MOST_WORDS, folded_rule, lead_of, packed, program, reach, tap_words
from ascmcu.ops._dot import Saturating, channel_constants, folded_bias
from ascmcu.ops._fixed import wrap32
from ascmcu.ops._fold import FOLD, TIME_PLANES, fold, folded_rows, unfold
from ascmcu.ops._requant import accumulator_bounds
from ascmcu.ops._settled import Tried
from ascmcu.ops.depthwise_conv2d import DepthwiseConv2D

_MOST_CHANNELS = 1000


@dataclass(frozen=True)
class DepthwiseTimeParams(Saturating):
    """Compile-time constants of the row kernel.

    Step s reads ``words`` rows from ``s × stride + first``; the first output's window begins ``lead`` moments into
    the first of them. Rows outside the input are the zero point where the layer pads (``pads``), and the ``behind``
    moments of the last row that lie behind the map are made so; elsewhere they are of no consequence. ``places`` are
    the taps' bytes in a channel's weights, ``program`` the instructions that sum a channel. An output takes
    ``y_bytes``, moments are ``pitch`` outputs apart.
    """

    kernel: int
    stride: int
    dilation: int
    first: int
    lead: int
    words: int
    in_rows: int
    channels: int
    x_zero_point: int
    pads: bool
    behind: int
    places: tuple[int, ...]
    weight_words: int
    program: tuple[str, ...]
    y_bytes: int
    pitch: int
    fold: int = FOLD

    @property
    def channel_words(self) -> int:
        """Constants of one channel: bias, weights, M, C and perhaps D."""
        return 1 + self.weight_words + (3 if self.signed else 2)

    @property
    def fill(self) -> int:
        """The zero point four times in a word."""
        return _quant.word_of(self.x_zero_point)

    @property
    def kept(self) -> int:
        """Mask of the moments of the last row that the map has."""
        return (1 << 8 * (FOLD - self.behind)) - 1


@register()
@dataclass(frozen=True)
class DepthwiseTime(Tried, DepthwiseConv2D):
    """DEPTHWISE_CONV_2D of a (1, ``rows``, 1, C) map with a kernel k × 1: (1, G, C, 4) → (1, G', 4, C).

    With a ``pitch`` the output is int16 for a convolution that would widen it, (1, G', 4, pitch), C of them used.
    """

    KIND = "depthwise_time"
    rows: int = 0
    pitch: int = 0

    def _inside(self, inputs: Inputs) -> tuple[Tensor | None, ...]:
        x, *constants = inputs
        assert x is not None
        return (with_tensor(x, shape=(1, self.rows, 1, x.shape[2])), *constants)

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, ceil(out_h / 4), 4, C)."""
        x = inputs[0]
        assert x is not None
        if x.shape[1] != folded_rows(self.rows) or x.shape[3] != FOLD:
            raise _quant.incompatible("the input is not a folded map", self.rows, x.shape)
        inside = super().infer(self._inside(inputs))
        _, height, _, channels = inside.shape
        dtype = DType.INT16 if self.pitch else inside.dtype
        return TensorType((1, folded_rows(height), FOLD, self.pitch or channels), dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """The convolution of the unfolded map, folded."""
        x, *constants = arrays
        assert x is not None
        inside = unfold(TIME_PLANES.gather(x), self.rows)
        y = fold(super().evaluate((inside, *constants), self._inside(inputs), output))
        return np.pad(y, ((0, 0), (0, 0), (0, 0), (0, self.pitch - y.shape[3]))) if self.pitch else y

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """Those of the map inside."""
        inside = self._inside(inputs)
        return super().macs(inside, with_tensor(output, shape=super().infer(inside).shape))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """The rows under the windows of four outputs."""
        return folded_rule(self, inputs, output)

    def try_lower(self, inputs: Inputs, output: Tensor, tuning: Tuning = DEFAULT_TUNING) -> Lowered | None:
        """The kernel's constants, or ``None`` where it would not be exact or has no room."""
        inside = self._inside(inputs)
        x, weights, bias = inside
        assert x is not None and weights is not None and bias is not None
        assert weights.data is not None and bias.data is not None
        _, kernel, _, channels = weights.shape
        first, words = reach(self, weights)
        y_bytes, pitch = (2, self.pitch) if self.pitch else (1, channels)
        if (
            words > MOST_WORDS
            or max(channels, pitch * y_bytes) > _MOST_CHANNELS
            or x.dtype.integer_range[0] == 0
        ):
            return None
        taps = weights.data.reshape(kernel, channels)
        requant = self.requantization(inside, output)
        found = channel_constants(requant, accumulator_bounds(taps.T, bias.data, x), tuning)
        if found is None:
            return None
        grouped, lead = tap_words(kernel, self.dilation[0]), lead_of(self.padding[0])[1]
        pads = self.padding[:2] != (0, 0)
        params = DepthwiseTimeParams(
            kernel=kernel,
            stride=self.stride[0],
            dilation=self.dilation[0],
            first=first,
            lead=lead,
            words=words,
            in_rows=folded_rows(self.rows),
            channels=channels,
            x_zero_point=x.zero_point,
            pads=pads,
            behind=-self.rows % FOLD if pads else 0,
            places=tuple(FOLD * index + place for index, word in enumerate(grouped) for place in word.places),
            weight_words=len(grouped),
            shift=found.shift,
            signed=found.signed,
            low=requant.low,
            high=requant.high,
            program=program(grouped, self.stride[0], lead),
            y_bytes=y_bytes,
            pitch=pitch,
        )
        folded = folded_bias(found, taps, bias.data, x)
        words_of = packed(np.where(found.constant, 0, taps), grouped)
        constants = np.concatenate([folded[:, np.newaxis], words_of, found.columns], axis=1)
        scratch = channels * FOLD * (2 if params.behind else 1)
        return Lowered(
            params,
            (("constants", wrap32(constants).astype(np.int32)),),
            scratch=(DType.INT8, scratch) if pads else None,
            shift=found.shift,
        )
