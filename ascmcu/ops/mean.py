"""MEAN over any axes."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.registry import register
from ascmcu.ops._mean_sum import MeanOrSum


@register("MEAN")
@dataclass(frozen=True)
class Mean(MeanOrSum):
    """The requantized mean over ``axes``."""

    KIND = "mean"
    MEAN = True
