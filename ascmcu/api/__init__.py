# SPDX-License-Identifier: Apache-2.0
"""The public functions behind the command line, one module per stage."""

from __future__ import annotations

from ascmcu.api.benching import bench
from ascmcu.api.choices import Candidate, Schedule, Variant, candidates, recomputed, variants
from ascmcu.api.compiling import Compiled, compile_model
from ascmcu.api.exporting import Export, Format, build, check_folder, export
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
    "inspect",
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
