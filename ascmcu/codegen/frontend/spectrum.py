# SPDX-License-Identifier: Apache-2.0
"""Spectrum: CMSIS-DSP's complex FFT of half the length, then magnitudes or powers in place."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.parts import Stage, Variable
from ascmcu.features.spec import FeatureSpec

# Entries of CMSIS-DSP's bit reversal tables by length of the complex FFT: ARMBITREVINDEXTABLE_*_TABLE_LENGTH.
_BIT_REVERSAL = {128: 208, 256: 440, 512: 448, 1024: 1800, 2048: 3808}


@dataclass(frozen=True)
class Spectrum(Stage):
    """The complex FFT has ``half`` points."""

    TEMPLATE = "spectrum"

    n_fft: int
    half: int
    magnitude: bool

    @staticmethod
    def of(spec: FeatureSpec) -> Spectrum:
        """The stage as ``spec`` wants it."""
        return Spectrum(spec.n_fft, spec.n_fft // 2, spec.power == 1)

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        return f"{'magnitude' if self.magnitude else 'power'} spectrum"

    @property
    def library_bytes(self) -> int:
        """CMSIS-DSP's tables of this length: two of twiddle factors and that of the bit reversal."""
        return 8 * self.half + 4 * self.n_fft + 2 * _BIT_REVERSAL[self.half]

    @property
    def buffers(self) -> tuple[Variable, ...]:
        """See ``Stage``."""
        return (Variable("FFT", "float32_t", "spectrum", "[N_FFT]", 4 * self.n_fft),)
