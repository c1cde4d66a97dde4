# SPDX-License-Identifier: Apache-2.0
"""The table of families: which operator each one tries, on which element types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.support.adversary.arithmetic import Draw, Trial

QUANTIZED = ("int8", "uint8", "int16")
FLOAT = ("float32",)


@dataclass(frozen=True)
class Family:
    """Models of one operator, or of operators that a pass joins; ``draw`` makes one, of the element type asked for."""

    name: str
    builtins: tuple[str, ...]
    dtypes: tuple[str, ...]
    draw: Callable[[Draw], Trial]


FAMILIES: dict[str, Family] = {}

Maker = Callable[[Draw], Trial]


def family(*builtins: str, name: str = "", dtypes: tuple[str, ...] = QUANTIZED) -> Callable[[Maker], Maker]:
    """Decorator: the function makes the family of these operators."""

    def add(draw: Maker) -> Maker:
        title = name or " + ".join(builtins)
        assert title not in FAMILIES, title
        FAMILIES[title] = Family(title, builtins, dtypes, draw)
        return draw

    return add
