# SPDX-License-Identifier: Apache-2.0
"""DCT: coefficients of the logarithms (MFCC), or none."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.parts import Constant, Stage, Table, Variable, floats
from ascmcu.features import tables
from ascmcu.features.spec import FeatureSpec


@dataclass(frozen=True)
class Dct(Stage):
    """``basis`` holds one row of ``n_mels`` weights per coefficient; it is empty where the bands stay as they are."""

    TEMPLATE = "dct"

    bands: int
    channels: int
    n_mels: int
    norm: str
    basis: tuple[float, ...]

    @staticmethod
    def of(spec: FeatureSpec) -> Dct:
        """The stage as ``spec`` wants it."""
        basis = () if spec.n_mfcc is None else tuple(tables.dct(spec).ravel())
        return Dct(spec.bands, spec.audio_channels, spec.n_mels, spec.dct_norm, basis)

    @property
    def active(self) -> bool:
        """Whether there is a transform."""
        return bool(self.basis)

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        return f"{self.bands} MFCCs" if self.active else ""

    @property
    def constants(self) -> tuple[Constant, ...]:
        """See ``Stage``."""
        values = Constant("STATICS", "CHANNELS * BANDS", "values of a row before deltas")
        return (Constant("BANDS", self.bands), values)

    @property
    def tables(self) -> tuple[Table, ...]:
        """See ``Stage``."""
        return (floats("cosines", f"DCT-II, norm {self.norm}", self.basis),) if self.active else ()

    @property
    def buffers(self) -> tuple[Variable, ...]:
        """See ``Stage``."""
        size = 4 * self.channels * self.n_mels
        return (Variable("mel", "float32_t", "mel", "[CHANNELS * MELS]", size),) if self.active else ()
