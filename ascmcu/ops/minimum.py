# SPDX-License-Identifier: Apache-2.0
"""MINIMUM: the smaller of two operands, with broadcasting."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.registry import register
from ascmcu.ops._extremum import Extremum


@register("MINIMUM")
@dataclass(frozen=True)
class Minimum(Extremum):
    """The smaller raw integer (tflite reference_ops::MaximumMinimumBroadcastSlow)."""

    KIND = "minimum"
    LARGER = False
