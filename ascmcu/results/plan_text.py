# SPDX-License-Identifier: Apache-2.0
"""``plan.txt`` after a bench: each layer's measured cycles beside the predicted ones."""

from __future__ import annotations

from collections.abc import Mapping

_FIRST = "layer  "
_WHERE = "measured cycles: "
_COLUMNS = ("measured cycles", "predicted is off by")


def with_measured(text: str, measured: Mapping[int, tuple[int, float | None]], where: str) -> str:
    """The text with two columns more in the table of layers, in place of those of an earlier bench, and below it where
    they come from.

    Args:
        text: of ``plan.txt``.
        measured: by the number of a layer in the plan: cycles, and how far the prediction is off, as a fraction.
        where: what counted them, and how.
    """
    lines = [line for line in text.splitlines() if not line.startswith(_WHERE)]
    first = next((i for i, line in enumerate(lines) if line.startswith(_FIRST)), None)
    if first is None:
        return text
    last = next((i for i in range(first, len(lines)) if not lines[i]), len(lines))
    cut = lines[first].find(_COLUMNS[0])
    table = [line[:cut].rstrip() if cut >= 0 else line for line in lines[first:last]]
    width = max(len(line) for line in table)
    cells = [_COLUMNS, *(_cells(measured.get(int(line.split()[0]))) for line in table[1:])]
    wide = max(len(cell) for cell, _ in cells)
    table = [f"{line:{width}}  {a:{wide}}  {b}".rstrip() for line, (a, b) in zip(table, cells, strict=True)]
    return "\n".join([*lines[:first], *table, f"{_WHERE}{where}", *lines[last:]]) + "\n"


def _cells(found: tuple[int, float | None] | None) -> tuple[str, str]:
    if found is None:
        return "", ""
    cycles, off = found
    return str(cycles), "" if off is None else f"{100 * off:+.1f} %"
