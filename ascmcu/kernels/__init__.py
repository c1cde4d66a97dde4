# SPDX-License-Identifier: Apache-2.0
"""How the core does an operation: one module per kernel; importing this package registers them all."""

from __future__ import annotations

import importlib
import pkgutil

from ascmcu.kernels._lowered import DEFAULT_TUNING, Lowered, Tuning
from ascmcu.kernels._select import lower, select

__all__ = ["DEFAULT_TUNING", "Lowered", "Tuning", "lower", "select"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
