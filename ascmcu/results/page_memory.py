# SPDX-License-Identifier: Apache-2.0
"""The report page's section on memory: what RAM and flash hold, and the map of the flash."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.results import pictures, words
from ascmcu.results.page_parts import Fact, Slice, colour_of
from ascmcu.results.pictures import Rectangle
from ascmcu.results.schema import Benchmark

TREEMAP_ASPECT = 2.2
_TREEMAP_SHARE_MIN = 0.0025
# The height of the treemap on a page 1180 pixels wide, and the width of a letter in it.
_TREEMAP_PX, _LETTER_PX, _NAME_LETTERS = 465, 6.8, 8
_PART_NAMES = {"dsp_tables": "FFT tables", "data": "data and state"}


@dataclass(frozen=True)
class Tile:
    """A symbol, or what is left, in the treemap; the small ones say by their tooltip alone what they are."""

    box: Rectangle
    name: str
    detail: str
    colour: str

    @property
    def named(self) -> bool:
        """Whether the box has room for the name, or for enough of it to be told."""
        return self._holds(min(len(self.name), _NAME_LETTERS)) and self.box.height * _TREEMAP_PX > 24 * 100

    @property
    def detailed(self) -> bool:
        """Whether there is room for the size below the name."""
        return self._holds(len(self.detail)) and self.box.height * _TREEMAP_PX > 38 * 100

    def _holds(self, letters: int) -> bool:
        return self.box.width * _TREEMAP_PX * TREEMAP_ASPECT > (_LETTER_PX * letters + 14) * 100


def facts(b: Benchmark) -> list[Fact]:
    """The headlines: RAM and flash, and how much of the board they take."""
    found = []
    for name, parts, board_bytes in (
        ("RAM", b.ram_bytes, b.board_ram_bytes),
        ("Flash", b.flash_bytes, b.board_flash_bytes),
    ):
        used = parts["total"]
        figure, unit = words.kibibytes(used).split()
        note = f"{words.percent(used / board_bytes)} of {words.kibibytes(board_bytes)}"
        found.append(
            Fact(name, figure, unit, note, used / board_bytes, state="bad" if used > board_bytes else "")
        )
    return found


def parts(sizes: dict[str, int], board_bytes: int) -> list[Slice]:
    """What a memory holds, by size, and what is left of it."""
    used = [(n, v) for n, v in sizes.items() if v and n not in ("total", "stack_peak", "padding")]
    used.sort(key=lambda item: -item[1])
    found = [
        Slice(
            _PART_NAMES.get(name, name.replace("_", " ")),
            words.kibibytes(v),
            100 * v / board_bytes,
            f"part-{i}",
        )
        for i, (name, v) in enumerate(used)
    ]
    free = board_bytes - sizes["total"]
    return [*found, Slice("free", words.kibibytes(max(free, 0)), max(0.0, 100 * free / board_bytes), "free")]


def tiles(b: Benchmark) -> list[Tile]:
    """Layers, and the symbols that belong to none; small ones together."""
    groups: dict[tuple[str, str], int] = {}
    for symbol in b.flash_symbols:
        if symbol.layer is not None:
            layer = b.layers[symbol.layer]
            what = "weights" if symbol.part == "weights" else "kernel"
            key = (f"{words.short_layer(layer.name)}: {what}", colour_of(layer.op))
        else:
            part = symbol.part
            key = (symbol.name, f"flash-{part.replace('_', '-')}")
        groups[key] = groups.get(key, 0) + symbol.size_bytes
    whole = b.flash_bytes["total"]
    large = {k: v for k, v in groups.items() if v >= _TREEMAP_SHARE_MIN * whole}
    rest = whole - sum(large.values())
    items = sorted(large.items(), key=lambda item: -item[1])
    if rest > 0:
        items.append(((f"{len(groups) - len(large)} smaller ones and padding", "flash-rest"), rest))
        items.sort(key=lambda item: -item[1])
    boxes = pictures.treemap([v for _, v in items], TREEMAP_ASPECT)
    return [
        Tile(box, name, f"{size:,} B, {words.percent(size / whole)}", colour)
        for box, ((name, colour), size) in zip(boxes, items, strict=True)
    ]
