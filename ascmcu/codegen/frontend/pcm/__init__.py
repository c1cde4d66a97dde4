# SPDX-License-Identifier: Apache-2.0
"""The front end of a ``PcmSpec``: samples, quantized to the network's input."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.parts import Stages
from ascmcu.codegen.frontend.pcm.output import PcmOutput
from ascmcu.codegen.frontend.pcm.samples import PcmSamples
from ascmcu.features.pcmspec import PcmSpec


@dataclass(frozen=True)
class RawPcm(Stages):
    """Every field is a stage."""

    FRAME = "frontend/pcm.c.j2"
    PROFILED = ("quantize",)

    output: PcmOutput
    samples: PcmSamples

    @staticmethod
    def of(spec: PcmSpec, scale: float, zero_point: int, dtype: str) -> RawPcm:
        """The stages of a spec, for a network's input."""
        return RawPcm(PcmOutput.of(spec, scale, zero_point, dtype), PcmSamples.of(spec, dtype))
