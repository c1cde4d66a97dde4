# SPDX-License-Identifier: Apache-2.0
"""The stages put together, one module per stage: what the command line is a thin shell of."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

from ascmcu.api.benching import bench
from ascmcu.api.choices import Candidate, Schedule, Variant, candidates, recomputed, variants
from ascmcu.api.compiling import NO_FEATURES, Compiled, compile_model
from ascmcu.api.exporting import Export, Format, build, check_folder, export
from ascmcu.api.reporting import compare, inspect, report, result, result_path
from ascmcu.api.sources import write_sources

__all__ = [
    "NO_FEATURES",
    "Candidate",
    "Compiled",
    "Export",
    "Format",
    "Schedule",
    "Variant",
    "bench",
    "build",
    "candidates",
    "check_folder",
    "compare",
    "compile_model",
    "export",
    "inspect",
    "recomputed",
    "report",
    "result",
    "result_path",
    "variants",
    "write_sources",
]


def _also_callable(package: str, function: Callable[..., Any]) -> None:
    """Let ``ascmcu.bench(...)`` work where ``ascmcu.bench`` is the package, once that has been imported."""

    class Called(types.ModuleType):
        def __call__(self, *arguments: Any, **options: Any) -> Any:
            return function(*arguments, **options)

    sys.modules[package].__class__ = Called


for _function in (bench, build, report):
    _also_callable(f"ascmcu.{_function.__name__}", _function)
