# SPDX-License-Identifier: Apache-2.0
"""Boards and chips as data: ``boards/<board>.toml`` and ``boards/chips/<chip>.toml``, loaded and checked.

A board names its chip, its clock, its serial pins and its emulators; a chip holds what is true of the part
wherever it is soldered.
"""

from ascmcu.boards.families import FAMILIES, Family, Port
from ascmcu.boards.loading import GENERIC, keep, load, names, of_export, that_hold
from ascmcu.boards.records import Board, Chip, Clock, FlashCache, FlashWait, Memory, MemoryKind, Serial

__all__ = [
    "FAMILIES",
    "GENERIC",
    "Board",
    "Chip",
    "Clock",
    "Family",
    "FlashCache",
    "FlashWait",
    "Memory",
    "MemoryKind",
    "Port",
    "Serial",
    "keep",
    "load",
    "names",
    "of_export",
    "that_hold",
]
