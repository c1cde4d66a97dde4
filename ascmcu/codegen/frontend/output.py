# SPDX-License-Identifier: Apache-2.0
"""Output: octaves to the network's input, normalized and quantized."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.codegen.frontend.parts import Stage, Table, floats, literal
from ascmcu.features import tables
from ascmcu.features.spec import FeatureSpec

ITEM_BYTES = {"int8": 1, "uint8": 1, "int16": 2, "float32": 4}


@dataclass(frozen=True)
class Output(Stage):
    """gain × value + bias, rounded and saturated unless the input is float32.

    Attributes:
        gain, bias: one figure per channel, or per channel and band; empty where the clip stage finds them.
        top: C literal of the end of the range, empty where nothing is cut off; its begin is 0.
        steps, step, highest_step: C literals of the steps of the range, of one of them, and of the last; empty where
            the values are not rounded to steps.
    """

    TEMPLATE = "output"

    dtype: str
    scale: float
    zero_point: int
    normalization: str
    stage: str
    shape: tuple[int, int, int]
    gain: tuple[float, ...]
    bias: tuple[float, ...]
    top: str
    steps: str
    step: str
    highest_step: str

    @staticmethod
    def of(spec: FeatureSpec, scale: float, zero_point: int, dtype: str) -> Output:
        """The stage as ``spec`` and the network's input want it."""
        gain: tuple[float, ...] = ()
        bias: tuple[float, ...] = ()
        if spec.normalization not in ("clip_zscore", "clip_minmax"):
            affine = tables.affine(spec, 1.0 if spec.range_steps else scale)
            gain, bias = tuple(affine.gain.ravel()), tuple(affine.bias.ravel())
        stage = spec.normalization_stage if spec.deltas and spec.normalization != "none" else ""
        single, count = float(np.float32(scale)), spec.range_steps
        return Output(
            dtype, scale, zero_point, spec.normalization, stage, spec.shape, gain, bias,
            top=literal(1.0 if count else 1 / single) if spec.range_clip else "",
            steps=literal(count) if count else "",
            step=literal(1 / count) if count else "",
            highest_step=literal(count - 1) if count else "",
        )  # fmt: skip

    @property
    def quantizes(self) -> bool:
        """Whether the network's input is an integer."""
        return self.dtype != "float32"

    @property
    def by_band(self) -> bool:
        """Whether each band has figures of its own."""
        return len(self.gain) > self.shape[2]

    @property
    def scale_literal(self) -> str:
        """``scale`` in C."""
        return literal(self.scale)

    @property
    def value(self) -> str:
        """C expression of a value in the input's unit."""
        affine = f"outputs[channel][band] * {self.gain_expression} + {self.bias_expression}"
        return f"in_range({affine})" if self.top else affine

    @property
    def gain_expression(self) -> str:
        """C expression of the gain of ``channel`` and ``band``."""
        return f"{self._owner}gain{self._index}"

    @property
    def bias_expression(self) -> str:
        """C expression of the bias of ``channel`` and ``band``."""
        return f"{self._owner}bias{self._index}"

    @property
    def _owner(self) -> str:
        return "" if self.gain else "state."

    @property
    def _index(self) -> str:
        return "[channel * BANDS + band]" if self.by_band else "[channel]"

    @property
    def lowest(self) -> str:
        """C literal of the least value before the zero point is added."""
        return literal(float(np.iinfo(np.dtype(self.dtype)).min) - self.zero_point)

    @property
    def highest(self) -> str:
        """C literal of the largest value before the zero point is added."""
        return literal(float(np.iinfo(np.dtype(self.dtype)).max) - self.zero_point)

    @property
    def row_bytes(self) -> int:
        """One row of the network's input."""
        return self.shape[1] * self.shape[2] * ITEM_BYTES[self.dtype]

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        rows, bands, channels = self.shape
        stage = f" {self.stage.replace('_', ' ')}" if self.stage else ""
        target = f"{self.dtype}, scale {self.scale:.9g}, zero point {self.zero_point}"
        target = target if self.quantizes else self.dtype
        cut = " and cut off" if self.top else ""
        steps = f", {self.steps.rstrip('f').removesuffix('.0')} steps" if self.steps else ""
        return f"normalization {self.normalization}{cut}{steps}{stage}; {rows} rows × {bands} × {channels}, {target}"

    @property
    def tables(self) -> tuple[Table, ...]:
        """See ``Stage``."""
        if not self.gain:
            return ()
        order = "by channel and band" if self.by_band else "by channel"
        return (
            floats("gain", f"from octaves to the network's input, {order}", self.gain),
            floats("bias", "added to that", self.bias),
        )
