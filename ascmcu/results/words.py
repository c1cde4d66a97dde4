# SPDX-License-Identifier: Apache-2.0
"""Formatting of numbers and names; the same in terminal, HTML and Markdown."""

from __future__ import annotations

from ascmcu.ir.naming import short as short_layer

__all__ = ["MENDED", "digits", "duration", "kibibytes", "percent", "short_layer", "thousands"]

# What figures of the link mean.
MENDED = "what came late, damaged or not at all was repeated: no answer is missing"
_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def duration(seconds: float) -> str:
    """Three significant digits with a unit: ``52.5 ms``."""
    scale, unit = next(((s, u) for s, u in _TIMES if abs(seconds) >= s), _TIMES[-1])
    return f"{digits(seconds / scale)} {unit}"


def digits(value: float) -> str:
    """Three significant digits, never as a power of ten."""
    if value == 0:
        return "0"
    size = abs(value)
    places = 0 if size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.9995 else 3
    return f"{value:,.{places}f}"


def kibibytes(size_bytes: int) -> str:
    """``80.9 KiB``; bytes below one KiB."""
    return f"{size_bytes} B" if size_bytes < 1024 else f"{digits(size_bytes / 1024)} KiB"


def percent(fraction: float) -> str:
    """``91.2 %``."""
    return f"{100 * fraction:.1f} %"


def thousands(count: int) -> str:
    """``9,451,956``."""
    return f"{count:,}"
