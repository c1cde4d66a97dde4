# SPDX-License-Identifier: Apache-2.0
"""Shared code of float32 kernels: fused activations, and the form of weights in flash."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.ir.types import Array, DType, Tensor
from ascmcu.ops._activation import BOUNDS
from ascmcu.ops._float import values


@dataclass(frozen=True)
class Clamp:
    """The bounds of a fused activation in C; None where there is none."""

    low: float | None
    high: float | None


def clamp(activation: str) -> Clamp:
    """The bounds of an activation."""
    return Clamp(*BOUNDS[activation])


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
        scales = np.zeros(padded, np.float32)
        scales[:channels] = np.array(weights.quantization.scales, np.float32)
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
