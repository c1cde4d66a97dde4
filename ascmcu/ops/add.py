# SPDX-License-Identifier: Apache-2.0
"""ADD: x + y with broadcasting."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.registry import register
from ascmcu.ops._sum import SumOrDifference


@register("ADD")
@dataclass(frozen=True)
class Add(SumOrDifference):
    """clamp(requant(x + y)); rounds each operand and the result (tflite reference_integer_ops)."""

    KIND = "add"
    SUBTRACT = False
