"""Cycles, RAM and flash of known networks may not grow by more than one percent over the stored results.

A figure that shrank is stored anew with
``tools/kernel_table MODEL… --layers --json docs/results/kernels-<schedule>.json``.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT.parent / "shared" / "models"
GROWTH = 1.01
FIGURES = ("cycles", "latency_cycles", "ram_bytes", "flash_beside_weights_bytes")
needs_gcc = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no arm-none-eabi-gcc")


def _tool() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("kernel_table", str(ROOT / "tools" / "kernel_table"))
    spec = importlib.util.spec_from_loader("kernel_table", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["kernel_table"] = module
    loader.exec_module(module)
    return module


def _stored() -> list[dict[str, Any]]:
    paths = sorted((ROOT / "docs" / "results").glob("kernels-*.json"))
    return [row for path in paths for row in json.loads(path.read_text())]


@needs_gcc
@pytest.mark.parametrize("stored", _stored(), ids=lambda r: f"{r['model']}, {r['schedule']}")
def test_budget(stored: dict[str, Any]) -> None:
    model = MODELS / f"{stored['model']}.tflite"
    if not model.is_file():
        pytest.skip(f"{model.name} is not here")
    measured = _tool().measure(model, stored["schedule"], layers=False)
    if measured.compiler != stored["compiler"]:
        pytest.skip(f"stored with another compiler: {stored['compiler']}")
    for figure in FIGURES:
        found, budget = getattr(measured, figure), stored[figure] * GROWTH
        assert found <= budget, f"{figure}: {found} over the budget of {budget:.0f}"
