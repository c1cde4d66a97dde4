# SPDX-License-Identifier: Apache-2.0
"""MAXIMUM: the larger of two operands, with broadcasting."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.registry import register
from ascmcu.ops._extremum import Extremum


@register("MAXIMUM")
@dataclass(frozen=True)
class Maximum(Extremum):
    """The larger raw integer (tflite reference_ops::MaximumMinimumBroadcastSlow)."""

    KIND = "maximum"
    LARGER = True
