# SPDX-License-Identifier: Apache-2.0
"""Window: a frame of samples as single precision, weighed."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.parts import Constant, Stage, Table, floats, literal
from ascmcu.features import tables
from ascmcu.features.spec import FeatureSpec


@dataclass(frozen=True)
class Window(Stage):
    """A window as long as the FFT, a - b cos, comes out of the FFT's own cosines; a shorter one has a table.

    Attributes:
        half: the first half of a shorter window, empty without a table.
        a, b, first: C literals of a, b and a - b.
        mean_weight: C literal of 2 W[1], what a constant 1 adds to 2X[1].
        offset, middle, pairs: the first sample of the window in the FFT, its centre and the samples with a mirror.
    """

    TEMPLATE = "window"

    kind: str
    length: int
    n_fft: int
    place: str
    mid_side: bool
    half: tuple[float, ...]
    a: str
    b: str
    first: str
    mean_weight: str
    offset: int
    middle: int
    pairs: int

    @staticmethod
    def of(spec: FeatureSpec) -> Window:
        """The stage as ``spec`` wants it."""
        a, b = tables.cosine_window(spec)
        shorter = spec.win_length != spec.n_fft
        return Window(
            kind=spec.window,
            length=spec.win_length,
            n_fft=spec.n_fft,
            place=spec.window_place,
            mid_side=spec.channels == "mid_side",
            half=tuple(tables.half_window(spec)) if shorter else (),
            a=literal(a),
            b=literal(b),
            first=literal(a - b),
            mean_weight=literal(-b * spec.n_fft),
            offset=0 if spec.window_place == "start" else (spec.n_fft - spec.win_length) // 2,
            middle=spec.win_length // 2,
            pairs=(spec.win_length - 1) // 2,
        )

    @property
    def has_table(self) -> bool:
        """Whether the weights are a table."""
        return bool(self.half)

    @property
    def has_middle(self) -> bool:
        """Whether one sample has no mirror image."""
        return self.length % 2 == 0

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        where = "at the start of" if self.place == "start" else "in"
        return f"{self.kind} window of {self.length} {where} {self.n_fft}"

    @property
    def constants(self) -> tuple[Constant, ...]:
        """See ``Stage``."""
        ends_the_frame = self.place == "start" and self.has_table
        return (Constant("WINDOW", self.length, "samples of a frame"),) if ends_the_frame else ()

    @property
    def tables(self) -> tuple[Table, ...]:
        """See ``Stage``."""
        if not self.half:
            return ()
        return (floats("half_window", f"{self.kind}, periodic: its first half", self.half),)
