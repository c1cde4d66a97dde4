# SPDX-License-Identifier: Apache-2.0
"""PCEN: per-channel energy normalization in place of a logarithm (Wang et al., 2017; as ``librosa.pcen`` has it)."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.parts import Stage, Variable, literal
from ascmcu.features import tables
from ascmcu.features.spec import FeatureSpec


@dataclass(frozen=True)
class Pcen(Stage):
    """C literals: ``fresh`` and ``kept`` are the shares of the new and the old value in the smoothed one; ``bias`` is
    empty where there is none."""

    TEMPLATE = "pcen"

    active: bool
    values: int
    seconds: float
    fresh: str
    kept: str
    gain: str
    eps: str
    power: str
    bias: str
    bias_power: str

    @staticmethod
    def of(spec: FeatureSpec) -> Pcen:
        """The stage as ``spec`` wants it."""
        share = tables.pcen_smoothing(spec)
        return Pcen(
            spec.log == "pcen",
            spec.audio_channels * spec.n_mels,
            spec.pcen_seconds,
            literal(share),
            literal(1 - share),
            literal(spec.pcen_gain),
            literal(spec.pcen_eps),
            literal(spec.pcen_power),
            literal(spec.pcen_bias) if spec.pcen_bias else "",
            literal(spec.pcen_bias**spec.pcen_power),
        )

    @property
    def compresses(self) -> bool:
        """Whether the power is not 1."""
        return self.power != literal(1.0)

    @property
    def highest_coefficient(self) -> str:
        """Where Horner's rule begins, for a power of two."""
        return literal(tables.EXP2_POLYNOMIAL[-1])

    @property
    def other_coefficients(self) -> tuple[str, ...]:
        """What it adds, in its order."""
        return tuple(literal(c) for c in tables.EXP2_POLYNOMIAL[-2::-1])

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        return f"PCEN over {self.seconds:g} s" if self.active else ""

    @property
    def buffers(self) -> tuple[Variable, ...]:
        """See ``Stage``."""
        if not self.active:
            return ()
        comment = "each band's past"
        return (Variable("PCEN", "float32_t", "smoothed", "[CHANNELS * MELS]", 4 * self.values, comment),)
