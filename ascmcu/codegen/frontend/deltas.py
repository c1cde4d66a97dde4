# SPDX-License-Identifier: Apache-2.0
"""Deltas: the rows with their regression coefficients as channels, or the rows as they are."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.parts import Constant, Stage, Table, Variable, field, floats
from ascmcu.features import tables
from ascmcu.features.spec import FeatureSpec


@dataclass(frozen=True)
class Deltas(Stage):
    """``from_clip``: the rows come from the stored clip instead of the spectrum.

    Attributes:
        ring: the delta of the delta needs the deltas of ``width`` rows.
        slope_weights, curve_weights: of the regression and of the parabola; empty where there is none.
    """

    TEMPLATE = "deltas"

    order: int
    width: int
    edges: str
    statics: int
    static_frames: int
    output_channels: int
    from_clip: bool
    ring: bool
    slope_weights: tuple[float, ...]
    curve_weights: tuple[float, ...]

    @staticmethod
    def of(spec: FeatureSpec) -> Deltas:
        """The stage as ``spec`` wants it."""
        ring = spec.deltas == 2 and spec.delta_edges not in ("nearest", "interp")
        parabola = spec.deltas == 2 and not ring
        return Deltas(
            order=spec.deltas,
            width=spec.delta_width,
            edges=spec.delta_edges,
            statics=spec.audio_channels * spec.bands,
            static_frames=spec.static_frames,
            output_channels=spec.output_channels,
            from_clip=spec.needs_whole_clip,
            ring=ring,
            slope_weights=tuple(tables.slope_weights(spec)) if spec.deltas else (),
            curve_weights=tuple(tables.curve_weights(spec)) if parabola else (),
        )

    @property
    def active(self) -> bool:
        """Whether there are deltas."""
        return self.order > 0

    @property
    def second(self) -> bool:
        """Whether there are delta-deltas."""
        return self.order == 2

    @property
    def parabola(self) -> bool:
        """Whether delta-deltas are second derivatives of a parabola through the rows."""
        return bool(self.curve_weights)

    @property
    def repeats_edges(self) -> bool:
        """Whether the first and last row stand for what lies beyond them."""
        return self.edges in ("nearest", "replicate")

    @property
    def fits_edges(self) -> bool:
        """Whether the first and last fits stand for the rows before and after their middle."""
        return self.edges == "interp"

    @property
    def kept_rows(self) -> int:
        """Rows that stay at hand: those of a regression, or with ``fits_edges`` those back to the row of output."""
        return 3 * (self.width // 2) + 1 if self.fits_edges else self.width

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        return f"{self.order} × deltas over {self.width} rows ({self.edges})" if self.active else ""

    @property
    def constants(self) -> tuple[Constant, ...]:
        """See ``Stage``."""
        outputs = Constant("OUTPUTS", self.output_channels, "channels of a row with deltas")
        if not self.active:
            return (outputs,)
        reach = self.width // 2
        delay = reach * (2 if self.ring else 1)
        repeats = self.repeats_edges
        first_slope = Constant(
            "FIRST_SLOPE", reach if repeats else 2 * reach, "the first row that completes a delta"
        )
        return (
            outputs,
            Constant("WIDTH", self.width, "rows in one regression"),
            Constant("REACH", "WIDTH / 2"),
            Constant("KEPT", self.kept_rows, "rows at hand"),
            *((first_slope,) if self.ring else ()),
            Constant(
                "FIRST_OUTPUT", delay if repeats else 2 * delay, "the first row that completes an output row"
            ),
            Constant(
                "PUSHES",
                self.static_frames + (2 * reach if self.fits_edges else delay if repeats else 0),
                "rows, and what follows the last of them"
                if self.fits_edges
                else "rows, with the repetitions of the last",
            ),
        )

    @property
    def tables(self) -> tuple[Table, ...]:
        """See ``Stage``."""
        found = []
        if self.slope_weights:
            found.append(floats("slope_weights", "of x[t+n] - x[t-n]", self.slope_weights))
        if self.curve_weights:
            found.append(floats("curve_weights", "of rows t - REACH … t + REACH", self.curve_weights))
        return tuple(found)

    @property
    def state(self) -> tuple[Variable, ...]:
        """See ``Stage``."""
        target = "the deltas" if self.active else "the output"
        counts = self.active or self.from_clip
        return (field("uint32_t", "pushed", f"rows that went on to {target}"),) if counts else ()

    @property
    def buffers(self) -> tuple[Variable, ...]:
        """See ``Stage``."""
        row = 4 * self.statics
        if not self.active:
            return () if self.from_clip else (Variable("row", "float32_t", "statics", "[STATICS]", row),)
        recent = "the last rows; row i at i modulo KEPT"
        kept = "deltas that these rows completed" if self.ring else "deltas"
        deltas = self.width if self.ring else 1
        extent = "[WIDTH][STATICS]" if self.ring else "[1][STATICS]"
        curves = Variable("deltas", "float32_t", "curves", "[STATICS]", row, "delta-deltas")
        return (
            Variable("rows", "float32_t", "history", "[KEPT][STATICS]", self.kept_rows * row, recent),
            Variable("deltas", "float32_t", "slopes", extent, deltas * row, kept),
            *((curves,) if self.second else ()),
        )
