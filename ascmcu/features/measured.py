# SPDX-License-Identifier: Apache-2.0
"""What was measured of the shipped specifications: whose features they are, how nearly, and cycles of a frame.

``measured.toml`` is written by tools/frontends_table; the cycles are those of one channel on nucleo-f446.
"""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).with_name("measured.toml")


@dataclass(frozen=True)
class Measured:
    """One specification.

    Attributes:
        equals: the code that it was compared with.
        equal_percent: of values quantized to int8.
        cycles: of a frame and channel without wait states; ``None`` where the front end has no frames.
        cycles_waiting: the same with the five wait states of 180 MHz.
    """

    equals: str
    equal_percent: float
    cycles: int | None = None
    cycles_waiting: int | None = None


@functools.cache
def of(name: str) -> Measured | None:
    """What was measured of a shipped specification; ``None`` where nothing was."""
    row = tomllib.loads(_FILE.read_text(encoding="utf-8")).get(name)
    return None if row is None else Measured(**row)
