# SPDX-License-Identifier: Apache-2.0
"""Mel: triangular filters over the spectrum."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.parts import Constant, Stage, Table, floats, integers
from ascmcu.features import tables
from ascmcu.features.spec import FeatureSpec


@dataclass(frozen=True)
class Mel(Stage):
    """``filters`` are the triangles as what lies between their corners."""

    TEMPLATE = "mel"

    n_mels: int
    scale: str
    low_hz: float
    high_hz: float
    norm: str
    triangles: str
    filters: tables.MelSegments

    @staticmethod
    def of(spec: FeatureSpec) -> Mel:
        """The stage as ``spec`` wants it."""
        filters = tables.mel_segments(spec)
        return Mel(
            spec.n_mels,
            spec.mel_scale,
            spec.fmin_hz,
            spec.fmax_hz,
            spec.mel_norm,
            spec.mel_triangles,
            filters,
        )

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        sides = ", straight over mel" if self.triangles == "mel" else ""
        return (
            f"{self.n_mels} {self.scale} bands {self.low_hz:g}-{self.high_hz:g} Hz, norm {self.norm}{sides}"
        )

    @property
    def by_bin(self) -> bool:
        """Whether each bin has a weight of its own."""
        return self.filters.falling.size > 0

    @property
    def constants(self) -> tuple[Constant, ...]:
        """See ``Stage``."""
        return (Constant("MELS", self.n_mels),)

    @property
    def tables(self) -> tuple[Table, ...]:
        """See ``Stage``."""
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
            floats("segment_slope", "what it loses from bin to bin", self.filters.slope),
        )
