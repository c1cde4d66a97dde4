# SPDX-License-Identifier: Apache-2.0
"""Window: a frame of samples as int16 pairs, each where the FFT's first stage wants it."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.parts import Constant, Stage, Table, integers
from ascmcu.features import micro_tables
from ascmcu.features.microspec import MicroSpec


@dataclass(frozen=True)
class MicroWindow(Stage):
    """``weights`` have 12 fractional bits; pair n of the samples goes to place ``places[n]``."""

    TEMPLATE = "micro/window"

    milliseconds: int
    weights: tuple[int, ...]
    places: tuple[int, ...]

    @staticmethod
    def of(spec: MicroSpec) -> MicroWindow:
        """The stage as ``spec`` wants it."""
        source = micro_tables.order(spec.n_fft // 2).tolist()
        places = [0] * len(source)
        for place, pair in enumerate(source):
            places[pair] = place
        return MicroWindow(spec.window_ms, tuple(micro_tables.window(spec).tolist()), tuple(places))

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        return f"Hann window of {self.milliseconds} ms ({len(self.weights)} samples)"

    @property
    def constants(self) -> tuple[Constant, ...]:
        """See ``Stage``."""
        return (Constant("WINDOW", len(self.weights), "samples of a frame"),)

    @property
    def tables(self) -> tuple[Table, ...]:
        """See ``Stage``."""
        places = "uint8_t" if len(self.places) <= 256 else "uint16_t"
        return (
            integers("weights", "int16_t", "Hann window, 12 fractional bits", self.weights),
            integers("places", places, "of pairs of samples: the digits of the index reversed", self.places),
        )
