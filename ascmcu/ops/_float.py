"""What ops on float32 activations share: fused activations, and weights that are float32, half precision or int8.

Weights stay in flash as the file has them. Halves are widened by VCVTB and VCVTT; int8 weights (dynamic range) are
multiplied as integers and scaled once per output channel. LiteRT's hybrid kernels round the activations of every
inference to 8 bits; here they stay float32, so results are those of the float network with the file's weights.

Sums run in float32, in the order of the kernel's loops, with every product rounded: host and target give the same
bits. Against LiteRT, which sums in another order, and against the interpreter here, which sums in float64, results
differ by rounding: ``TOLERANCE`` of the largest value is declared and tested.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.importing import ImportContext
from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops._activation import BOUNDS

# Some thousand roundings of 2⁻²⁴ in a row, which mostly cancel.
TOLERANCE = 2e-5
WEIGHTS = (DType.FLOAT32, DType.FLOAT16, DType.INT8)


@dataclass(frozen=True)
class Clamp:
    """The bounds of a fused activation in C; None where there is none."""

    low: float | None
    high: float | None


def clamp(activation: str) -> Clamp:
    """The bounds of an activation."""
    return Clamp(*BOUNDS[activation])


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


def values(tensor: Tensor) -> Array:
    """A constant as float32 numbers, scales applied."""
    assert tensor.data is not None
    if tensor.dtype is not DType.INT8:
        return tensor.data.astype(np.float32)
    assert tensor.quant is not None
    along = [1] * len(tensor.shape)
    if tensor.quant.per_axis:
        along[tensor.quant.axis] = len(tensor.quant.scales)
    scales = np.array(tensor.quant.scales, np.float32).reshape(along)
    return np.asarray(tensor.data.astype(np.float32) * scales, np.float32)


@dataclass(frozen=True)
class Stored:
    """Weights as the kernel reads them.

    Attributes:
        form: ``float``, ``half`` (two to a word) or ``int8``.
        c_type: of the array in flash.
        scaled: whether sums are multiplied by a scale per output channel.
    """

    form: str
    c_type: str
    scaled: bool


@dataclass(frozen=True)
class Blocked:
    """Weights in flash and what goes with them, padded to whole groups of output channels."""

    stored: Stored
    weights: Array
    bias: Array
    scales: Array | None

    @property
    def constants(self) -> tuple[tuple[str, Array], ...]:
        """By the names that the templates use."""
        scales = () if self.scales is None else (("scales", self.scales),)
        return (("weights", self.weights), ("bias", self.bias), *scales)


# Output channels whose sums run side by side, so that an input is loaded once for all.
GROUP = 4


def blocked(weights: Tensor, bias: Tensor, channels_first: Array, parts: int = 1) -> Blocked:
    """Weights (O, taps) stored group by group: for each tap, the four channels of a group.

    Args:
        weights: the tensor, for its type and scales.
        bias: float constant (O).
        channels_first: its raw values as (O, taps).
        parts: runs of channels that share no group, of equal length.
    """
    channels, taps = channels_first.shape
    width = channels // parts
    raw = np.zeros((parts, -(-width // GROUP) * GROUP, taps), channels_first.dtype)
    raw[:, :width] = channels_first.reshape(parts, width, taps)
    grouped = raw.reshape(-1, GROUP, taps).transpose(0, 2, 1)
    padded = -(-channels // GROUP) * GROUP
    offsets = np.zeros(padded, np.float32)
    offsets[:channels] = values(bias)
    scales = None
    if weights.dtype is DType.INT8:
        assert weights.quant is not None
        scales = np.zeros(padded, np.float32)
        scales[:channels] = np.array(weights.quant.scales, np.float32)
    return Blocked(stored(weights), packed(weights, grouped), offsets, scales)


def stored(weights: Tensor) -> Stored:
    """How weights of this type lie in flash."""
    return {
        DType.FLOAT32: Stored("float", "float", False),
        DType.FLOAT16: Stored("half", "int32_t", False),
        DType.INT8: Stored("int8", "int8_t", True),
    }[weights.dtype]


def packed(weights: Tensor, raw: Array) -> Array:
    """The array in flash: halves two to a word, the first in the lower half."""
    flat = np.ascontiguousarray(raw).reshape(-1)
    return flat.view(np.int32) if weights.dtype is DType.FLOAT16 else flat
