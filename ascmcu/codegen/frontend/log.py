# SPDX-License-Identifier: Apache-2.0
"""Log: scale, offset and floor of the mel values, then log2 (octaves), or nothing where the spec takes no logarithm."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.parts import Stage, Table, floats, literal
from ascmcu.features import tables
from ascmcu.features.spec import FeatureSpec


@dataclass(frozen=True)
class Log(Stage):
    """``band_norm`` is empty where all bands share ``scale``; ``offset`` and ``floor`` are 0 where there is none.

    ``by_clip``: the clip's own scale comes on top, and the logarithms wait for it. ``unit``: ``none`` takes none;
    ``pcen`` leaves the values to its own stage, which needs the logarithm of single values.
    """

    TEMPLATE = "log"

    unit: str
    scale: float
    band_norm: tuple[float, ...]
    offset: float
    floor: float
    by_clip: bool

    @staticmethod
    def of(spec: FeatureSpec) -> Log:
        """The stage as ``spec`` wants it."""
        # From |2X| of integer samples (mid and side twice as large) to librosa's magnitude or power.
        doubled = 2 if spec.channels == "mid_side" else 1
        full_scale = 1 if spec.amplitude == "int16" else 32768
        scale = float((2 * full_scale * doubled) ** -float(spec.power)) * tables.power_factor(spec)
        slaney = spec.filters == "mel" and spec.mel_norm == "slaney"
        norm = tuple(tables.mel_segments(spec).norm * scale) if slaney else ()
        if norm and spec.mfcc_first != "dct":
            norm = (*norm, scale)
        offset, floor = (0.0, 0.0) if spec.log == "pcen" else (spec.log_offset, spec.log_floor)
        if spec.log == "pcen":
            norm, scale = tuple(n * spec.pcen_scale for n in norm), scale * spec.pcen_scale
        return Log(spec.log, scale, norm, offset, floor, spec.amplitude == "clip_max")

    @property
    def has_octaves(self) -> bool:
        """Whether the C has log2."""
        return self.unit != "none"

    @property
    def result(self) -> str:
        """C expression of what becomes of a value."""
        return "energy" if self.unit in ("none", "pcen") else "octaves(energy)"

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        if self.unit == "pcen":
            return ""
        offset = f" of mel + {self.offset:g}" if self.offset else ""
        return f"{self.unit}{offset}" + (f", floor {self.floor:g}" if self.floor else "")

    @property
    def scale_literal(self) -> str:
        """``scale`` in C."""
        return literal(self.scale)

    @property
    def offset_literal(self) -> str:
        """``offset`` in C."""
        return literal(self.offset)

    @property
    def floor_literal(self) -> str:
        """``floor`` in C."""
        return literal(self.floor)

    @property
    def highest_coefficient(self) -> str:
        """Where Horner's rule begins."""
        return literal(tables.LOG2_POLYNOMIAL[-1])

    @property
    def other_coefficients(self) -> tuple[str, ...]:
        """What Horner's rule adds, in its order, each with its sign."""
        falling = tables.LOG2_POLYNOMIAL[-2::-1]
        return tuple(f"- {literal(-c)}" if c < 0 else f"+ {literal(c)}" for c in falling)

    @property
    def tables(self) -> tuple[Table, ...]:
        """See ``Stage``."""
        if not self.band_norm:
            return ()
        return (floats("band_norm", "2 / width of the filter, over the scale of |2X|", self.band_norm),)
