# SPDX-License-Identifier: Apache-2.0
"""MEAN over any axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascmcu.ir.op import Inputs
from ascmcu.ir.ranges import Range
from ascmcu.ir.registry import register
from ascmcu.ir.types import Tensor
from ascmcu.ops import _reduce
from ascmcu.ops._mean_sum import MeanOrSum


@register("MEAN")
@dataclass(frozen=True)
class Mean(MeanOrSum):
    """The requantized mean over ``axes``."""

    KIND = "mean"
    MEAN = True

    def channel_range(self, ranges: Sequence[Range | None], inputs: Inputs, output: Tensor) -> Range | None:
        """The reduction is monotone: its values on constant maps bound it."""
        return _reduce.monotone_range(self, ranges[0], inputs, output)
