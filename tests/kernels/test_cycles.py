# SPDX-License-Identifier: Apache-2.0
"""Predicted cycles are those that the simulator counts: within 5 % a layer and 2 % a network.

A layer with less than one percent of its network's cycles may be off by that percent, and anything by a thousand
cycles: they decide nothing. Made networks are always there; published ones are looked for beside the checkout. The
costs of parts are of one compiler: ``tools/cycles`` measures them anew.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ascmcu.kernels._cycles import measured_with
from ascmcu.toolchain.gcc import compiler_version, find_tool
from tests.support import kernel_networks, recipes_flat
from tools import cycles_fit

MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"
PUBLISHED = (
    "mlperf_tiny_kws_int8", "mlperf_tiny_ic_resnet8_int8", "mlperf_tiny_sww_int8", "tflm_micro_speech_int8",
    "ambiq_har_int8", "ambiq_arrhythmia_int8", "tflm_person_detect_int8",
    "diy_alexa_float_io",
)  # fmt: skip
# Networks of kernels whose cycles do not depend on the compiler, drawn as tools/cycles draws them, of another seed.
FORMS = ("conv", "separable", "time")
SEED, EACH = 2, 2
needs_gcc = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no arm-none-eabi-gcc")


def _same_compiler() -> None:
    found = compiler_version(find_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi"))
    if found != measured_with():
        pytest.skip(f"measured with another compiler: {measured_with()}")


def _check(path: Path, mode: str) -> None:
    (measured,) = cycles_fit.measure(path, mode)
    judged = cycles_fit.judge(measured)
    assert judged.holds, "\n".join(judged.lines(show_all=True))


@needs_gcc
@pytest.mark.parametrize("mode", ["layers", "rows"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks(name: str, mode: str) -> None:
    path = MODELS / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"{path.name} is not here")
    _same_compiler()
    _check(path, mode)


@needs_gcc
@pytest.mark.parametrize("mode", ["layers", "rows"])
@pytest.mark.parametrize("form", FORMS)
def test_made_networks(form: str, mode: str, tmp_path: Path) -> None:
    _same_compiler()
    networks = kernel_networks.drawn(form, SEED, EACH)
    assert networks
    for number, recipe in enumerate(networks):
        path = tmp_path / f"{form}-{number}.tflite"
        path.write_bytes(recipes_flat.make(recipe))
        _check(path, mode)
