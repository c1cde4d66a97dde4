# SPDX-License-Identifier: Apache-2.0
"""Cycles, RAM and flash of known networks may not grow by more than one percent over the stored results.

A figure that shrank is stored anew with
``tools/kernel_table MODEL… --layers --json docs/results/kernels-<schedule>.json``. Networks that are not published as
files are made by ``tools/make_bench_tflite``; the large ones only with ASCMCU_LONG_TESTS. A budget is of one network:
where another is made here than the one that was measured, that is told, and not taken for growth.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support import outside

ROOT = Path(__file__).resolve().parents[2]
GROWTH = 0.01
SMALL = ("ad", "wakeword", "dcase2022_baseline")
FIGURES = ("cycles", "latency_cycles", "ram_bytes", "flash_beside_weights_bytes")
needs_gcc = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no arm-none-eabi-gcc")


def _tool(name: str) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    loader = importlib.machinery.SourceFileLoader(name, str(ROOT / "tools" / name))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


def _file(name: str, folder: Path) -> Path:
    """The network's file, made if it is not published."""
    published = outside.model(f"{name}.tflite")
    if published.is_file():
        return published
    if name not in SMALL and "ASCMCU_LONG_TESTS" not in os.environ:
        pytest.skip(outside.missing(published))
    pytest.importorskip("tensorflow")
    made = folder / published.name
    if not made.is_file():
        made.write_bytes(_tool("make_bench_tflite").make(name))
    return made


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where networks are made, once for both schedules."""
    return tmp_path_factory.mktemp("networks")


def _stored() -> list[dict[str, Any]]:
    paths = sorted((ROOT / "docs" / "results").glob("kernels-*.json"))
    return [row for path in paths for row in json.loads(path.read_text())]


@needs_gcc
@pytest.mark.parametrize("stored", _stored(), ids=lambda r: f"{r['model']}, {r['schedule']}")
def test_budget(stored: dict[str, Any], networks: Path) -> None:
    measured = _tool("kernel_table").measure(
        _file(stored["model"], networks), stored["schedule"], layers=False
    )
    assert measured.numbers_sha256 == stored["numbers_sha256"], "this is another network than the stored one"
    if measured.compiler != stored["compiler"]:
        pytest.skip(f"stored with another compiler: {stored['compiler']}")
    for figure in FIGURES:
        found, budget = getattr(measured, figure), stored[figure] + GROWTH * abs(stored[figure])
        assert found <= budget, f"{figure}: {found} over the budget of {budget:.0f}"


@pytest.mark.parametrize("stored", _stored(), ids=lambda r: f"{r['model']}, {r['schedule']}")
def test_no_layer_is_below_its_bound(stored: dict[str, Any]) -> None:
    """The page says that no layer with these kernels can take less."""
    bounds = {layer["name"]: (layer["bound_cycles"], layer["ideal_cycles"]) for layer in stored["layers"]}
    assert bounds and all(bound <= measured for bound, measured in bounds.values())
