# SPDX-License-Identifier: Apache-2.0
"""Shared code of kernels that walk along one axis: how what a step reads falls apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ascmcu.ir.op import RowMode, RowRule
from ascmcu.ir.types import Tensor


@dataclass(frozen=True)
class Along:
    """``outer`` blocks of ``extent`` × ``inner`` elements, walked along ``extent``."""

    outer: int
    extent: int
    inner: int

    @property
    def block(self) -> int:
        """Elements of a block."""
        return self.extent * self.inner


def along(x: Tensor, axis: int, rule: RowRule) -> Along:
    """Of what one step reads of ``x``."""
    first = 0 if rule.mode is RowMode.WHOLE or not x.has_row_axis else 2
    shape = x.shape[first:]
    place = axis - first
    return Along(math.prod(shape[:place]), shape[place], math.prod(shape[place + 1 :]))
