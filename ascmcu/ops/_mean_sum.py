"""MEAN and SUM: integer sums, then one requantization (tflite reference_ops::QuantizedMeanOrSum<int8_t>).

LiteRT 2.3.0's BUILTIN_REF resolver reads the int8 input of SUM as uint8 and so answers nonsense there (MEAN is right).
This is what its source function says, and what its BUILTIN resolver computes; the case rows of SUM say so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.op import Inputs, Lowered
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops import _reduce
from ascmcu.ops._fixed import multiply_by_quantized_multiplier, quantize_multiplier, wrap32


@dataclass(frozen=True)
class MeanSumParams:
    """Compile-time constants; the sum of a whole output element is centred by ``offset`` before scaling."""

    geometry: _reduce.ReduceGeometry
    offset: int
    multiplier: int
    shift: int
    y_zero_point: int
    low: int
    high: int
    x_type: str
    y_type: str


def _multiplier(x: Tensor, output: Tensor, count: int, *, mean: bool) -> tuple[int, int]:
    multiplier, shift = quantize_multiplier(x.scale / output.scale)
    if not mean:
        return multiplier, shift
    # reduce.h folds 1/count into the multiplier with as many bits as the count's magnitude allows.
    extra = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << extra) // count, shift - extra


def evaluate(x: Array, inputs: Inputs, output: Tensor, axes: _reduce.Axes, *, mean: bool) -> Array:
    """Bit-exact reference."""
    t = inputs[0]
    assert t is not None
    total = wrap32(x.astype(np.int64).sum(axis=axes)).reshape(output.shape)
    count = _reduce.count(t, axes)
    low, high = output.dtype.integer_range
    centred = wrap32(total - t.zero_point * count)
    scaled = multiply_by_quantized_multiplier(centred, *_multiplier(t, output, count, mean=mean))
    return np.clip(scaled + output.zero_point, low, high).astype(output.dtype.numpy)


def lower(inputs: Inputs, output: Tensor, axes: _reduce.Axes, *, mean: bool) -> Lowered:
    """The parameters; accumulators live from the first row to the last."""
    x = inputs[0]
    assert x is not None
    geometry = _reduce.geometry(inputs, output, axes)
    params = MeanSumParams(
        geometry,
        -x.zero_point * geometry.count,
        *_multiplier(x, output, geometry.count, mean=mean),
        output.zero_point,
        *output.dtype.integer_range,
        x.dtype.c_name,
        output.dtype.c_name,
    )
    return Lowered(params, state=(DType.INT32, geometry.outputs))
