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
    values: int
    first_is_energy: bool
    norm: str
    basis: tuple[float, ...]

    @staticmethod
    def of(spec: FeatureSpec) -> Dct:
        """The stage as ``spec`` wants it."""
        basis = () if spec.n_mfcc is None else tuple(tables.dct(spec).ravel())
        energy = spec.mfcc_first != "dct"
        return Dct(spec.bands, spec.audio_channels, spec.mel_values, energy, spec.dct_norm, basis)

    @property
    def active(self) -> bool:
        """Whether there is a transform."""
        return bool(self.basis)

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        energy = ", the first is the logarithm of the energy" if self.first_is_energy else ""
        return f"{self.bands} MFCCs{energy}" if self.active else ""

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
        size = 4 * self.channels * self.values
        return (Variable("mel", "float32_t", "mel", "[CHANNELS * VALUES]", size),) if self.active else ()
