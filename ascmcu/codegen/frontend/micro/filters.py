# SPDX-License-Identifier: Apache-2.0
"""Filters: triangles over the energies, then the square root of each band, on the scale of the samples."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.parts import Constant, Stage, Table, Variable, integers
from ascmcu.features import micro_tables
from ascmcu.features.microspec import FILTER_BITS, MicroSpec


@dataclass(frozen=True)
class MicroFilters(Stage):
    """Filter i falls over segment i with ``falls`` and rises over segment i - 1 with ``rises``.

    ``rises`` is empty where each weight is what the other lacks to 1.
    """

    TEMPLATE = "micro/filters"

    n_mels: int
    low_hz: float
    high_hz: float
    first_bin: int
    bins: tuple[int, ...]
    falls: tuple[int, ...]
    rises: tuple[int, ...]

    @staticmethod
    def of(spec: MicroSpec) -> MicroFilters:
        """The stage as ``spec`` wants it."""
        bank = micro_tables.filters(spec)
        one = 1 << FILTER_BITS
        rises = () if bool((bank.falling + bank.rising == one).all()) else tuple(bank.rising.tolist())
        return MicroFilters(
            spec.n_mels, spec.fmin_hz, spec.fmax_hz,
            bank.first_bin, tuple(bank.bins.tolist()), tuple(bank.falling.tolist()), rises,
        )  # fmt: skip

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        return f"roots of {self.n_mels} mel bands {self.low_hz:g}-{self.high_hz:g} Hz"

    @property
    def one(self) -> int:
        """A weight of 1."""
        return 1 << FILTER_BITS

    @property
    def constants(self) -> tuple[Constant, ...]:
        """See ``Stage``."""
        return (Constant("MELS", self.n_mels), Constant("FIRST_BIN", self.first_bin))

    @property
    def tables(self) -> tuple[Table, ...]:
        """See ``Stage``."""
        counts = "uint8_t" if max(self.bins) < 256 else "uint16_t"
        found = [
            integers("segment_bins", counts, "FFT bins between corners of filters", self.bins),
            integers(
                "falls",
                "int16_t",
                "weights of their bins in the falling filter, 12 fractional bits",
                self.falls,
            ),
        ]
        if self.rises:
            found.append(integers("rises", "int16_t", "and in the rising one", self.rises))
        return tuple(found)

    @property
    def buffers(self) -> tuple[Variable, ...]:
        """See ``Stage``."""
        return (Variable("bands", "uint32_t", "bands", "[MELS]", 4 * self.n_mels),)
