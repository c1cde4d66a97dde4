# SPDX-License-Identifier: Apache-2.0
"""FFT: CMSIS-DSP's where it has the length, mixed radix where the length has small factors, else Bluestein's algorithm.

A real transform of an even length is a complex one of half the length; one of an odd length is a complex one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ascmcu.codegen.frontend.parts import Constant, Stage, Table, Variable, floats, integers
from ascmcu.features.spec import FeatureSpec

# Entries of CMSIS-DSP's bit reversal tables by length of the complex FFT: ARMBITREVINDEXTABLE_*_TABLE_LENGTH.
_BIT_REVERSAL = {32: 48, 64: 56, 128: 208, 256: 440, 512: 448, 1024: 1800, 2048: 3808, 4096: 4032}
# A direct transform of a larger prime factor costs more than Bluestein's algorithm, and its points need stack.
_FACTOR_MAX = 31
_WELL_SERVED = (4, 2, 3, 5)


@dataclass(frozen=True)
class Fft(Stage):
    """A transform of ``points`` complex points.

    Attributes:
        kind: CMSIS-DSP's ``library``, ``mixed`` radix, or ``chirp`` (Bluestein).
        is_real: the points are pairs of real samples, else each has the imaginary part 0.
        library_points: of the CMSIS-DSP transform that is called, 0 for none.
        radices: of the passes of ``mixed``, in the order in which they run.
        order: where each point goes before them.
    """

    TEMPLATE = "fft"

    kind: Literal["library", "mixed", "chirp"]
    n_fft: int
    points: int
    is_real: bool
    library_points: int
    radices: tuple[int, ...]
    order: tuple[int, ...]

    @staticmethod
    def of(spec: FeatureSpec) -> Fft:
        """The stage for ``n_fft``."""
        is_real = spec.n_fft % 2 == 0
        points = spec.n_fft // 2 if is_real else spec.n_fft
        if is_real and points in _BIT_REVERSAL:
            return Fft("library", spec.n_fft, points, is_real, points, (), ())
        radices = factors(points)
        if radices:
            return Fft("mixed", spec.n_fft, points, is_real, 0, radices, _order(radices))
        length = 1 << (2 * points - 2).bit_length()
        return Fft("chirp", spec.n_fft, points, is_real, length, (), ())

    @property
    def is_plain(self) -> bool:
        """Whether CMSIS-DSP's tables hold the cosines of this length, and the points stay in order."""
        return self.kind == "library"

    @property
    def leaves_gaps(self) -> bool:
        """Whether a frame of ``n_fft`` samples leaves places that must be 0."""
        return self.kind == "chirp" or not self.is_real

    @property
    def generic_radices(self) -> tuple[int, ...]:
        """Prime factors without a butterfly of their own, each once."""
        return tuple(sorted(set(self.radices) - set(_WELL_SERVED)))

    @property
    def plain_radices(self) -> tuple[int, ...]:
        """Factors with a butterfly of their own, each once."""
        return tuple(radix for radix in _WELL_SERVED if radix in self.radices)

    @property
    def own_radices(self) -> tuple[int, ...]:
        """All factors, each once."""
        return self.plain_radices + self.generic_radices

    @property
    def passes(self) -> tuple[tuple[int, int], ...]:
        """(radix, points of the transforms that the pass combines) in the order in which they run."""
        return tuple((radix, math.prod(self.radices[:n])) for n, radix in enumerate(self.radices))

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        if self.kind == "library":
            return ""
        if self.kind == "mixed":
            return f"FFT of {self.n_fft} by factors {' × '.join(map(str, self.radices))}"
        return f"FFT of {self.n_fft} by a convolution of {self.library_points} points (Bluestein)"

    @property
    def library_bytes(self) -> int:
        """CMSIS-DSP's tables: twiddle factors, those of the real FFT, and the bit reversal."""
        if not self.library_points:
            return 0
        real = 4 * self.n_fft if self.is_plain else 0
        return 8 * self.library_points + real + 2 * _BIT_REVERSAL[self.library_points]

    @property
    def library_sizes(self) -> str:
        """``library_bytes`` as the compiler knows it, a C expression."""
        if not self.library_points:
            return "0"
        m = self.library_points
        real = f" + sizeof twiddleCoef_rfft_{self.n_fft}" if self.is_plain else ""
        return f"sizeof twiddleCoef_{m}{real} + sizeof armBitRevIndexTable{m}"

    @property
    def constants(self) -> tuple[Constant, ...]:
        """See ``Stage``."""
        return (Constant("POINTS", self.points, "complex, of the transform"),)

    @property
    def tables(self) -> tuple[Table, ...]:
        """See ``Stage``."""
        if self.kind == "library":
            return ()
        own = self._chirp_tables if self.kind == "chirp" else self._mixed_tables
        if not self.is_real:
            return own
        k = np.arange(self.n_fft // 2)
        turn = np.exp(2j * np.pi * k / self.n_fft)
        return (*own, floats("circle_table", "sin and cos of 2πk / N_FFT", _pairs(turn.imag, turn.real)))

    @property
    def _mixed_tables(self) -> tuple[Table, ...]:
        turn = np.exp(-2j * np.pi * np.arange(self.points) / self.points)
        return (
            integers("order", "uint16_t", "where each point goes before the passes", self.order),
            floats("turns", "cos and -sin of 2πk / POINTS", _pairs(turn.real, turn.imag)),
        )

    @property
    def _chirp_tables(self) -> tuple[Table, ...]:
        n, m = self.points, self.library_points
        # k² modulo 2n keeps the angle exact.
        chirp = np.exp(-1j * np.pi * (np.arange(n) ** 2 % (2 * n)) / n)
        filter_ = np.zeros(m, complex)
        filter_[:n] = chirp.conj()
        filter_[m - n + 1 :] = chirp.conj()[:0:-1]
        response = np.fft.fft(filter_)
        return (
            floats("chirp", "cos and -sin of πk² / POINTS", _pairs(chirp.real, chirp.imag)),
            floats("response", "transform of the conjugate chirp", _pairs(response.real, response.imag)),
        )

    @property
    def buffers(self) -> tuple[Variable, ...]:
        """See ``Stage``."""
        size = 2 * (self.library_points or self.points)
        extent = "[N_FFT]" if self.is_real and self.kind != "chirp" else f"[{size}]"
        return (Variable("FFT", "float32_t", "spectrum", extent, 4 * size),)


def factors(points: int) -> tuple[int, ...]:
    """The radices of a transform, or none where a prime factor is too large.

    Fours come first: their passes combine the shortest transforms, without a multiplication.
    """
    found = []
    for radix in (*_WELL_SERVED, *range(7, _FACTOR_MAX + 1, 2)):
        while points % radix == 0:
            found.append(radix)
            points //= radix
    return tuple(found) if points == 1 else ()


def _order(radices: tuple[int, ...]) -> tuple[int, ...]:
    """Where decimation in time wants each point: the digits of its index in these radices, reversed."""
    sequence = np.zeros(1, int)
    for radix in radices:
        sequence = np.concatenate([sequence * radix + j for j in range(radix)])
    place = np.empty(len(sequence), int)
    place[sequence] = np.arange(len(sequence))
    return tuple(int(p) for p in place)


def _pairs(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(np.stack([first, second], axis=1).ravel())
