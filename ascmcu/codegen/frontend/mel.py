# SPDX-License-Identifier: Apache-2.0
"""Mel: triangular filters over the spectrum, or its bins as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.codegen.frontend.parts import Constant, Stage, Table, floats, integers
from ascmcu.features import tables
from ascmcu.features.spec import FeatureSpec


@dataclass(frozen=True)
class Mel(Stage):
    """``filters`` are the triangles as what lies between their corners; None where the bins stay as they are.

    Attributes:
        last_bin: half the sample rate, which lies at place 1, is the last band.
        values: the bands, and the energy where it counts.
        sums_spectrum: whether that is the sum of the spectrum: of ``points`` bins, and of place 1 with ``nyquist``.
    """

    TEMPLATE = "mel"

    n_mels: int
    scale: str
    low_hz: float
    high_hz: float
    norm: str
    triangles: str
    corners: str
    filters: tables.MelSegments | None
    last_bin: bool
    values: int
    sums_spectrum: bool
    points: str
    nyquist: bool

    @staticmethod
    def of(spec: FeatureSpec) -> Mel:
        """The stage as ``spec`` wants it."""
        filters = tables.mel_segments(spec) if spec.filters == "mel" else None
        return Mel(
            spec.n_mels,
            spec.mel_scale,
            spec.fmin_hz,
            spec.fmax_hz,
            spec.mel_norm,
            spec.mel_triangles,
            spec.mel_corners,
            filters,
            filters is None and spec.n_fft % 2 == 0 and spec.n_mels == spec.bins,
            spec.mel_values,
            spec.mfcc_first == "spectrum_energy",
            "HALF" if spec.n_fft % 2 == 0 else "HALF + 1",
            spec.n_fft % 2 == 0,
        )

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        if self.filters is None:
            return f"the lowest {self.n_mels} bins"
        sides = ", straight over mel" if self.triangles == "mel" else ""
        sides += ", corners at bins" if self.corners == "bin" else ""
        return (
            f"{self.n_mels} {self.scale} bands {self.low_hz:g}-{self.high_hz:g} Hz, norm {self.norm}{sides}"
        )

    @property
    def by_bin(self) -> bool:
        """Whether each bin has a weight of its own."""
        return self.filters is not None and self.filters.falling.size > 0

    @property
    def slope_table(self) -> str:
        """Name of the table of slopes: with corners at bins the last bin's weight is one step of it."""
        return "segment_last" if self._last_is_slope else "segment_slope"

    @property
    def _last_is_slope(self) -> bool:
        return self.filters is not None and np.array_equal(
            np.float32(self.filters.last), np.float32(self.filters.slope)
        )

    @property
    def first_bin(self) -> int:
        """The first bin that counts."""
        return self.filters.first_bin if self.filters else 0

    @property
    def constants(self) -> tuple[Constant, ...]:
        """See ``Stage``."""
        extra = ", and the energy" if self.values > self.n_mels else ""
        return (
            Constant("MELS", self.n_mels),
            Constant("VALUES", self.values, f"of a frame: the bands{extra}"),
        )

    @property
    def tables(self) -> tuple[Table, ...]:
        """See ``Stage``."""
        if self.filters is None:
            return ()
        bins = self.filters.bins
        counts = "uint8_t" if max(bins) < 256 else "uint16_t"
        segments = integers("segment_bins", counts, "FFT bins between corners of filters", bins)
        if self.by_bin:
            return (
                segments,
                floats("falls", "weights of their bins in the falling filter", self.filters.falling),
            )
        return (
            segments,
            floats(
                "segment_last", "weight of the falling filter at the last bin between them", self.filters.last
            ),
            *(
                ()
                if self._last_is_slope
                else (floats("segment_slope", "what it loses from bin to bin", self.filters.slope),)
            ),
        )
