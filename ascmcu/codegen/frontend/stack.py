# SPDX-License-Identifier: Apache-2.0
"""Stack: several rows of the front end as one row of the network's input, or each as it is."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.output import ITEM_BYTES
from ascmcu.codegen.frontend.parts import Constant, Stage, Variable, field
from ascmcu.features.spec import FeatureSpec


@dataclass(frozen=True)
class Stack(Stage):
    """``frames`` rows make one, which begins ``step`` rows after the one before it."""

    TEMPLATE = "stack"

    frames: int
    step: int
    values: int
    dtype: str

    @staticmethod
    def of(spec: FeatureSpec, dtype: str) -> Stack:
        """The stage as ``spec`` wants it."""
        return Stack(
            spec.stack_frames, spec.stack_step or spec.stack_frames, spec.bands * spec.output_channels, dtype
        )

    @property
    def active(self) -> bool:
        """Whether rows are put together."""
        return self.frames > 1

    @property
    def keeps(self) -> int:
        """Rows that the next one shares with the last."""
        return max(0, self.frames - self.step)

    @property
    def next(self) -> int:
        """Rows at hand after one of the network's; below 0 where rows between two are left out."""
        return self.frames - self.step

    @property
    def type(self) -> str:
        """Of a value, in C."""
        return "float32_t" if self.dtype == "float32" else f"{self.dtype}_t"

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        return f"{self.frames} rows as one, every {self.step}" if self.active else ""

    @property
    def constants(self) -> tuple[Constant, ...]:
        """See ``Stage``."""
        if not self.active:
            return ()
        return (
            Constant("STACK", self.frames, "rows in one"),
            Constant("KEEPS", self.keeps, "rows that the next shares"),
        )

    @property
    def state(self) -> tuple[Variable, ...]:
        """See ``Stage``."""
        return (
            (field("int32_t", "stacked", "rows of `stack`, below 0 while rows are left out"),)
            if self.active
            else ()
        )

    @property
    def buffers(self) -> tuple[Variable, ...]:
        """See ``Stage``."""
        size = self.frames * self.values * ITEM_BYTES[self.dtype]
        extent = "[STACK][OUTPUTS * BANDS]"
        return (Variable("stack", self.type, "stack", extent, size),) if self.active else ()
