"""DEPTHWISE_CONV_2D: each input channel is convolved on its own, ``multiplier`` times."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, Lowered, TensorType, Tuning
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops._conv import check_multiplier
from ascmcu.ops._dot import channel_constants
from ascmcu.ops._fixed import I64, wrap32
from ascmcu.ops._planar import PlanarParams, planar_form
from ascmcu.ops._quant_conv import QuantizedConvolution
from ascmcu.ops._requant import RequantParams, accumulator_bounds, lower_requantization
from ascmcu.ops._window import WindowParams

_SCRATCH_BYTES = 1024


@dataclass(frozen=True)
class FoursParams:
    """Four channels of one column at a time, requantized as in the dot form."""

    shift: int
    signed: bool


@dataclass(frozen=True)
class DepthwiseConv2DParams:
    """Compile-time constants of the row kernel."""

    window: WindowParams
    multiplier: int
    x_zero_point: int
    x_type: str
    y_type: str
    requant: RequantParams
    fours: FoursParams | None
    planar: None

    @property
    def zero_points(self) -> int:
        """The input's zero point in both halves of a word."""
        return (self.x_zero_point & 0xFFFF) * 0x00010001


@dataclass(frozen=True)
class DepthwisePlanarParams:
    """Compile-time constants of the planar form."""

    window: WindowParams
    x_zero_point: int
    x_type: str
    planar: PlanarParams


@register("DEPTHWISE_CONV_2D")
@dataclass(frozen=True)
class DepthwiseConv2D(QuantizedConvolution):
    """y[…,c·m+j] = clamp(requant(b[c·m+j] + Σ w[0,ky,kx,c·m+j] · (x[…,c] − zero point))); inputs x, w, b.

    w is (1, kernel_h, kernel_w, C × multiplier). Rounds twice (tflite reference_integer_ops::DepthwiseConvPerChannel).
    """

    KIND = "depthwise_conv2d"
    CHANNELS = 3

    def infer(self, inputs: Inputs) -> TensorType:
        """(1, out_h, out_w, C × multiplier)."""
        x, weights, _ = inputs
        assert x is not None and weights is not None
        check_multiplier(x, weights)
        return TensorType(self.output_shape(x, weights), x.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """Products are summed in int64."""
        x, weights, bias = arrays
        assert x is not None and weights is not None and bias is not None and inputs[0] is not None
        centred = x.astype(np.int64) - inputs[0].zero_point
        view = self.views(centred, weights)
        channels = x.shape[3]
        w = weights[0].astype(np.int64).reshape(*weights.shape[1:3], channels, -1)
        acc = np.einsum("nyxcij,ijcm->nyxcm", view, w, optimize=True)
        acc = acc.reshape(*acc.shape[:3], -1) + bias
        return self.requantization(inputs, output).apply(acc).astype(output.dtype.numpy)

    def lower_tuned(self, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
        """The planar form; else weights stay (kernel_h, kernel_w, channels)."""
        x, weights, bias = inputs
        assert x is not None and weights is not None and bias is not None
        assert weights.data is not None and bias.data is not None
        taps = weights.data.reshape(-1, weights.shape[3]).T
        bounds = accumulator_bounds(taps, bias.data, x)
        planar = self._lower_planar(inputs, output, bounds, tuning)
        if planar is not None:
            return planar
        requantization = self.requantization(inputs, output)
        requant, constants = lower_requantization(requantization, bounds)
        w, b, fours = weights.data, bias.data, None
        found = channel_constants(requantization, bounds, tuning) if self._fours(x, weights, output) else None
        if found is not None:
            fours = FoursParams(found.shift, found.signed)
            constants = (("columns", wrap32(found.columns).astype(np.int32)),)
            w = np.where(found.constant, 0, w).astype(np.int8)
            b = np.where(found.constant, 0, b).astype(np.int32)
        params = DepthwiseConv2DParams(
            window=self.window_params(x, weights, output),
            multiplier=weights.shape[3] // x.shape[3],
            x_zero_point=x.zero_point,
            x_type=x.dtype.c_name,
            y_type=output.dtype.c_name,
            requant=requant,
            fours=fours,
            planar=None,
        )
        shift = found.shift if found else None
        return Lowered(params, (("weights", w), ("bias", b), *constants), shift=shift)

    def _fours(self, x: Tensor, weights: Tensor, output: Tensor) -> bool:
        """Whether the plain form may take four channels of one column at a time."""
        narrow = weights.shape[2] == 1 and x.shape[2] == output.shape[2] and self.padding[2] == 0
        signed = all(t.dtype is DType.INT8 for t in (x, weights))
        return narrow and signed and x.shape[3] == weights.shape[3] and x.shape[3] % 4 == 0

    def _lower_planar(
        self, inputs: Inputs, output: Tensor, bounds: tuple[I64, I64], tuning: Tuning
    ) -> Lowered | None:
        """The planar form, where it is exact and the shape allows it."""
        x, weights, bias = inputs
        assert x is not None and weights is not None and bias is not None
        assert weights.data is not None and bias.data is not None
        if weights.shape[3] != x.shape[3] or self.dilation[1] != 1:
            return None
        form = planar_form(
            weights.data[0],
            bias.data,
            x,
            self.requantization(inputs, output),
            bounds,
            stride=self.stride[1],
            out_w=output.shape[2],
            # Blocks of a depthwise layer share nothing: smaller ones cost next to nothing.
            tuning=dataclasses.replace(tuning, scratch_bytes=min(tuning.scratch_bytes, _SCRATCH_BYTES)),
        )
        if form is None:
            return None
        params = DepthwisePlanarParams(
            window=self.window_params(x, weights, output),
            x_zero_point=x.zero_point,
            x_type=x.dtype.c_name,
            planar=form.params,
        )
        return Lowered(
            params,
            (("constants", form.constants),),
            scratch=(DType.INT16, form.params.scratch),
            shift=form.params.shift,
        )
