# SPDX-License-Identifier: Apache-2.0
"""Limit: decibels no lower than ``top_db`` below a peak. The peak of a whole clip is the clip stage's."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.parts import Stage, Variable, field, literal
from ascmcu.features import tables
from ascmcu.features.spec import FeatureSpec


@dataclass(frozen=True)
class Limit(Stage):
    """``mode`` is that of the spec, empty without a limit; ``distance`` and ``fixed_floor`` are in octaves."""

    TEMPLATE = "limit"

    mode: str
    top_db: float
    distance: float
    fixed_floor: float
    finds_clip_peak: bool

    @staticmethod
    def of(spec: FeatureSpec) -> Limit:
        """The stage as ``spec`` wants it."""
        octave = tables.units_per_octave(spec)
        top_db = spec.top_db or 0.0
        mode = "" if spec.top_db is None else spec.top_db_mode
        floor = (spec.top_db_peak - top_db) / octave
        return Limit(mode, top_db, top_db / octave, floor, mode == "clip" or spec.db_reference == "clip_max")

    @property
    def active(self) -> bool:
        """Whether there is a limit."""
        return bool(self.mode)

    @property
    def running(self) -> bool:
        """Whether the peak is that of the frames so far."""
        return self.mode == "running"

    @property
    def fixed(self) -> bool:
        """Whether the peak is a constant."""
        return self.mode == "fixed"

    @property
    def finds_peak(self) -> bool:
        """Whether any peak has to be found."""
        return self.finds_clip_peak or self.running

    @property
    def distance_literal(self) -> str:
        """``distance`` in C."""
        return literal(self.distance)

    @property
    def floor_literal(self) -> str:
        """``fixed_floor`` in C."""
        return literal(self.fixed_floor)

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        return f"no more than {self.top_db:g} dB below the {self.mode} peak" if self.active else ""

    @property
    def state(self) -> tuple[Variable, ...]:
        """See ``Stage``."""
        return (field("float32_t", "peak", "the largest value so far, in octaves"),) if self.running else ()
