# SPDX-License-Identifier: Apache-2.0
"""The log-mel front end of a ``FeatureSpec``, in single precision: its stages in the order of the signal."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.clip import Clip
from ascmcu.codegen.frontend.dct import Dct
from ascmcu.codegen.frontend.deltas import Deltas
from ascmcu.codegen.frontend.fft import Fft
from ascmcu.codegen.frontend.limit import Limit
from ascmcu.codegen.frontend.log import Log
from ascmcu.codegen.frontend.mel import Mel
from ascmcu.codegen.frontend.output import Output
from ascmcu.codegen.frontend.parts import Stages
from ascmcu.codegen.frontend.pcen import Pcen
from ascmcu.codegen.frontend.samples import Samples
from ascmcu.codegen.frontend.spectrum import Spectrum
from ascmcu.codegen.frontend.stack import Stack
from ascmcu.codegen.frontend.window import Window
from ascmcu.features.spec import FeatureSpec


@dataclass(frozen=True)
class LogMel(Stages):
    """Every field is a stage."""

    FRAME = "frontend/logmel.c.j2"
    PROFILED = ("window", "fft", "mel", "log", "deltas", "quantize")

    samples: Samples
    fft: Fft
    window: Window
    spectrum: Spectrum
    mel: Mel
    log: Log
    pcen: Pcen
    limit: Limit
    dct: Dct
    deltas: Deltas
    clip: Clip
    output: Output
    stack: Stack

    @staticmethod
    def of(spec: FeatureSpec, scale: float, zero_point: int, dtype: str) -> LogMel:
        """The stages of a fitted spec, for a network's input."""
        samples, fft = Samples.of(spec), Fft.of(spec)
        return LogMel(
            samples,
            fft,
            Window.of(spec, fft, samples),
            Spectrum.of(spec, fft),
            Mel.of(spec),
            Log.of(spec),
            Pcen.of(spec),
            Limit.of(spec),
            Dct.of(spec),
            Deltas.of(spec),
            Clip.of(spec, scale),
            Output.of(spec, scale, zero_point, dtype),
            Stack.of(spec, dtype),
        )

    @property
    def library_tables(self) -> tuple[tuple[str, int], ...]:
        """See ``Stages``."""
        return (("FFT", self.fft.library_bytes),)
