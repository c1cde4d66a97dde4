"""FULLY_CONNECTED: a dense layer over the last axis, or over a whole feature map row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.op import DEFAULT_TUNING, Inputs, Lowered, RowMode, Swapped, TensorType, Tuning, swap_pair
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _dense, _quant
from ascmcu.ops._dot import EIGHT_PAIRS, DotParams, dot_form, pair_order
from ascmcu.ops._fixed import I64
from ascmcu.ops._requant import RequantParams, accumulator_bounds, lower_requantization


@dataclass(frozen=True)
class FullyConnectedParams:
    """Compile-time constants: ``rows`` × ``depth`` inputs are reduced to ``out_c`` outputs, ``batch`` times a row."""

    rows: int
    depth: int
    out_c: int
    batch: int
    x_zero_point: int
    w_zero_point: int
    x_type: str
    y_type: str
    requant: RequantParams
    dot: None


@dataclass(frozen=True)
class FullyConnectedDotParams:
    """Compile-time constants of the dot form: ``batch`` vectors of ``depth`` elements per step, widened one by one."""

    rows: int
    depth: int
    taps: int
    out_c: int
    batch: int
    x_type: str
    dot: DotParams


# A longer vector would need more scratch than the layer is worth.
_MOST_TAPS = 2048


@register("FULLY_CONNECTED")
@dataclass(frozen=True)
class FullyConnected(_dense.Dense):
    """y[…,o] = clamp(requant(b[o] + Σ (w[o,i] − w zero point) · (x[…,i] − zero point))); inputs x, w, b.

    With ``flatten`` all of x is one vector (the shape is (1, O)); else the last axis is the vector and
    ``keep_dims`` tells whether the leading axes stay. The reference kernel rounds once, in double precision
    (tflite reference_integer_ops::FullyConnected with scales; CMSIS-NN and the optimised resolver round twice).
    """

    KIND = "fully_connected"
    clamp: tuple[int, int]

    @classmethod
    def import_tflite(cls, ctx: ImportContext) -> None:
        """Emit the layer; a missing bias becomes zeros."""
        x, weights, bias = _dense.import_operands(ctx)
        output = ctx.outputs[0]
        _quant.require_quantized(ctx, x, output)
        _quant.require_weights(ctx, x, weights, bias, weights.shape[0])
        if bias is None:
            bias = ctx.constant(f"{output.name}.bias", _quant.zero_bias(weights.shape[0]))
        ctx.emit(cls(output.shape, _quant.import_activation(ctx, output)), (x, weights, bias), output)

    def infer(self, inputs: Inputs) -> TensorType:
        """The stated shape, if it holds as many vectors as the input."""
        x, weights, _ = inputs
        assert x is not None and weights is not None
        self.check(x, weights)
        return TensorType(self.output_shape, x.dtype)

    def requantization(self, inputs: Inputs, output: Tensor) -> _quant.Requantization:
        """Accumulator → output."""
        x, weights, _ = inputs
        assert x is not None and weights is not None
        return _quant.requantization(x, weights, output, weights.shape[0], self.clamp, once=True)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Products are summed in float64, which is exact below 2⁵³."""
        x, weights, bias = arrays
        assert x is not None and weights is not None and bias is not None
        assert inputs[0] is not None and inputs[1] is not None
        centred = x.astype(np.float64).reshape(-1, weights.shape[1]) - inputs[0].zero_point
        acc = (centred @ (weights.astype(np.float64) - inputs[1].zero_point).T).astype(np.int64) + bias
        return self.requantization(inputs, output).apply(acc).astype(output.dtype.numpy).reshape(output.shape)

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped | None:
        """A flattened map's weights follow its elements; a layer on the last axis alone stays."""
        x, weights, _ = inputs
        assert x is not None and weights is not None
        if len(x.shape) != 4:
            return Swapped(self) if len(output.shape) != 4 else None
        if x.elements == weights.shape[1] and len(output.shape) != 4:
            assert weights.data is not None
            data = weights.data.reshape(-1, *x.shape[1:]).transpose(0, 2, 1, 3)
            return Swapped(self, ((1, np.ascontiguousarray(data).reshape(weights.shape)),))
        if x.shape[3] == weights.shape[1] and len(output.shape) == 4:
            return Swapped(FullyConnected(swap_pair(self.output_shape), self.clamp))
        return None

    def lower(self, inputs: Inputs, output: Tensor) -> Lowered:
        """See ``lower_tuned``."""
        return self.lower_tuned(inputs, output, DEFAULT_TUNING)

    def lower_tuned(self, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
        """The dot form; else weights are (O, depth), or (rows, O, row elements) when rows are accumulated."""
        x, weights, bias = inputs
        assert x is not None and weights is not None and bias is not None
        assert weights.data is not None and bias.data is not None
        channels, depth = weights.shape
        zero_point = weights.zero_point
        bounds = accumulator_bounds(weights.data.astype(np.int64) - zero_point, bias.data, x)
        requant, constants = lower_requantization(self.requantization(inputs, output), bounds)
        rule = self.row_rule(inputs, output)
        data, rows, batch, state = weights.data, 1, x.row_elements // depth, None
        if rule.mode is RowMode.ACCUMULATE:
            rows, batch = x.rows, 1
            data = np.ascontiguousarray(data.reshape(channels, rows, -1).transpose(1, 0, 2))
            state = (DType.INT32, channels) if rows > 1 else None
        elif rule.mode is RowMode.WHOLE:
            batch = x.elements // depth
        if rows == 1:
            dotted = self._lower_dot(inputs, output, bounds, batch, tuning)
            if dotted is not None:
                return dotted
        params = FullyConnectedParams(
            rows,
            depth // rows,
            channels,
            batch,
            x.zero_point,
            zero_point,
            x.dtype.c_name,
            output.dtype.c_name,
            requant,
            None,
        )
        return Lowered(params, (("weights", data), ("bias", bias.data), *constants), state)

    def _lower_dot(
        self, inputs: Inputs, output: Tensor, bounds: tuple[I64, I64], batch: int, tuning: Tuning
    ) -> Lowered | None:
        """The dot form, where it is exact."""
        x, weights, bias = inputs
        assert x is not None and weights is not None and bias is not None
        assert weights.data is not None and bias.data is not None
        channels, depth = weights.shape
        if weights.zero_point != 0 or depth > _MOST_TAPS:
            return None
        taps = depth + depth % 2
        ordered = np.zeros((channels, taps), np.int8)
        ordered[:, :depth] = weights.data[:, pair_order(depth)]
        requant = self.requantization(inputs, output)
        eights = tuning.dense and taps % (2 * EIGHT_PAIRS) == 0
        form = dot_form(
            ordered, bias.data, x, requant, bounds, pixel_bytes=0, out_step=0, tuning=tuning, eights=eights
        )
        if form is None:
            return None
        params = FullyConnectedDotParams(1, depth, taps, channels, batch, x.dtype.c_name, form.params)
        return Lowered(
            params,
            form.arrays,
            scratch=(DType.INT16, taps),
            shift=form.params.shift,
            widens_in_place=depth % 4 == 0 and batch == 1,
        )
