# SPDX-License-Identifier: Apache-2.0
"""The model limits of the DCASE challenges' low-complexity acoustic scene classification, by year.

Sources: the task pages at dcase.community (challenge2020 task 1b … challenge2025 task 1). 2020 and 2021 counted the
bytes of non-zero parameters with 1 KB = 1024 bytes (128 K and 32 K float32 parameters); 2022 and 2023 allowed 128,000
int8 parameters, zeros included; since 2024 any type may fill 128 kB, read here as 128,000 bytes. MACs are of one
inference.
"""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.figures import Figures


@dataclass(frozen=True)
class Limit:
    """One year's limit; an absent bound is ``None``."""

    name: str
    max_parameters: int | None = None
    max_parameter_bytes: int | None = None
    max_nonzero_bytes: int | None = None
    max_macs: int | None = None
    int8_weights: bool = False

    def exceeded(self, figures: Figures) -> tuple[str, ...]:
        """What is too much, in words; empty when the network keeps the limit."""
        bounds = (
            ("parameters", figures.parameters, self.max_parameters),
            ("bytes of parameters", figures.parameter_bytes, self.max_parameter_bytes),
            ("bytes of non-zero parameters", figures.nonzero_bytes, self.max_nonzero_bytes),
            ("MACs", figures.macs, self.max_macs),
        )
        found = [
            f"{value:,} {what} > {most:,}"
            for what, value, most in bounds
            if most is not None and value > most
        ]
        if self.int8_weights and not figures.int8_weights:
            found.append("parameters are not int8")
        return tuple(found)


@dataclass(frozen=True)
class LimitReport:
    """A limit by its name; ``exceeded`` says what is too much."""

    name: str
    passed: bool
    exceeded: tuple[str, ...]


LIMITS = (
    Limit("dcase2020-1b", max_nonzero_bytes=500 * 1024),
    Limit("dcase2021-1a", max_nonzero_bytes=128 * 1024),
    Limit("dcase2022", max_parameters=128_000, max_macs=30_000_000, int8_weights=True),
    Limit("dcase2023", max_parameters=128_000, max_macs=30_000_000, int8_weights=True),
    Limit("dcase2024", max_parameter_bytes=128_000, max_macs=30_000_000),
    Limit("dcase2025", max_parameter_bytes=128_000, max_macs=30_000_000),
)


def by_name(name: str) -> Limit | None:
    """The limit of that name."""
    return next((limit for limit in LIMITS if limit.name == name), None)


def report(figures: Figures) -> tuple[LimitReport, ...]:
    """Every limit held against a network."""
    found = ((limit.name, limit.exceeded(figures)) for limit in LIMITS)
    return tuple(LimitReport(name, not exceeded, exceeded) for name, exceeded in found)
