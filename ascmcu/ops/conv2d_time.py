"""CONV2D_TIME: a convolution along time on a folded map. A pass makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.ir.graph import with_tensor
from ascmcu.ir.op import DEFAULT_TUNING, Inputs, Lowered, RowRule, TensorType, Tuning
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _quant
from ascmcu.ops._along_time import folded_rule, lead_of, reach
from ascmcu.ops._dot import MOST_OFFSET, Dot, DotParams, dot_form
from ascmcu.ops._fold import FOLD, TIME_PLANES, fold, folded_rows, unfold
from ascmcu.ops._requant import accumulator_bounds
from ascmcu.ops._settled import Tried
from ascmcu.ops.conv2d import Conv2D, column_order

_SCRATCH_BYTES = 4096


@dataclass(frozen=True)
class Conv2DTimeParams:
    """Compile-time constants of the row kernel.

    Step s widens ``words`` rows from ``s × stride + first``, ``column`` int16 a moment, one every ``pitch``; the first
    output's window begins ``lead`` moments into them. Rows outside the input are the zero point where the layer pads
    (``pads``), and so are the ``behind`` moments of the last row that lie behind the map. The last step computes
    ``last`` moments. A ``wide`` input is int16 already, one row the operand of one step.
    """

    kernel: int
    stride: int
    first: int
    lead: int
    words: int
    steps: int
    last: int
    in_rows: int
    in_c: int
    out_c: int
    column: int
    pitch: int
    x_zero_point: int
    pads: bool
    behind: int
    planes: bool
    wide: bool
    dot: DotParams
    fold: int = FOLD


@register()
@dataclass(frozen=True)
class Conv2DTime(Tried, Conv2D):
    """CONV_2D of a (1, ``rows``, 1, C) map with a kernel k × 1: (1, G, 4, C) → (1, G', 4, O), or (1, G', O, 4).

    ``pitch`` sets moments further apart, once they are widened, than their channels ask for: layers of different
    depths then share their code.
    """

    KIND = "conv2d_time"
    rows: int = 0
    planes: bool = False
    pitch: int = 0

    def _inside(self, inputs: Inputs) -> tuple[Tensor | None, ...]:
        x, weights, *rest = inputs
        assert x is not None and weights is not None
        inside = with_tensor(x, shape=(1, self.rows, 1, weights.shape[3]), dtype=DType.INT8)
        return (inside, weights, *rest)

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, ceil(out_h / 4), 4, O), or planes."""
        x = inputs[0]
        assert x is not None
        if x.shape[1:3] != (folded_rows(self.rows), FOLD):
            raise _quant.incompatible("the input is not a folded map", self.rows, x.shape)
        inside = super().infer(self._inside(inputs))
        _, height, _, channels = inside.shape
        inner = (channels, FOLD) if self.planes else (FOLD, channels)
        return TensorType((1, folded_rows(height), *inner), inside.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """The convolution of the unfolded map, folded."""
        x, *constants = arrays
        assert x is not None
        inside = self._inside(inputs)
        assert inside[0] is not None
        moments = unfold(x, self.rows)[..., : inside[0].shape[3]]
        y = fold(super().evaluate((moments, *constants), inside, output))
        return TIME_PLANES.spread(y, 0) if self.planes else y

    def macs(self, inputs: Inputs, output: Tensor) -> int:
        """Those of the map inside."""
        inside = self._inside(inputs)
        return super().macs(inside, with_tensor(output, shape=super().infer(inside).shape))

    def row_rule(self, inputs: Inputs, output: Tensor) -> RowRule:
        """The rows under the windows of four outputs."""
        return folded_rule(self, inputs, output)

    def try_lower(self, inputs: Inputs, output: Tensor, tuning: Tuning = DEFAULT_TUNING) -> Lowered | None:
        """The dot form, or ``None`` where it would not be exact or has no room."""
        inside, source = self._inside(inputs), inputs[0]
        x, weights, _ = inside
        assert source is not None and x is not None and weights is not None
        channels, kernel, _, depth = weights.shape
        first, words = reach(self, weights)
        column, lead = -(-depth // 2) * 2, lead_of(self.padding[0])[1]
        pitch = max(column, self.pitch) if kernel == 1 else column
        wide = source.dtype is DType.INT16
        if wide and (kernel != 1 or self.stride[0] != 1 or depth % 2 or source.shape[3] != pitch):
            return None
        scratch = FOLD * words * pitch
        if 2 * scratch > _SCRATCH_BYTES or channels < FOLD:
            return None
        form = self._dot(inside, output, column, pitch, tuning, wide=wide)
        if form is None:
            return None
        height = super().infer(inside).shape[1]
        pads = self.padding[:2] != (0, 0)
        params = Conv2DTimeParams(
            kernel=kernel,
            stride=self.stride[0],
            first=first,
            lead=lead,
            words=words,
            steps=folded_rows(height),
            last=FOLD // 2 if height % FOLD in (1, 2) else FOLD,
            in_rows=folded_rows(self.rows),
            in_c=depth,
            out_c=channels,
            column=column,
            pitch=pitch,
            x_zero_point=x.zero_point,
            pads=pads,
            behind=-self.rows % FOLD if pads else 0,
            planes=self.planes,
            wide=wide,
            dot=form.params,
        )
        return Lowered(
            params,
            form.arrays,
            scratch=None if wide else (DType.INT16, scratch),
            shift=form.params.shift,
        )

    def _dot(
        self, inside: Inputs, output: Tensor, column: int, pitch: int, tuning: Tuning, *, wide: bool
    ) -> Dot | None:
        """The weights in the order of the widened moments, if the kernel is exact and reaches all offsets."""
        x, weights, bias = inside
        assert x is not None and weights is not None and bias is not None
        assert weights.data is not None and bias.data is not None
        channels = weights.shape[0]
        step = FOLD if self.planes else 1
        if step * channels > MOST_OFFSET:
            return None
        along = column_order(weights.data.transpose(0, 2, 1, 3), column)
        return dot_form(
            weights.data.reshape(channels, -1) if wide else along,
            bias.data,
            x,
            self.requantization(inside, output),
            accumulator_bounds(weights.data.reshape(channels, -1), bias.data, x),
            pixel_bytes=2 * pitch * self.stride[0],
            out_step=1 if self.planes else channels,
            channel_step=step,
            tuning=tuning,
        )
