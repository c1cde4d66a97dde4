# SPDX-License-Identifier: Apache-2.0
"""Output: a sample to the network's input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.codegen.frontend.output import ITEM_BYTES
from ascmcu.codegen.frontend.parts import Stage, literal
from ascmcu.features.pcmspec import PcmSpec


@dataclass(frozen=True)
class PcmOutput(Stage):
    """A sample over ``full_scale``, rounded and saturated unless the input is float32."""

    TEMPLATE = "pcm/output"

    dtype: str
    scale: float
    zero_point: int
    full_scale: float
    shape: tuple[int, int, int]

    @staticmethod
    def of(spec: PcmSpec, scale: float, zero_point: int, dtype: str) -> PcmOutput:
        """The stage as ``spec`` and the network's input want it."""
        return PcmOutput(dtype, scale, zero_point, spec.full_scale, spec.shape)

    @property
    def quantizes(self) -> bool:
        """Whether the network's input is an integer."""
        return self.dtype != "float32"

    @property
    def unit(self) -> str:
        """C literal of what a sample is multiplied by: a power of two, so exact."""
        return literal(1 / self.full_scale)

    @property
    def scale_literal(self) -> str:
        """``scale`` in C."""
        return literal(self.scale)

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
        quantized = f", scale {self.scale:.9g}, zero point {self.zero_point}" if self.quantizes else ""
        return f"samples over {self.full_scale:g}, {self.dtype}{quantized}"
