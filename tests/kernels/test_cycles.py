# SPDX-License-Identifier: Apache-2.0
"""Predicted cycles are those that the simulator counts: within 5 % a layer and 2 % a network.

A layer with less than one percent of its network's cycles may be off by that percent, and anything by a thousand
cycles: they decide nothing. Made networks are always there; published ones are looked for beside the checkout. The
costs of parts are of one compiler: ``tools/cycles`` measures them anew.
"""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest

from ascmcu.ir.registry import kinds
from ascmcu.kernels._cycles import Optimize, measured_with, unmeasured
from ascmcu.kernels._registry import kernel_names, kernels_of
from ascmcu.kernels._work import NO_WORK
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


def test_where_there_is_a_choice_all_kernels_were_measured() -> None:
    choices = [kernels_of(op) for op in kinds().values()]
    chosen = {kernel.name for choice in choices if len(choice) > 1 for kernel in choice}
    assert len(chosen) > 20 and chosen <= kernel_names()
    assert not {name for name in chosen if unmeasured(name, NO_WORK)}


@needs_gcc
def test_what_was_not_measured_keeps_its_cost_or_takes_the_first_levels(tmp_path: Path) -> None:
    def measured(optimize: Optimize, *kernels: str) -> cycles_fit.Measured:
        layers = [
            cycles_fit.Layer(k, k, 0, n, [("turns", n * n)], 100 * n + 7 * n * n)
            for k in kernels
            for n in (4, 9, 20)
        ]
        return cycles_fit.Measured("m", "layers", optimize, 0, [], sum(x.cycles for x in layers), layers)

    path = tmp_path / "cycles.toml"
    path.write_text(
        "[pad]\nerror = [0.1, 0.2, 0.3]\nseldom = [5, 6, 0]\nsteps = [1, 2, 3]\n"
        "[prelu]\nerror = [0.1, 1, 1]\nsteps = [7, 0, 0]\n[gone]\nsteps = [1, 1, 1]\n"
    )
    found = [
        measured("cycles", "everywhere", "once"),
        measured("balanced", "everywhere"),
        measured("flash", "everywhere"),
    ]
    cycles_fit.write(found, path)
    table = tomllib.loads(path.read_text())
    assert table["pad"] == {"error": [0.1, 0.2, 0.3], "seldom": [5, 6, 0], "steps": [1, 2, 3]}
    assert table["prelu"] == {"error": [0.1, 0.1, 0.1], "steps": [7, 7, 7]} and "gone" not in table
    for kernel in ("everywhere", "once"):
        assert table[kernel]["turns"] == pytest.approx([7, 7, 7], rel=1e-3)
        assert table[kernel]["steps"] == pytest.approx([100, 100, 100], rel=1e-3)


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
