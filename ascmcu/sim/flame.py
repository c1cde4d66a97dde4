# SPDX-License-Identifier: Apache-2.0
"""A flame graph as one SVG file: call paths from the bottom up, width by cycles; hovering names a frame."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from ascmcu.sim.profile import Path

_WIDTH = 1200
_ROW = 17
_NARROWEST = 0.3
_LETTER = 6.6


@dataclass
class _Frame:
    cycles: int = 0
    children: dict[str, _Frame] = field(default_factory=dict)

    def depth(self) -> int:
        return 1 + max((child.depth() for child in self.children.values()), default=0)


def render(paths: list[Path], title: str) -> str:
    """The SVG text.

    Args:
        paths: from ``profile.paths``.
        title: a line above the graph.
    """
    root = _Frame()
    for path in paths:
        frame = root
        frame.cycles += path.cycles
        for name in path.names:
            frame = frame.children.setdefault(name, _Frame())
            frame.cycles += path.cycles
    height = (root.depth() + 2) * _ROW
    body: list[str] = []
    _draw(root, "all", 0.0, 0, height, max(1, root.cycles), body)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            'font-family="monospace" font-size="11">',
            f'<rect width="{_WIDTH}" height="{height}" fill="#fffdf7"/>',
            f'<text x="4" y="13">{escape(title)}</text>',
            *body,
            "</svg>",
            "",
        ]
    )


def _draw(
    frame: _Frame, name: str, left: float, level: int, height: int, total: int, body: list[str]
) -> None:
    width = _WIDTH * frame.cycles / total
    if width < _NARROWEST:
        return
    top = height - (level + 1) * _ROW
    share = 100 * frame.cycles / total
    letters = int((width - 4) / _LETTER)
    label = name if len(name) <= letters else (name[: letters - 1] + "…" if letters >= 3 else "")
    body.append(
        f"<g><title>{escape(name)}: {frame.cycles:,} cycles, {share:.1f} %</title>"
        f'<rect x="{left:.1f}" y="{top}" width="{max(width - 0.5, 0.3):.1f}" height="{_ROW - 1}" '
        f'fill="{_colour(name)}"/>'
        f'<text x="{left + 3:.1f}" y="{top + 12}">{escape(label)}</text></g>'
    )
    for child_name, child in sorted(frame.children.items(), key=lambda item: (-item[1].cycles, item[0])):
        _draw(child, child_name, left, level + 1, height, total, body)
        left += _WIDTH * child.cycles / total


def _colour(name: str) -> str:
    """The same warm colour for the same name, always."""
    shade = hashlib.sha256(name.encode()).digest()
    return f"rgb({205 + shade[0] % 50},{90 + shade[1] % 120},{40 + shade[2] % 50})"
