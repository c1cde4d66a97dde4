# SPDX-License-Identifier: Apache-2.0
"""Clip: normalization that needs the whole clip before the first row is complete, or nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.codegen.frontend.parts import Constant, Stage, Variable, field, literal
from ascmcu.features import tables
from ascmcu.features.extract import CLIP_SPREAD_MIN, WINDOW_SPREAD_MIN
from ascmcu.features.spec import FeatureSpec

# struct figures: two doubles, two floats, a count, and what aligns the next one.
_FIGURES_BYTES = 32


@dataclass(frozen=True)
class Clip(Stage):
    """All rows of a clip, and its own figures.

    Attributes:
        wraps: C literal of the pre-emphasis of the clip's first sample by its last; empty without it.
        loudness: the samples are divided by the largest one, before the logarithm.
        decibels: the clip's peak is needed; the rows are then stored as mel values.
        dropped: frames at either end of the clip that count for the peak, and are no rows.
        subtracts_peak, limit: the peak becomes 0 dB; C literal of the distance below it, empty without a limit.
        figures: ``clip_zscore``, ``clip_minmax`` or empty.
        window, window_spread_min: rows around a row that give its mean and deviation, 0 for none; C literal of what is
            added to the deviation, in octaves.
        joint, before_deltas, ddof: how the figures are taken.
        spread_min, unit_gain: C literals of the least spread, in octaves, and of 1 / scale of the network's input.
    """

    TEMPLATE = "clip"

    active: bool
    rows: int
    channels: int
    bands: int
    mel_values: int
    output_channels: int
    has_dct: bool
    loudness: bool
    wraps: str
    power: int
    decibels: bool
    dropped: int
    subtracts_peak: bool
    limit: str
    figures: str
    window: int
    window_spread_min: str
    joint: bool
    before_deltas: bool
    ddof: int
    spread_min: str
    unit_gain: str

    @staticmethod
    def of(spec: FeatureSpec, scale: float) -> Clip:
        """The stage as ``spec`` wants it; ``scale`` is that of the network's input."""
        octave = tables.units_per_octave(spec)
        limited = spec.top_db is not None and spec.top_db_mode == "clip"
        return Clip(
            active=spec.needs_whole_clip,
            rows=spec.static_frames,
            channels=spec.audio_channels,
            bands=spec.bands,
            mel_values=spec.mel_values,
            output_channels=spec.output_channels,
            has_dct=spec.n_mfcc is not None,
            loudness=spec.amplitude == "clip_max",
            wraps=literal(spec.pre_emphasis) if spec.wraps else "",
            power=spec.power,
            decibels=spec.takes_clip_peak,
            dropped=spec.crop_frames if spec.takes_clip_peak else 0,
            subtracts_peak=spec.db_reference == "clip_max",
            limit=literal((spec.top_db or 0.0) / octave) if limited else "",
            figures=spec.normalization if spec.normalization in ("clip_zscore", "clip_minmax") else "",
            window=spec.normalization_window if spec.normalization == "window_zscore" else 0,
            window_spread_min=literal(WINDOW_SPREAD_MIN / octave),
            joint=spec.normalization_scope == "joint",
            before_deltas=spec.normalization_stage == "before_deltas",
            ddof=spec.normalization_ddof,
            spread_min=literal(CLIP_SPREAD_MIN / octave),
            unit_gain=literal(1 / float(np.float32(scale))),
        )

    @property
    def affine(self) -> bool:
        """Whether gain and bias come from the clip."""
        return bool(self.figures)

    @property
    def stores_mels(self) -> bool:
        """Whether the stored rows are mel values, before limit and DCT."""
        return self.decibels or self.loudness

    @property
    def squared(self) -> bool:
        """Whether the mel values are powers."""
        return self.power == 2

    @property
    def zscore(self) -> bool:
        """Whether the figures are mean and standard deviation, not minimum and range."""
        return self.figures == "clip_zscore"

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        largest = "clip's largest sample is 1" if self.loudness else ""
        window = f"mean and deviation of {self.window} rows around each row" if self.window else ""
        return ", ".join(
            filter(None, (largest, "clip's peak at 0 dB" if self.subtracts_peak else "", window))
        )

    @property
    def state(self) -> tuple[Variable, ...]:
        """See ``Stage``."""
        if not self.active:
            return ()
        stored = field("uint32_t", "stored", "rows of `clip`")
        prepared = field("uint32_t", "prepared", "whether the clip's own figures are known")
        scale = field("float32_t", "loudness", "factor of the mel values")
        first = (stored, prepared, *((scale,) if self.loudness else ()))
        if not self.affine:
            return first
        size = 4 * self.output_channels
        gain, bias = (field("float32_t", name, "", "[OUTPUTS]", size) for name in ("gain", "bias"))
        return (*first, gain, bias)

    @property
    def constants(self) -> tuple[Constant, ...]:
        """See ``Stage``."""
        if not self.active:
            return ()
        kept = "rows of `clip`" + (", with those dropped at either end" if self.dropped else "")
        around = (
            (Constant("AROUND", self.window // 2, "rows on either side of a row"),) if self.window else ()
        )
        return (Constant("STORED", "FRAMES" if self.dropped else "ROWS", kept), *around)

    @property
    def buffers(self) -> tuple[Variable, ...]:
        """See ``Stage``."""
        if not self.active:
            return ()
        needs = " and ".join(
            ["largest sample"] * self.loudness
            + ["peak"] * self.decibels
            + ["figures"] * self.affine
            + ["next rows"] * bool(self.window)
        )
        values = self.channels * (self.mel_values if self.stores_mels else self.bands)
        extent = f"[STORED][{'CHANNELS * VALUES' if self.stores_mels else 'STATICS'}]"
        comment = f"the first row needs the clip's {needs}"
        clip = Variable(
            "whole clip", "float32_t", "clip", extent, 4 * (self.rows + 2 * self.dropped) * values, comment
        )
        if self.window:
            size, extent = 4 * self.rows * self.channels * self.bands, "[ROWS][STATICS]"
            return (
                clip,
                Variable("whole clip", "float32_t", "centred", extent, size, "the rows without their means"),
            )
        if not self.affine:
            return (clip,)
        size = _FIGURES_BYTES * self.output_channels
        return (clip, Variable("figures", "struct figures", "figures", "[OUTPUTS]", size, declared=True))
