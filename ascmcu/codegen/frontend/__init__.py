# SPDX-License-Identifier: Apache-2.0
"""Specification → frontend.c and frontend.h. Each stage decides in Python and has a template that gives it shape.

``logmel.py`` and ``micro/`` list the stages of the two kinds of front end; each has a frame in
``templates/frontend/`` that joins them.
"""

from __future__ import annotations

import math

import numpy as np

from ascmcu import __version__
from ascmcu.codegen.frontend.logmel import LogMel
from ascmcu.codegen.frontend.micro import Micro
from ascmcu.codegen.frontend.output import ITEM_BYTES
from ascmcu.codegen.frontend.parts import Cost, Stages
from ascmcu.codegen.frontend.pcm import RawPcm
from ascmcu.errors import FeatureError
from ascmcu.features.microspec import MicroSpec
from ascmcu.features.pcmspec import PcmSpec
from ascmcu.features.spec import FeatureSpec, Spec
from ascmcu.jinja import render


def render_frontend(spec: Spec, scale: float, zero_point: int, dtype: str) -> dict[str, str]:
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
    frontend = _stages(spec, scale, zero_point, dtype)
    about = {"f": frontend, "spec_sha256": spec.hash(), "tool_version": __version__}
    return {
        "frontend.c": render(frontend.FRAME, **about),
        "frontend.h": render("frontend/frontend.h.j2", **about),
    }


def frontend_cost(spec: Spec, dtype: str = "int8") -> Cost:
    """What a front end costs, without rendering it; figures of the training set need not be fitted."""
    if isinstance(spec, FeatureSpec):
        return _stages(_with_figures(spec), 1.0, 0, dtype).cost
    return _stages(spec, 1.0, 0, dtype).cost


def _stages(spec: Spec, scale: float, zero_point: int, dtype: str) -> Stages:
    if isinstance(spec, PcmSpec):
        return RawPcm.of(spec, scale, zero_point, dtype)
    if isinstance(spec, MicroSpec):
        return Micro.of(spec, scale, zero_point, dtype)
    return LogMel.of(spec, scale, zero_point, dtype)


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
