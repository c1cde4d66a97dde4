# SPDX-License-Identifier: Apache-2.0
"""SUM over any axes."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.registry import register
from ascmcu.ops._mean_sum import MeanOrSum


@register("SUM")
@dataclass(frozen=True)
class Sum(MeanOrSum):
    """The requantized sum over ``axes``."""

    KIND = "sum"
    MEAN = False
