# SPDX-License-Identifier: Apache-2.0
"""The kernels, one module each; importing this package registers them all."""

from __future__ import annotations

import importlib
import pkgutil

from ascmcu.kernels._cycles import DEFAULT_TARGET, Optimize, Target, around, predicted
from ascmcu.kernels._lowered import DEFAULT_TUNING, Lowered, Tuning
from ascmcu.kernels._select import lower, select
from ascmcu.kernels._work import Work, work

__all__ = [
    "DEFAULT_TARGET", "DEFAULT_TUNING", "Lowered", "Optimize", "Target", "Tuning", "Work", "around", "lower",
    "predicted", "select", "work",
]  # fmt: skip

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
