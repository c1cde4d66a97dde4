# SPDX-License-Identifier: Apache-2.0
"""Families whose output scale is next to nothing, as converters write it for what was always zero in calibration.

Accumulators then overflow int32 as they are shifted, and so does the sum with the zero point: the reference wraps
there, or its arithmetic is undefined and the file is refused.
"""

from __future__ import annotations

import dataclasses
import functools

from ascmcu.ir.types import Array
from tests.support.adversary import elementwise, reducing
from tests.support.adversary.arithmetic import Draw, Trial
from tests.support.adversary.families import FAMILIES, family

assert elementwise and reducing  # importing them registers the families that are drawn from here
BUILTINS = (
    "ABS", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "LEAKY_RELU", "MEAN", "MUL", "PRELU", "RELU",
)  # fmt: skip


class Tiny(Draw):
    """Draws output scales 2¹⁰ to 2²⁸ times smaller than the product."""

    def tie(self, product: float, accumulators: Array) -> float:
        """A scale next to nothing; products that are too large for LiteRT are refused."""
        return float(abs(product) * 2.0 ** -self.rng.uniform(10, 18 if self.chance(0.5) else 28))


def _tiny(name: str, draw: Draw) -> Trial:
    trial = FAMILIES[name].draw(Tiny(draw.rng, draw.name))
    # Formulas hardly differ on what saturates: every model is taken as it is drawn.
    return dataclasses.replace(trial, answers={})


for _builtin in BUILTINS:
    _title = f"{_builtin}, output scale next to nothing"
    family(_builtin, name=_title)(functools.partial(_tiny, _builtin))
_title = "QUANTIZE, requantizing, output scale next to nothing"
family("QUANTIZE", name=_title)(functools.partial(_tiny, "QUANTIZE, requantizing"))
