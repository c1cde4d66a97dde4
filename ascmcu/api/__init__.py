# SPDX-License-Identifier: Apache-2.0
"""The public functions behind the command line, one module per stage.

A stage is imported when it is used: an export needs no simulator, whose compiler alone takes half a second.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ascmcu.api.benching import bench
    from ascmcu.api.choices import Candidate, Schedule, Variant, candidates, recomputed, variants
    from ascmcu.api.compiling import Compiled, compile_model
    from ascmcu.api.exporting import Export, Format, build, check_folder, export
    from ascmcu.api.fronts import Front, front
    from ascmcu.api.predicting import predict
    from ascmcu.api.profiling import Profile, profile
    from ascmcu.api.reporting import compare, inspect, report, result, result_path, survey
    from ascmcu.api.sources import write_sources
    from ascmcu.api.trying import Agreement, Trial, try_model

__all__ = [
    "Agreement",
    "Candidate",
    "Compiled",
    "Export",
    "Format",
    "Front",
    "Profile",
    "Schedule",
    "Trial",
    "Variant",
    "bench",
    "build",
    "candidates",
    "check_folder",
    "compare",
    "compile_model",
    "export",
    "front",
    "inspect",
    "predict",
    "profile",
    "recomputed",
    "report",
    "result",
    "result_path",
    "survey",
    "try_model",
    "variants",
    "write_sources",
]

_NAMES_OF = {
    "benching": ("bench",),
    "choices": ("Candidate", "Schedule", "Variant", "candidates", "recomputed", "variants"),
    "compiling": ("Compiled", "compile_model"),
    "exporting": ("Export", "Format", "build", "check_folder", "export"),
    "fronts": ("Front", "front"),
    "predicting": ("predict",),
    "profiling": ("Profile", "profile"),
    "reporting": ("compare", "inspect", "report", "result", "result_path", "survey"),
    "sources": ("write_sources",),
    "trying": ("Agreement", "Trial", "try_model"),
}
_MODULE_OF = {name: module for module, names in _NAMES_OF.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'ascmcu.api' has no attribute {name!r}")
    return getattr(importlib.import_module(f"ascmcu.api.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
