# SPDX-License-Identifier: Apache-2.0
"""Shared code of float32 ops: fused activations, and weights of float32, half precision or int8.

Weights stay in flash as the file has them. Halves are widened by VCVTB and VCVTT; int8 weights (dynamic range) are
multiplied as integers and scaled once per output channel. LiteRT's hybrid kernels round the activations of every
inference to 8 bits; here they stay float32, so results are those of the float network with the file's weights.

Sums run in float32, in the order of the kernel's loops, with every product rounded: host and target give the same
bits. Against LiteRT, which sums in another order, and against the interpreter here, which sums in float64, results
differ by rounding: ``TOLERANCE`` of the largest value is declared and tested.
"""

from __future__ import annotations

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops._activation import BOUNDS

# Some thousand roundings of 2⁻²⁴ in a row, which mostly cancel.
TOLERANCE = 2e-5
WEIGHTS = (DType.FLOAT32, DType.FLOAT16, DType.INT8)


def activated(values: Array, activation: str) -> Array:
    """Values under an activation."""
    low, high = BOUNDS[activation]
    return values if low is None and high is None else np.clip(values, low, high)


def require_float(ctx: ImportContext, *tensors: Tensor | None) -> None:
    """Every tensor is float32, or a constant in half precision."""
    for tensor in tensors:
        if tensor is not None and not (tensor.is_const and tensor.dtype is DType.FLOAT16):
            ctx.require_dtype(tensor, DType.FLOAT32)


def require_weights(ctx: ImportContext, weights: Tensor, bias: Tensor | None, channels: int) -> None:
    """Weights are constant, in one of the three forms; the bias is a float constant of ``channels`` elements."""
    if not weights.is_const or weights.dtype not in WEIGHTS:
        raise ctx.error(
            "weights must be constant",
            weights,
            expected="float32, float16 or int8 constants",
            found=weights.describe(),
        )
    if weights.dtype is DType.INT8 and (
        weights.quant is None or len(weights.quant.scales) not in (1, channels) or weights.zero_point != 0
    ):
        raise ctx.error(
            "int8 weights need a scale and no zero point", weights, expected=f"1 or {channels} scales"
        )
    fits = bias is None or (bias.is_const and bias.elements == channels)
    if not fits or (bias is not None and bias.dtype not in (DType.FLOAT32, DType.FLOAT16)):
        raise ctx.error("bias does not fit", bias, expected=f"constant float32 [{channels}]")


def require_scales(ctx: ImportContext, tensor: Tensor) -> None:
    """Where a constant is int8, it has a scale, and no zero point."""
    if tensor.dtype is DType.INT8 and (tensor.quant is None or tensor.zero_point != 0):
        raise ctx.error("int8 weights need a scale and no zero point", tensor)


def values(tensor: Tensor) -> Array:
    """A constant as float32 numbers, scales applied."""
    if tensor.dtype is not DType.INT8:
        return tensor.values.astype(np.float32)
    quant, along = tensor.quantization, [1] * len(tensor.shape)
    if quant.per_axis:
        along[quant.axis] = len(quant.scales)
    scales = np.array(quant.scales, np.float32).reshape(along)
    return np.asarray(tensor.values.astype(np.float32) * scales, np.float32)
