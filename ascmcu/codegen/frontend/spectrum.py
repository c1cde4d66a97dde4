# SPDX-License-Identifier: Apache-2.0
"""Spectrum: magnitudes or powers of the transform, in place."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.fft import Fft
from ascmcu.codegen.frontend.parts import Stage
from ascmcu.features.spec import FeatureSpec


@dataclass(frozen=True)
class Spectrum(Stage):
    """Bin k ends at place 2k as \\|2X\\|² or \\|2X\\|.

    Attributes:
        is_real: the transform took pairs of real samples: bins k and half - k are taken apart together.
        pairs: bins below half's middle, without bin 0.
        has_middle: whether a bin is its own partner.
        bins: of an odd length, with bin 0.
        ends: whether bin 0, and half the sample rate (at place 1), count too.
    """

    TEMPLATE = "spectrum"

    n_fft: int
    magnitude: bool
    is_real: bool
    pairs: int
    has_middle: bool
    bins: int
    ends: bool

    @staticmethod
    def of(spec: FeatureSpec, fft: Fft) -> Spectrum:
        """The stage as ``spec`` wants it."""
        return Spectrum(
            n_fft=spec.n_fft,
            magnitude=spec.power == 1,
            is_real=fft.is_real,
            pairs=(fft.points - 1) // 2,
            has_middle=fft.points % 2 == 0,
            bins=spec.bins,
            ends=spec.filters == "none" or spec.mel_corners == "bin" or spec.mfcc_first == "spectrum_energy",
        )

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        return f"{'magnitude' if self.magnitude else 'power'} spectrum"
