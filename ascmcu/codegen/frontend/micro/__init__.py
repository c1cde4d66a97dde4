# SPDX-License-Identifier: Apache-2.0
"""The micro front end of a ``MicroSpec``, in integers: its stages in the order of the signal."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.micro.fft import MicroFft
from ascmcu.codegen.frontend.micro.filters import MicroFilters
from ascmcu.codegen.frontend.micro.gain import MicroGain
from ascmcu.codegen.frontend.micro.log import MicroLog
from ascmcu.codegen.frontend.micro.noise import MicroNoise
from ascmcu.codegen.frontend.micro.output import MicroOutput
from ascmcu.codegen.frontend.micro.window import MicroWindow
from ascmcu.codegen.frontend.parts import Stages
from ascmcu.codegen.frontend.samples import Samples
from ascmcu.features.microspec import MicroSpec


@dataclass(frozen=True)
class Micro(Stages):
    """Every field is a stage."""

    FRAME = "frontend/micro.c.j2"
    PROFILED = ("window", "fft", "mel", "noise", "quantize")

    samples: Samples
    window: MicroWindow
    fft: MicroFft
    filters: MicroFilters
    noise: MicroNoise
    gain: MicroGain
    log: MicroLog
    output: MicroOutput

    @staticmethod
    def of(spec: MicroSpec, scale: float, zero_point: int, dtype: str) -> Micro:
        """The stages of a spec, for a network's input.

        Raises:
            FeatureError: the spec's mapping does not fit the input.
        """
        return Micro(
            Samples.of_micro(spec),
            MicroWindow.of(spec),
            MicroFft.of(spec),
            MicroFilters.of(spec),
            MicroNoise.of(spec),
            MicroGain.of(spec),
            MicroLog.of(spec),
            MicroOutput.of(spec, scale, zero_point, dtype),
        )
