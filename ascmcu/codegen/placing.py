# SPDX-License-Identifier: Apache-2.0
"""Which constants are copied into RAM at start-up, where loads neither wait for the flash nor lose their overlap.

A load from flash waits for its line whenever that has left the data cache, and does not overlap with a load from RAM
beside it. What is read most often for its bytes goes first: the constants of layers with many output pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

from ascmcu.codegen.model import WeightArray

# Arrays are aligned, and the linker puts what follows them at a multiple of 16.
_ALIGNMENT_BYTES = 16
# What a start-up copy of its own must be read at least to pay: it costs a pass itself.
_LEAST_PASSES = 2


def choose(arrays: Sequence[WeightArray], room_bytes: int) -> tuple[WeightArray, ...]:
    """The constants that go into so much RAM, in the order of what they gain."""
    left = room_bytes - _ALIGNMENT_BYTES
    chosen = []
    for array in sorted(arrays, key=lambda a: (-a.passes, a.layer, a.symbol)):
        bytes_taken = -(-array.size_bytes // 4) * 4
        if array.passes >= _LEAST_PASSES and bytes_taken <= left:
            left -= bytes_taken
            chosen.append(array)
    return tuple(chosen)


def needed_bytes(arrays: Sequence[WeightArray]) -> int:
    """RAM for all of them."""
    return sum(-(-array.size_bytes // 4) * 4 for array in arrays) + _ALIGNMENT_BYTES


def describe(chosen: Sequence[WeightArray], arrays: Sequence[WeightArray], line_bytes: int) -> str:
    """The end of ``plan.txt``: what lies where, and what that saves."""
    moved = {array.symbol for array in chosen}
    lines = [
        "",
        "weights in RAM: copied at start-up; lines of flash that an inference no longer reads, at most",
    ]
    for array in chosen:
        spared = -(-array.size_bytes // line_bytes) * array.passes
        lines.append(f"  {array.symbol}: {array.size_bytes} bytes of layer {array.layer}, {spared} lines")
    rest = [array for array in arrays if array.symbol not in moved]
    lines.append(f"weights in flash: {sum(a.size_bytes for a in rest)} bytes in {len(rest)} arrays")
    return "\n".join(lines) + "\n"
