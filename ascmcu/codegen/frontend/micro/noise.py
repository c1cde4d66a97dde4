# SPDX-License-Identifier: Apache-2.0
"""Noise: spectral subtraction of each band's smoothed estimate, which lives on from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.parts import Constant, Stage, Variable, field
from ascmcu.features import micro_tables
from ascmcu.features.microspec import NOISE_BITS, MicroSpec


@dataclass(frozen=True)
class MicroNoise(Stage):
    """``even``, ``odd`` and ``least`` have 14 fractional bits."""

    TEMPLATE = "micro/noise"

    n_mels: int
    smoothing_bits: int
    even: int
    odd: int
    least: int

    @staticmethod
    def of(spec: MicroSpec) -> MicroNoise:
        """The stage as ``spec`` wants it."""
        return MicroNoise(spec.n_mels, spec.smoothing_bits, *micro_tables.smoothing(spec))

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        one = 1 << NOISE_BITS
        shares = f"{self.even / one:.3g} and {self.odd / one:.3g}"
        return f"noise smoothed by {shares} (even, odd bands), {self.least / one:.3g} of the signal remains"

    @property
    def bits(self) -> int:
        """Fractional bits of the weights."""
        return NOISE_BITS

    @property
    def constants(self) -> tuple[Constant, ...]:
        """See ``Stage``."""
        return (
            Constant("SMOOTHING_BITS", self.smoothing_bits, "fractional bits of an estimate"),
            Constant("SMOOTHING_EVEN", self.even, "what a new value weighs in the estimate of band 0, 2, …"),
            Constant("SMOOTHING_ODD", self.odd),
            Constant("LEAST_REMAINING", self.least),
        )

    @property
    def state(self) -> tuple[Variable, ...]:
        """See ``Stage``."""
        return (field("uint32_t", "estimates", "of each band's noise", "[MELS]", 4 * self.n_mels),)
