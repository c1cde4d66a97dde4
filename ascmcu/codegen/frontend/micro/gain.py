# SPDX-License-Identifier: Apache-2.0
"""Gain: per-channel amplitude normalization (PCAN) by the noise estimate, or none."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.parts import Constant, Stage, Table, integers
from ascmcu.features import micro_tables
from ascmcu.features.microspec import GAIN_OUTPUT_BITS, SNR_BITS, MicroSpec


@dataclass(frozen=True)
class MicroGain(Stage):
    """``gains`` holds parabolas by octave of the estimate; it is empty without gain control."""

    TEMPLATE = "micro/gain"

    strength: float
    offset: float
    shift: int
    gains: tuple[int, ...]

    @staticmethod
    def of(spec: MicroSpec) -> MicroGain:
        """The stage as ``spec`` wants it."""
        gains = tuple(micro_tables.gains(spec).tolist()) if spec.pcan else ()
        return MicroGain(spec.pcan_strength, spec.pcan_offset, spec.snr_shift, gains)

    @property
    def active(self) -> bool:
        """Whether there is a gain control."""
        return bool(self.gains)

    @property
    def small(self) -> int:
        """Ratios below this are squared."""
        return 2 << SNR_BITS

    @property
    def square_shift(self) -> int:
        """Bits that a square loses."""
        return 2 + 2 * SNR_BITS - GAIN_OUTPUT_BITS

    @property
    def linear_shift(self) -> int:
        """Bits that a larger ratio loses."""
        return SNR_BITS - GAIN_OUTPUT_BITS

    @property
    def one(self) -> int:
        """1 in the output, which a larger ratio loses."""
        return 1 << GAIN_OUTPUT_BITS

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        return f"PCAN (noise + {self.offset:g})^-{self.strength:g}" if self.active else ""

    @property
    def constants(self) -> tuple[Constant, ...]:
        """See ``Stage``."""
        return (Constant("RATIO_SHIFT", self.shift),) if self.active else ()

    @property
    def tables(self) -> tuple[Table, ...]:
        """See ``Stage``."""
        if not self.active:
            return ()
        comment = "gain for estimates 0 and 1, then value, slope, curve and nothing by octave"
        return (integers("gains", "int16_t", comment, self.gains),)
