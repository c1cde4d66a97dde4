# SPDX-License-Identifier: Apache-2.0
"""FFT: KISS FFT's int16 transform of real samples, down to energies, in place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ascmcu.codegen.frontend.parts import Constant, Stage, Table, Variable, integers
from ascmcu.features import micro_tables
from ascmcu.features.microspec import MicroSpec


@dataclass(frozen=True)
class MicroFft(Stage):
    """A complex FFT of half the length, by fours; an odd power of two begins with pairs.

    Attributes:
        stages: (inner, step) of the radix-4 stages behind the first: legs lie ``inner`` apart, factors ``step``.
        turns: the factors of these stages; separation: those that take the spectra of both halves apart.
    """

    TEMPLATE = "micro/fft"

    points: int
    begins_with_pairs: bool
    stages: tuple[tuple[int, int], ...]
    turns: tuple[int, ...]
    separation: tuple[int, ...]

    @staticmethod
    def of(spec: MicroSpec) -> MicroFft:
        """The stage as ``spec`` wants it."""
        points = spec.n_fft // 2
        radices = micro_tables.radices(points)[::-1]
        stages, inner = [], radices[0]
        for radix in radices[1:]:
            stages.append((inner, points // (radix * inner)))
            inner *= radix
        turns = micro_tables.twiddles(points)[: max(3 * (n - 1) * step for n, step in stages) + 1]
        return MicroFft(
            points, radices[0] == 2, tuple(stages), _words(turns), _words(micro_tables.separation(points))
        )

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        return f"int16 FFT of {2 * self.points} samples"

    @property
    def first_radix(self) -> int:
        """Legs of the first stage's butterflies."""
        return 2 if self.begins_with_pairs else 4

    @property
    def constants(self) -> tuple[Constant, ...]:
        """See ``Stage``."""
        return (Constant("POINTS", self.points, "of the complex FFT: half of the real one"),)

    @property
    def tables(self) -> tuple[Table, ...]:
        """See ``Stage``."""
        return (
            _complex("turns", f"exp(-2πik / {self.points}), 15 fractional bits", self.turns),
            _complex("separation", f"exp(-πi ((k + 1) / {self.points} + ½))", self.separation),
        )

    @property
    def buffers(self) -> tuple[Variable, ...]:
        """See ``Stage``."""
        comment = "samples in pairs, then their spectrum, then its energies"
        return (Variable("FFT", "uint32_t", "bins", "[POINTS]", 4 * self.points, comment),)


def _words(pairs: micro_tables.Ints) -> tuple[int, ...]:
    words = (pairs[:, 0] & 0xFFFF) | (pairs[:, 1] & 0xFFFF) << 16
    return tuple(int(word) for word in np.asarray(words))


def _complex(name: str, comment: str, words: tuple[int, ...]) -> Table:
    table = integers(name, "uint32_t", comment, words)
    return Table(name, table.type, comment, tuple(f"{word:#010x}u" for word in words), table.item_bytes)
