# SPDX-License-Identifier: Apache-2.0
"""At which level the compiler optimises the network's C, where the user asks for a balance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ascmcu.kernels import Optimize
from ascmcu.schedule import Plan

# What a kilobyte of flash is worth, as a fraction of the network's cycles.
WORTH_OF_KIB = 0.01
_KIB = 1024
_LEVELS: tuple[Optimize, ...] = ("cycles", "balanced", "flash")


def network_level(plan: Plan, optimize: Optimize, code_bytes: Callable[[Optimize], int]) -> Optimize:
    """The level for ``model.c``: what was asked for; for ``balanced`` the one at which cycles and flash cost least
    together.

    Args:
        plan: the network.
        optimize: what was asked for.
        code_bytes: flash of ``model.c`` at a level.
    """
    if optimize != "balanced":
        return optimize
    cycles = {level: plan.cycles_at(replace(plan.target, optimize=level)) for level in _LEVELS}
    fastest = min(cycles.values())
    return min(
        _LEVELS,
        key=lambda level: cycles[level] / max(fastest, 1) + WORTH_OF_KIB * code_bytes(level) / _KIB,
    )
