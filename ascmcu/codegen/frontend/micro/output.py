# SPDX-License-Identifier: Apache-2.0
"""Output: unsigned features to the network's input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.codegen.frontend.output import ITEM_BYTES
from ascmcu.codegen.frontend.parts import Stage, literal
from ascmcu.errors import FeatureError
from ascmcu.features.microspec import UNIT, MicroSpec


@dataclass(frozen=True)
class MicroOutput(Stage):
    """``fixed``: the integer mapping of micro_speech; else in the unit of training, quantized."""

    TEMPLATE = "micro/output"

    dtype: str
    scale: float
    zero_point: int
    fixed: bool
    shape: tuple[int, int, int]

    @staticmethod
    def of(spec: MicroSpec, scale: float, zero_point: int, dtype: str) -> MicroOutput:
        """The stage as ``spec`` and the network's input want it.

        Raises:
            FeatureError: the mapping of micro_speech for an input that is not int8.
        """
        fixed = spec.mapping == "micro_speech"
        if fixed and dtype != "int8":
            raise FeatureError(
                "the mapping of micro_speech needs an int8 input",
                where="mapping",
                found=dtype,
                hint='mapping = "scaled" quantizes with the scale of the network\'s input',
            )
        return MicroOutput(dtype, scale, zero_point, fixed, spec.shape)

    @property
    def quantizes(self) -> bool:
        """Whether the network's input is an integer."""
        return self.dtype != "float32"

    @property
    def unit(self) -> str:
        """C literal: what 1 is in the unit of training."""
        return literal(UNIT)

    @property
    def scale_literal(self) -> str:
        """``scale`` in C."""
        return literal(self.scale)

    @property
    def highest(self) -> str:
        """C literal of the largest value before the zero point is added."""
        return literal(float(np.iinfo(np.dtype(self.dtype)).max) - self.zero_point)

    @property
    def row_bytes(self) -> int:
        """One row of the network's input."""
        return self.shape[1] * ITEM_BYTES[self.dtype]

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        rows, bands, channels = self.shape
        size = f"{rows} rows × {bands} × {channels}, {self.dtype}"
        if self.fixed:
            return f"{size}: (256 x + 333) / 666 - 128"
        quantized = f", scale {self.scale:.9g}, zero point {self.zero_point}" if self.quantizes else ""
        return f"{size}: x / 25.6{quantized}"
