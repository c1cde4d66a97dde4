# SPDX-License-Identifier: Apache-2.0
"""SLIDE: a window over rows that moves on. Only the pass for listening makes it (``ascmcu/listening``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ascmcu.errors import VerifyError
from ascmcu.ir.op import Inputs, Op, TensorType
from ascmcu.ir.registry import register
from ascmcu.ir.types import Array, Tensor


@register()
@dataclass(frozen=True)
class Slide(Op):
    """The rows of a window, ``shift`` rows later: rows ``first`` … ``last`` - 1 are those that the old window had
    ``shift`` rows further down; those before and behind them are given.

    Inputs: the old window, the ``first`` rows before (absent where ``first`` is 0), the rows behind.
    """

    KIND = "slide"
    OVERWRITES = True
    shift: int
    first: int
    last: int

    def infer(self, inputs: Inputs) -> TensorType:
        """The window's.

        Raises:
            VerifyError: the parts do not make up the window.
        """
        window, before, behind = inputs
        assert window is not None and behind is not None
        given = (0 if before is None else before.shape[1]), behind.shape[1]
        wanted = self.first, window.shape[1] - self.last
        if given != wanted or not self.first < self.last <= window.shape[1] - self.shift:
            raise VerifyError("the rows do not make up the window", expected=wanted, found=given)
        return TensorType(window.shape, window.dtype)

    def evaluate(self, arrays: Sequence[Array | None], inputs: Inputs, output: Tensor) -> Array:
        """The rows, one after the other."""
        window, before, behind = arrays
        assert window is not None and behind is not None
        kept = window[:, self.first + self.shift : self.last + self.shift]
        return np.concatenate([*([] if before is None else [before]), kept, behind], axis=1)
