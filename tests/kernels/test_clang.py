# SPDX-License-Identifier: Apache-2.0
"""Clang reads the kernels' assembly as GNU as does: generated C for the Cortex-M4, without a warning."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ascmcu import passes, paths
from ascmcu.codegen.model import render_model
from ascmcu.frontends import tflite
from ascmcu.ir.graph import Graph
from ascmcu.schedule import LAYERS, make_plan
from ascmcu.schedule.plan import Plan
from tests.support import cases, recipes, recipes_flat

_CORE = ["--target=arm-none-eabi", "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]
_WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
_LIBC = next(
    (p for p in map(Path, ("/usr/include/newlib", "/usr/lib/arm-none-eabi/include")) if p.is_dir()), None
)

pytestmark = pytest.mark.skipif(
    not shutil.which("clang") or _LIBC is None, reason="no clang, or no C library for Arm"
)


def _networks() -> Iterator[Graph]:
    """Case rows, and networks whose layouts the passes choose."""
    for case in cases.load():
        yield tflite.parse(case.model(), case.id)
    for seed in range(6):
        yield tflite.parse(recipes_flat.make(recipes.separable(random.Random(seed))), "separable")


def _with_assembly() -> dict[str, Plan]:
    """The first network that takes each kernel that has assembly."""
    found: dict[str, Plan] = {}
    for graph in _networks():
        plan = make_plan(passes.optimize(graph), LAYERS)
        for lowered in (layer.lowered for layer in plan.layers):
            parts = [getattr(lowered.params, part, None) for part in ("gemm", "planar", "fours", "two_mac")]
            if any(hasattr(p, "code") or hasattr(p, "sums") for p in (lowered.params, *parts)):
                found.setdefault(lowered.kernel, plan)
    return found


def test_clang_compiles_every_kernel_that_has_assembly(tmp_path: Path) -> None:
    networks = _with_assembly()
    assert {"add_sub", "conv2d_packed", "dense_packed", "depthwise_planar", "depthwise_time"} <= set(networks)
    for kernel, plan in networks.items():
        folder = tmp_path / kernel
        folder.mkdir()
        for name, text in render_model(plan, name=kernel, sha256="").files.items():
            (folder / name).write_text(text)
        headers = [f"-I{paths.firmware() / 'kernels'}", f"-isystem{_LIBC}"]
        done = subprocess.run(
            ["clang", *_CORE, *_WARNINGS, "-O2", *headers, "-c", "model.c", "-o", "model.o"],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{kernel}: {done.stderr[:3000]}"
