"""FeatureSpec → frontend.c and frontend.h. Each stage decides in Python and has a template that gives it shape.

The frame ``templates/frontend.c.j2`` holds what joins the stages: the loop over frames, and the interface.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from ascmcu import __version__
from ascmcu.codegen.frontend.clip import Clip
from ascmcu.codegen.frontend.dct import Dct
from ascmcu.codegen.frontend.deltas import Deltas
from ascmcu.codegen.frontend.limit import Limit
from ascmcu.codegen.frontend.log import Log
from ascmcu.codegen.frontend.mel import Mel
from ascmcu.codegen.frontend.output import ITEM_BYTES, Output
from ascmcu.codegen.frontend.parts import Constant, Cost, Stage, Table, Variable, cost_of
from ascmcu.codegen.frontend.samples import Samples
from ascmcu.codegen.frontend.spectrum import Spectrum
from ascmcu.codegen.frontend.window import Window
from ascmcu.codegen.render import render
from ascmcu.errors import FeatureError
from ascmcu.features.spec import FeatureSpec


@dataclass(frozen=True)
class Frontend:
    """The stages in the order of the signal; every field is one."""

    samples: Samples
    window: Window
    spectrum: Spectrum
    mel: Mel
    log: Log
    limit: Limit
    dct: Dct
    deltas: Deltas
    clip: Clip
    output: Output

    @staticmethod
    def of(spec: FeatureSpec, scale: float, zero_point: int, dtype: str) -> Frontend:
        """The stages of a fitted spec, for a network's input."""
        return Frontend(
            Samples.of(spec),
            Window.of(spec),
            Spectrum.of(spec),
            Mel.of(spec),
            Log.of(spec),
            Limit.of(spec),
            Dct.of(spec),
            Deltas.of(spec),
            Clip.of(spec, scale),
            Output.of(spec, scale, zero_point, dtype),
        )

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages."""
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    @property
    def summary(self) -> list[str]:
        """The front end in words, a line per stage that does something."""
        return [stage.summary for stage in self.stages if stage.summary]

    @property
    def constants(self) -> list[Constant]:
        """The enumerators of all stages."""
        return [constant for stage in self.stages for constant in stage.constants]

    @property
    def tables(self) -> list[Table]:
        """The tables of all stages."""
        return [table for stage in self.stages for table in stage.tables]

    @property
    def state(self) -> list[Variable]:
        """The fields of ``struct frontend``."""
        return [field for stage in self.stages for field in stage.state]

    @property
    def state_bytes(self) -> int:
        """The size of ``struct frontend``: all fields are words."""
        return sum(field.bytes for field in self.state)

    @property
    def buffers(self) -> list[Variable]:
        """The arrays in RAM."""
        return [buffer for stage in self.stages for buffer in stage.buffers]

    @property
    def cost(self) -> Cost:
        """Its memory."""
        return cost_of(self.stages, [("FFT", self.spectrum.library_bytes)])


def render_frontend(spec: FeatureSpec, scale: float, zero_point: int, dtype: str) -> dict[str, str]:
    """The front end's C, ready for the build.

    Args:
        spec: a fitted spec.
        scale, zero_point, dtype: the network's input; ``float32`` takes scale 1 and zero point 0.

    Returns:
        text by file name: ``frontend.c``, ``frontend.h``.

    Raises:
        FeatureError: the normalization is not fitted, or the input's type is not supported.
    """
    _check_input(scale, zero_point, dtype)
    frontend = Frontend.of(spec, scale, zero_point, dtype)
    sha256 = spec.hash()
    return {
        name: render(f"{name}.j2", f=frontend, spec_sha256=sha256, tool_version=__version__)
        for name in ("frontend.c", "frontend.h")
    }


def frontend_cost(spec: FeatureSpec) -> Cost:
    """What a front end costs, without rendering it; figures of the training set need not be fitted."""
    return Frontend.of(_with_figures(spec), 1.0, 0, "float32").cost


def _with_figures(spec: FeatureSpec) -> FeatureSpec:
    if spec.is_fitted:
        return spec
    row = (1.0,) * spec.bands
    return spec.replace(mean=(row,) * spec.normalized_channels, std=(row,) * spec.normalized_channels)


def _check_input(scale: float, zero_point: int, dtype: str) -> None:
    if dtype not in ITEM_BYTES:
        raise FeatureError(
            "the front end cannot produce the network's input type",
            expected=", ".join(ITEM_BYTES),
            found=dtype,
        )
    if dtype == "float32":
        if (scale, zero_point) != (1.0, 0):
            raise FeatureError(
                "a float32 input has no quantization", expected=(1.0, 0), found=(scale, zero_point)
            )
        return
    limits = np.iinfo(np.dtype(dtype))
    if not (math.isfinite(scale) and scale > 0 and limits.min <= zero_point <= limits.max):
        raise FeatureError(
            "the quantization of the network's input is not valid",
            expected=f"scale above 0, zero point {limits.min} to {limits.max}",
            found=(scale, zero_point),
        )
