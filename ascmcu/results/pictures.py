# SPDX-License-Identifier: Apache-2.0
"""Shapes for reports: a treemap's rectangles, a spectrogram as PNG, colours that stay apart in light and in dark."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.results.schema import Mistake

# Dark to light, so that a louder band is brighter in grey print too.
_RAMP = ((9, 12, 32), (24, 46, 104), (22, 104, 138), (52, 160, 120), (196, 196, 72), (255, 246, 214))


@dataclass(frozen=True)
class Rectangle:
    """In percent of the whole picture."""

    left: float
    top: float
    width: float
    height: float


def treemap(sizes: Sequence[float], aspect: float) -> list[Rectangle]:
    """Rectangles with areas as ``sizes``, as near to squares as a greedy choice gets.

    Bruls, Huizing, van Wijk, "Squarified Treemaps" (2000): rows are filled along the shorter side for as long as the
    worst ratio of their rectangles improves.

    Args:
        sizes: positive, largest first.
        aspect: width ÷ height of the picture.
    """
    whole = sum(sizes)
    if whole <= 0:
        return []
    areas = [size / whole * aspect for size in sizes]
    found: list[Rectangle] = []
    left, top, width, height = 0.0, 0.0, aspect, 1.0
    at = 0
    while at < len(areas):
        side = min(width, height)
        count = 1
        while at + count < len(areas) and _worst(areas[at : at + count + 1], side) <= _worst(
            areas[at : at + count], side
        ):
            count += 1
        row = areas[at : at + count]
        depth = sum(row) / side
        along = 0.0
        for area in row:
            length = area / depth
            box = (left, top + along, depth, length) if width > height else (left + along, top, length, depth)
            found.append(Rectangle(100 * box[0] / aspect, 100 * box[1], 100 * box[2] / aspect, 100 * box[3]))
            along += length
        if width > height:
            left, width = left + depth, width - depth
        else:
            top, height = top + depth, height - depth
        at += count
    return found


def _worst(row: Sequence[float], side: float) -> float:
    total = sum(row)
    return max(side * side * max(row) / total**2, total**2 / (side * side * min(row)))


def wilson(right: int, clips: int) -> tuple[float, float]:
    """The 95 % interval of a fraction (Wilson's score interval), as fractions."""
    if clips == 0:
        return 0.0, 1.0
    z = 1.959964
    fraction = right / clips
    centre = fraction + z * z / (2 * clips)
    half = z * float(np.sqrt(fraction * (1 - fraction) / clips + z * z / (4 * clips * clips)))
    scale = 1 + z * z / clips
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def spectrogram(mistake: Mistake) -> str:
    """A ``data:`` address of the picture, the highest band on top."""
    levels = np.frombuffer(base64.b64decode(mistake.levels), np.uint8).reshape(mistake.bands, mistake.frames)
    ramp = np.array(_RAMP, dtype=np.float64)
    at = levels[::-1].astype(np.float64) / 255 * (len(ramp) - 1)
    low = np.minimum(at.astype(int), len(ramp) - 2)
    fraction = (at - low)[..., None]
    pixels = np.rint(ramp[low] * (1 - fraction) + ramp[low + 1] * fraction).astype(np.uint8)
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode()


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A PNG (ISO/IEC 15948) of uint8 (height, width, 3), every line unfiltered."""
    height, width, _ = pixels.shape
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
