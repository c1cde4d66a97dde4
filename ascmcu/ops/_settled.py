"""Ops that no file holds and no import makes: a pass puts them in another's place once the axes are settled."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.ir.op import DEFAULT_TUNING, Inputs, Lowered, Op, Swapped, Tuning
from ascmcu.ir.types import Tensor


@dataclass(frozen=True)
class Settled(Op):
    """Base: an op whose tensors are laid out for axes that will not change any more."""

    def swapped(self, inputs: Inputs, output: Tensor) -> Swapped:
        """Nothing asks for it."""
        raise NotImplementedError


@dataclass(frozen=True)
class Tried(Settled):
    """Base: an op that the pass makes only where it has a kernel."""

    def try_lower(self, inputs: Inputs, output: Tensor, tuning: Tuning = DEFAULT_TUNING) -> Lowered | None:
        """The kernel's parameters and constants, or ``None`` where it would not be exact or has no room."""
        raise NotImplementedError

    def lower_tuned(self, inputs: Inputs, output: Tensor, tuning: Tuning) -> Lowered:
        """The same; the pass has made sure that there is a kernel."""
        lowered = self.try_lower(inputs, output, tuning)
        assert lowered is not None
        return lowered
